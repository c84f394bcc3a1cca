//! `vipd server …` and `vipd sessions …`: an operator's word to a running proxy.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use config::DEFAULT_RUNTIME_DIR;
use lbproxy::control::status::{Answer, Order, Request};
use vocabulary::Name;

use crate::status;

/// What may become of a server. It holds over reloads, restarts and upgrades, until the next order or for a
/// time.
#[derive(Debug, Subcommand)]
pub enum Server {
    /// No new connections; old ones stay and checks go on
    Drain(For),
    /// As its checks say
    Ready(Of),
    /// No new connections and no checks; old connections stay
    Maint(For),
    /// Another share of the connections than the file says
    Weight {
        /// The server
        #[command(flatten)]
        of: For,
        /// 0 to 256
        #[arg(value_parser = clap::value_parser!(u16).range(0..=256))]
        weight: u16,
    },
}

/// What may become of connections.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// Reset those of a proxy, or of one of its servers
    Shutdown {
        /// The proxy, or the server
        #[arg(value_name = "PROXY[/SERVER]")]
        of: Place,
        /// The node
        #[command(flatten)]
        node: Socket,
    },
}

/// A server of a running node.
#[derive(Args, Debug)]
pub struct Of {
    /// The server, as `vipd status` names it
    #[arg(value_name = "PROXY/SERVER")]
    server: ServerPlace,
    #[command(flatten)]
    node: Socket,
}

/// A server of a running node, and for how long.
#[derive(Args, Debug)]
pub struct For {
    #[command(flatten)]
    of: Of,
    /// After this time it is over, such as 30m or 2h; without it, with the next order
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
}

/// A time of a second to a year.
fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let limits = Duration::from_secs(1)..=Duration::from_secs(366 * 86_400);
    if limits.contains(&time) { Ok(time) } else { Err("it is 1s to 366days".to_owned()) }
}

/// Which node of this machine.
#[derive(Args, Debug)]
pub struct Socket {
    /// Where the node's sockets are
    #[arg(long, value_name = "DIR", default_value = DEFAULT_RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// `PROXY/SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlace {
    proxy: Name,
    server: Name,
}

/// `PROXY` or `PROXY/SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    proxy: Name,
    server: Option<Name>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |part: &str| Name::try_from(part).map_err(|error| format!("each {error}"));
        let (proxy, server) = match text.split_once('/') {
            Some((proxy, server)) => (name(proxy)?, Some(name(server)?)),
            None => (name(text)?, None),
        };
        Ok(Self { proxy, server })
    }
}

impl FromStr for ServerPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Place { proxy, server } = text.parse()?;
        let server = server.ok_or("name the server as well: PROXY/SERVER")?;
        Ok(Self { proxy, server })
    }
}

/// Gives an order about a server. Exit codes: 0 done, 1 not done.
#[must_use]
pub fn server(order: &Server) -> ExitCode {
    let (of, time, order) = match order {
        Server::Drain(For { of, time }) => (of, *time, Order::Drain),
        Server::Ready(of) => (of, None, Order::Ready),
        Server::Maint(For { of, time }) => (of, *time, Order::Maint),
        Server::Weight { of: For { of, time }, weight } => (of, *time, Order::Weight(*weight)),
    };
    let ServerPlace { proxy, server } = of.server.clone();
    let for_ms = time.and_then(|time| u64::try_from(time.as_millis()).ok());
    give(&of.node.runtime_dir, Request::Server { proxy, server, order, for_ms })
}

/// Gives an order about connections. Exit codes: 0 done, 1 not done.
#[must_use]
pub fn sessions(order: &Sessions) -> ExitCode {
    let Sessions::Shutdown { of, node } = order;
    let Place { proxy, server } = of.clone();
    give(&node.runtime_dir, Request::ShutdownSessions { proxy, server })
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn give(runtime_dir: &Path, request: Request) -> ExitCode {
    match status::order_lbproxy(runtime_dir, request) {
        Ok(Answer::Done(words)) => {
            println!("{words}");
            return ExitCode::SUCCESS;
        }
        Ok(Answer::Error(words)) => eprintln!("error: {words}; nothing was changed"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(error.exit_code());
        }
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_for_a_second_to_a_year() {
        assert_eq!(time("30m"), Ok(Duration::from_secs(1800)));
        for wrong in ["0s", "900ms", "2years", "soon", "-1s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_is_a_proxy_or_a_server() {
        let name = |name| Name::try_from(name).unwrap();
        let whole = "api/10.0.0.1:6443".parse::<ServerPlace>().unwrap();
        assert_eq!(whole, ServerPlace { proxy: name("api"), server: name("10.0.0.1:6443") });
        let proxy = "api".parse::<Place>().unwrap();
        assert_eq!(proxy, Place { proxy: name("api"), server: None });
        assert!("api".parse::<ServerPlace>().unwrap_err().contains("PROXY/SERVER"));
        assert!("api/".parse::<Place>().is_err());
        assert!("a b/c".parse::<Place>().is_err());
    }
}
