//! What is told of a connection once it has ended, in the form that is configured.

mod haproxy;
mod json;
mod words;

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::LogFormat;
use vocabulary::Name;

use crate::data::route::Routed;
use crate::plan::backend::Server;
use crate::plan::end::End;

/// What is told of a connection once it has ended, or has lasted long.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    pub(crate) proxy: Name,
    pub(crate) client: SocketAddr,
    pub(crate) listen: SocketAddr,
    /// How it was routed, where the proxy has routes.
    pub(crate) routed: Option<Box<Routed>>,
    /// The server that took the connection, if any.
    pub(crate) server: Option<Arc<Server>>,
    /// From the accept to the server's answer.
    pub(crate) connect: Option<Duration>,
    pub(crate) duration: Duration,
    /// Bytes delivered to the server.
    pub(crate) up: u64,
    /// Bytes delivered to the client.
    pub(crate) down: u64,
    /// Servers tried.
    pub(crate) attempts: u32,
    /// The proxy's connections then, this one included.
    pub(crate) open: u64,
    /// None: it has not.
    pub(crate) end: Option<End>,
}

impl AccessRecord {
    /// Why it ended, in a word.
    fn outcome(&self) -> &'static str {
        self.end.map_or("open", End::word)
    }
}

/// Writes the line of a connection that ended at `wall`, without its end.
pub(crate) fn write(text: &mut String, record: &AccessRecord, format: LogFormat, wall: SystemTime) {
    let written = match format {
        LogFormat::Words => words::write(text, record),
        LogFormat::Json => text.write_str(&json::line(record, wall)),
        LogFormat::Haproxy => haproxy::write(text, record, wall),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::located::Located;

    /// A connection that was served.
    pub(crate) fn served() -> AccessRecord {
        let address: SocketAddr = "10.0.0.1:6443".parse().unwrap();
        let server = Server {
            name: Name::try_from("cp1").unwrap(),
            located: Located::new(address.into()),
            key: address,
            counters: Arc::default(),
            backup: false,
            max_connections: None,
            error_limit: None,
            source: None,
            queue: Arc::default(),
        };
        AccessRecord {
            proxy: Name::try_from("apiserver").unwrap(),
            client: "192.0.2.1:50000".parse().unwrap(),
            listen: "192.0.2.100:6443".parse().unwrap(),
            routed: None,
            server: Some(Arc::new(server)),
            connect: Some(Duration::from_micros(412)),
            duration: Duration::from_micros(61_000_007),
            up: 10,
            down: 20,
            attempts: 2,
            open: 1,
            end: Some(End::ClientClosed),
        }
    }

    /// One that lasted five seconds.
    pub(crate) fn long() -> AccessRecord {
        AccessRecord {
            connect: Some(Duration::from_micros(2_500)),
            duration: Duration::from_micros(5_000_250),
            down: 212,
            attempts: 1,
            open: 3,
            ..served()
        }
    }

    /// 2026-11-21T19:28:23.443Z
    pub(crate) fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_289_303_443)
    }
}
