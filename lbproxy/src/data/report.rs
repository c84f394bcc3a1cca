//! What is told of a connection once it has ended, and why it ended.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vocabulary::Name;

use crate::data::route::{Asked, Routed};
use crate::plan::backend::Server;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides finished; the client first.
    ClientClosed,
    /// Both sides finished; the server first.
    ServerClosed,
    /// The client reset the connection.
    ClientReset,
    /// The server reset the connection.
    ServerReset,
    /// The client vanished: keepalive or `TCP_USER_TIMEOUT`.
    ClientLost,
    /// The server vanished.
    ServerLost,
    /// No byte either way for too long.
    IdleTimeout,
    /// The same after one side had finished.
    HalfClosedTimeout,
    /// No server was usable.
    NoBackend,
    /// No server accepted the connection.
    ConnectFailed,
    /// No server answered in time.
    ConnectTimeout,
    /// Every server had as many connections as it may, and as many waited as may.
    QueueFull,
    /// Every server had as many connections as it may for as long as one waits.
    QueueTimeout,
    /// The client has as many connections as it may.
    SourceLimit,
    /// The client's address is in `deny`.
    Denied,
    /// The client's address is not in `allow`.
    NotAllowed,
    /// A trusted sender began with something else than a PROXY header.
    BadHeader,
    /// A trusted sender took too long for its PROXY header.
    HeaderTimeout,
    /// No route fits the connection, and the proxy has no servers of its own.
    NoRoute,
    /// The same, for the client did not say in time which name it asks for.
    HelloTimeout,
    /// The server went down.
    ServerDown,
    /// An operator ended it.
    ByOperator,
    /// The local address leaves this node.
    AddressReleased,
    /// The proxy ends.
    Shutdown,
}

impl End {
    /// Every reason there is.
    pub(crate) const ALL: [Self; 24] = [
        Self::ClientClosed,
        Self::ServerClosed,
        Self::ClientReset,
        Self::ServerReset,
        Self::ClientLost,
        Self::ServerLost,
        Self::IdleTimeout,
        Self::HalfClosedTimeout,
        Self::NoBackend,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::SourceLimit,
        Self::Denied,
        Self::NotAllowed,
        Self::BadHeader,
        Self::HeaderTimeout,
        Self::NoRoute,
        Self::HelloTimeout,
        Self::ServerDown,
        Self::ByOperator,
        Self::AddressReleased,
        Self::Shutdown,
    ];

    /// Whether no server could be reached.
    pub(crate) fn is_refusal(self) -> bool {
        use End::{ConnectFailed, ConnectTimeout, NoBackend, QueueFull, QueueTimeout};
        matches!(self, NoBackend | ConnectFailed | ConnectTimeout | QueueFull | QueueTimeout)
    }
}

impl End {
    /// HAProxy's two letters (configuration manual, 8.5): who ended it, and in which phase.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::ClientClosed | Self::ServerClosed => "--",
            Self::ClientReset | Self::ClientLost => "CD",
            Self::ServerReset | Self::ServerLost => "SD",
            Self::IdleTimeout | Self::HalfClosedTimeout => "cD",
            Self::NoBackend | Self::ConnectFailed => "SC",
            Self::ConnectTimeout => "sC",
            Self::QueueFull => "PQ",
            Self::QueueTimeout => "sQ",
            Self::SourceLimit
            | Self::Denied
            | Self::NotAllowed
            | Self::BadHeader
            | Self::NoRoute => "PR",
            Self::HeaderTimeout | Self::HelloTimeout => "cR",
            Self::ServerDown => "DD",
            Self::ByOperator | Self::AddressReleased | Self::Shutdown => "KD",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientClosed => "client_closed",
            Self::ServerClosed => "server_closed",
            Self::ClientReset => "client_reset",
            Self::ServerReset => "server_reset",
            Self::ClientLost => "client_lost",
            Self::ServerLost => "server_lost",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfClosedTimeout => "half_closed_timeout",
            Self::NoBackend => "no_backend",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::SourceLimit => "source_limit",
            Self::Denied => "denied",
            Self::NotAllowed => "not_allowed",
            Self::BadHeader => "bad_header",
            Self::HeaderTimeout => "header_timeout",
            Self::NoRoute => "no_route",
            Self::HelloTimeout => "hello_timeout",
            Self::ServerDown => "server_down",
            Self::ByOperator => "by_operator",
            Self::AddressReleased => "address_released",
            Self::Shutdown => "shutdown",
        })
    }
}

