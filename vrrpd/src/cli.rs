//! The command line.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use config::{DEFAULT_PATH, DEFAULT_RUNTIME_DIR};
use vocabulary::{Family, Name, RouterId};

/// Elects the owner of virtual addresses and keeps them in the kernel.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,

    /// Where the daemon's socket is made
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    pub runtime_dir: PathBuf,

    /// Standard input is the supervisor's watchdog: tick into it, and end when the supervisor dies
    #[arg(long, hide = true)]
    pub watchdog: bool,

    /// A router that a predecessor left as Active, and for how many milliseconds it may go on
    #[arg(long, hide = true, value_name = "NAME/FAMILY/MILLISECONDS", value_parser = resume)]
    pub resume: Vec<(RouterId, u64)>,
}

/// Reads what [`resume_argument`] wrote.
fn resume(text: &str) -> Result<(RouterId, u64), String> {
    let wrong = || "not NAME/ipv4|ipv6/MILLISECONDS".to_owned();
    let mut parts = text.split('/');
    let (Some(name), Some(family), Some(millis), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let family = match family {
        "ipv4" => Family::Ipv4,
        "ipv6" => Family::Ipv6,
        _ => return Err(wrong()),
    };
    let name = Name::try_from(name).map_err(|_| wrong())?;
    Ok((RouterId { name, family }, millis.parse().map_err(|_| wrong())?))
}

/// The value of `--resume` for a router that may go on within `millis` milliseconds.
#[must_use]
pub fn resume_argument(router: &RouterId, millis: u64) -> String {
    let family = match router.family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    format!("{}/{family}/{millis}", router.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_supervisor_writes_is_read() {
        let router = RouterId { name: Name::try_from("k8s-api").unwrap(), family: Family::Ipv6 };
        let argument = resume_argument(&router, 250);
        assert_eq!(argument, "k8s-api/ipv6/250");
        assert_eq!(resume(&argument), Ok((router, 250)));
        for wrong in ["", "a/ipv4", "a/ipv5/1", "a/ipv4/x", "a/ipv4/1/2", "a b/ipv4/1"] {
            assert!(resume(wrong).is_err(), "{wrong}");
        }
    }
}
