//! The command line.

use clap::Args as ClapArgs;
use process::arguments::Args as Common;
use vocabulary::{Family, Name, RouterId};

/// Elects the owner of virtual addresses and keeps them in the kernel.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What all programs share
    #[command(flatten)]
    pub common: Common,

    /// A router that a predecessor left as Active, and for how many milliseconds it may go on
    #[arg(long, hide = true, value_name = "NAME/FAMILY/MILLISECONDS", value_parser = resume)]
    pub resume: Vec<(RouterId, u64)>,

    /// An operator paused this node
    #[arg(long, hide = true)]
    pub paused: bool,
}

/// The argument by which `vrrpd` knows that an operator paused this node.
pub const PAUSED: &str = "--paused";

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