/// What is told of a connection once it has ended, or has lasted long; [`Display`](fmt::Display) is its line.
#[derive(Debug)]
pub(crate) struct Report {
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

impl Report {
    /// Why it ended, in a word.
    pub(crate) fn outcome(&self) -> String {
        self.end.map_or_else(|| "open".to_owned(), |end| end.to_string())
    }
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy={} client={} listen={}", self.proxy, self.client, self.listen)?;
        if let Some(Routed { proxy, asked }) = self.routed.as_deref() {
            match proxy {
                Some(proxy) => write!(f, " route={proxy}")?,
                None => f.write_str(" route=-")?,
            }
            match asked {
                Asked::Name(name) => write!(f, " server_name={name}")?,
                Asked::NotLooked | Asked::Nothing | Asked::Late => f.write_str(" server_name=-")?,
            }
        }
        match &self.server {
            Some(server) => write!(f, " server={} server_addr={}", server.name, server.located)?,
            None => f.write_str(" server=- server_addr=-")?,
        }
        match self.connect {
            Some(time) => write!(f, " connect_ms={}", Millis(time))?,
            None => f.write_str(" connect_ms=-")?,
        }
        write!(
            f,
            " duration_ms={} bytes_up={} bytes_down={} attempts={} end={}",
            Millis(self.duration),
            self.up,
            self.down,
            self.attempts,
            self.outcome()
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::located::Located;

    /// A connection that was served.
    pub(crate) fn served() -> Report {
        let address: SocketAddr = "10.0.0.1:6443".parse().unwrap();
        let server = Server {
            name: Name::try_from("cp1").unwrap(),
            located: Arc::new(Located::new(address.into(), None)),
            key: address,
            counters: Arc::default(),
            backup: false,
            max_connections: None,
            error_limit: None,
            source: None,
            queue: Arc::default(),
        };
        Report {
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

    #[test]
    fn a_line_looks_like_this() {
        let mut report = served();
        assert_eq!(
            report.to_string(),
            "proxy=apiserver client=192.0.2.1:50000 listen=192.0.2.100:6443 server=cp1 \
             server_addr=10.0.0.1:6443 connect_ms=0.412 duration_ms=61000.007 bytes_up=10 \
             bytes_down=20 attempts=2 end=client_closed"
        );
        let name = Asked::Name("api.example.com".to_owned());
        let proxy = Some(Name::try_from("api").unwrap());
        report.routed = Some(Box::new(Routed { proxy, asked: name }));
        let line = report.to_string();
        let told = " listen=192.0.2.100:6443 route=api server_name=api.example.com server=cp1 ";
        assert!(line.contains(told), "{line}");
        report.routed = Some(Box::default());
        assert!(report.to_string().contains(" route=- server_name=- server=cp1 "));
        report.server = None;
        report.connect = None;
        report.end = Some(End::NoBackend);
        let line = report.to_string();
        assert!(line.contains(" server=- server_addr=- connect_ms=- "), "{line}");
    }

    /// What only a network does: beside its code.
    const OF_THE_NETWORK: [End; 2] = [End::ClientLost, End::ServerLost];

    #[test]
    fn every_reason_is_met_by_a_test_of_the_whole_proxy() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let tests: Vec<String> =
            files.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        let met = |end: &&End| tests.iter().any(|test| test.contains(&format!("end={end}")));
        let never: Vec<&End> =
            End::ALL.iter().filter(|end| !met(end) && !OF_THE_NETWORK.contains(end)).collect();
        assert!(never.is_empty(), "{never:?}");
        let words: std::collections::HashSet<String> =
            End::ALL.iter().map(End::to_string).collect();
        assert_eq!(words.len(), End::ALL.len());
    }
}
