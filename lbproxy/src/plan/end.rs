//! Why a connection ended.

use strum::VariantArray;

use crate::net::proxy_header::HeaderError;

/// Why a connection ended; [`Display`](std::fmt::Display) is its word in access lines, status and metrics.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
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
    /// The client opens connections sooner than it may.
    SourceRate,
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
    /// Its server has more connections than its share, and this one was idle.
    Rebalanced,
    /// The local address leaves this node.
    AddressReleased,
    /// The proxy ends.
    Shutdown,
}

impl End {
    /// How many reasons there are.
    pub(crate) const COUNT: usize = Self::VARIANTS.len();

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }

    /// Whether no server could be reached.
    pub(crate) fn is_refusal(self) -> bool {
        use End::{ConnectFailed, ConnectTimeout, NoBackend, QueueFull, QueueTimeout};
        matches!(self, NoBackend | ConnectFailed | ConnectTimeout | QueueFull | QueueTimeout)
    }

    /// Whether both sides ended it in order, or the client had enough.
    pub(crate) fn is_ordinary(self) -> bool {
        matches!(self, Self::ClientClosed | Self::ServerClosed | Self::ClientReset)
    }

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
            | Self::SourceRate
            | Self::Denied
            | Self::NotAllowed
            | Self::BadHeader
            | Self::NoRoute => "PR",
            Self::HeaderTimeout | Self::HelloTimeout => "cR",
            Self::ServerDown => "DD",
            Self::ByOperator | Self::Rebalanced | Self::AddressReleased | Self::Shutdown => "KD",
        }
    }
}

impl From<HeaderError> for End {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Malformed => Self::BadHeader,
            HeaderError::Timeout => Self::HeaderTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            End::VARIANTS.iter().filter(|end| !met(end) && !OF_THE_NETWORK.contains(end)).collect();
        assert!(never.is_empty(), "{never:?}");
    }

    #[test]
    fn words_and_letters() {
        let table = [
            (End::ClientClosed, "client_closed", "--"),
            (End::HalfClosedTimeout, "half_closed_timeout", "cD"),
            (End::NoBackend, "no_backend", "SC"),
            (End::SourceLimit, "source_limit", "PR"),
            (End::SourceRate, "source_rate", "PR"),
            (End::Denied, "denied", "PR"),
            (End::NotAllowed, "not_allowed", "PR"),
            (End::ByOperator, "by_operator", "KD"),
            (End::Rebalanced, "rebalanced", "KD"),
        ];
        for (end, word, letters) in table {
            assert_eq!((end.word(), end.code()), (word, letters));
            assert_eq!(end.to_string(), word);
        }
        // Counters are found by it.
        let places = End::VARIANTS.iter().map(|end| *end as usize);
        assert!(places.eq(0..End::COUNT));
    }
}
