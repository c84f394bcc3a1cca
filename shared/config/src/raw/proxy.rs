//! `[[proxy]]` and `[lbproxy]` as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::statuses::RawStatuses;
use super::{Given, List};
use crate::spanned::Spanned;

/// `[[proxy]]`: listen addresses and the servers behind them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawProxy {
    /// Its name in logs, in `track` and in commands.
    pub(crate) name: Given<String>,
    /// Where to listen, each `IP:PORT`; the address may be absent from this node. One that routes of others
    /// lead to needs none.
    pub(crate) listen: List,
    /// `"round_robin"` (default), `"least_conn"`, `"random"`, `"source"` or `"first"`.
    #[schemars(extend("enum" = ["round_robin", "least_conn", "random", "source", "first"]))]
    pub(crate) balance: Given<String>,
    /// How long a server that comes back takes to get its full share, `"10ms"` to `"1h"`: its weight grows from
    /// next to nothing. Not at the start. Default: it has it at once.
    pub(crate) slow_start: Given<String>,
    /// The servers, each `IP:PORT` or `NAME:PORT`; a name is looked up while the proxy runs, and stands for a
    /// server at each of its addresses.
    pub(crate) servers: List,
    /// The servers in full.
    pub(crate) server: Vec<Spanned<RawServer>>,
    /// Connections that the servers of other proxies get; the first that fits counts, and these servers
    /// get the rest. Without servers the rest is reset.
    pub(crate) route: Vec<Spanned<RawChoice>>,
    /// How long to wait for the name that a TLS client asks for; later it has none. Default `"5s"`.
    pub(crate) hello_timeout: Given<String>,
    /// How the servers are checked; default: by a TCP connection.
    pub(crate) check: Given<RawCheck>,
    /// Where each server's host says how much it wants; default: nobody is asked.
    pub(crate) agent: Given<RawAgent>,
    /// What becomes of the connections of a server that goes down: `"reset"` (default) or `"keep"`.
    #[schemars(extend("enum" = ["reset", "keep"]))]
    pub(crate) on_down: Given<String>,
    /// How long a server must have been down before its connections are reset, up to `"1h"`; default `"0s"`: they
    /// are at once.
    pub(crate) on_down_grace: Given<String>,
    /// Which backup servers serve when no other can: `"all"` (default), or `"first"`: the first usable one in the
    /// order of the file alone, for services of which one server may be written to.
    #[schemars(extend("enum" = ["all", "first"]))]
    pub(crate) backups: Given<String>,
    /// Spreads connections anew after a server has come back: of a server that has more than its share, those
    /// that have been silent for so long, `"1s"` to `"1h"`, and whose client waits for no answer, are closed
    /// in order, five a second at most. Default: they stay where they began.
    pub(crate) rebalance: Given<String>,
    /// `true`: while no server is up, use those that are not, as long as they accept connections.
    pub(crate) panic: Given<bool>,
    /// For reaching some server, retries included; default `"3s"`.
    pub(crate) connect_timeout: Given<String>,
    /// A connection without a byte either way for so long is closed; default `"10m"`.
    pub(crate) idle_timeout: Given<String>,
    /// A connection without a byte for so long once one side has finished sending is closed; default `"10s"`.
    pub(crate) half_closed_timeout: Given<String>,
    /// Unacknowledged data for so long ends a connection (`TCP_USER_TIMEOUT`); default `"30s"`.
    pub(crate) user_timeout: Given<String>,
    /// A connection that lasts so long has an access line then as well, `"1s"` to `"1day"`, or `"off"`; default
    /// `"1m"`.
    pub(crate) log_open_after: Given<String>,
    /// `false`: connections that end without a byte from either side, as load balancers and scanners open
    /// them to see whether somebody listens, have no access line. They are counted. Default: `true`.
    pub(crate) log_empty: Given<bool>,
    /// `"v1"` or `"v2"`: tells the servers who the client is, by the PROXY protocol.
    #[schemars(extend("enum" = ["v1", "v2"]))]
    pub(crate) send_proxy: Given<String>,
    /// Networks, each `IP` or `IP/PREFIX`, whose connections begin with a PROXY header.
    pub(crate) accept_proxy: List,
    /// Networks, each `IP` or `IP/PREFIX`, whose clients alone are served; others are reset. Default: all
    /// are.
    pub(crate) allow: List,
    /// Networks whose clients are reset, those of `allow` as well.
    pub(crate) deny: List,
    /// Connections that clients may have open at once; further ones wait in the kernel, not accepted, until
    /// one of these has ended. Default: as many as files allow.
    #[schemars(range(min = 1, max = 1000000))]
    pub(crate) max_connections: Given<i64>,
    /// Connections that one client address may open in a second, and as many at once after a rest; further
    /// ones are reset. Of IPv6 a /64 counts as one address. Default: no limit.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) max_rate_per_source: Given<i64>,
    /// Connections that one client address may have open at once, in the whole proxy; further ones are reset.
    /// Of IPv6 a /64 counts as one address. Default: no limit.
    #[schemars(range(min = 1, max = 1000000))]
    pub(crate) max_connections_per_source: Given<i64>,
    /// Connections that may wait for a server below its `max_connections`; default 1024.
    #[schemars(range(min = 0, max = 65535))]
    pub(crate) max_queue: Given<i64>,
    /// How long a connection may wait for a server; default: `connect_timeout`.
    pub(crate) queue_timeout: Given<String>,
}

/// `[[proxy.route]]`: connections that another proxy's servers get; without a condition all.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawChoice {
    /// The proxy whose servers, check and time limits count. It has no routes.
    pub(crate) proxy: Given<String>,
    /// Names (SNI) of which a TLS client asks for one, such as `"*.example.com"`: `*` stands for any
    /// characters, dots too. Nothing is decrypted.
    pub(crate) server_name: List,
    /// Networks, each `IP` or `IP/PREFIX`, of which the client's address is in one.
    pub(crate) from: List,
    /// Ports of `listen`, of which the client connected to one.
    pub(crate) port: Given<Vec<Spanned<i64>>>,
}

/// `[[proxy.server]]`: one server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawServer {
    /// Its name in logs and commands; default: its address.
    pub(crate) name: Given<String>,
    /// `IP:PORT` or `NAME:PORT`; a name is looked up while the proxy runs, and stands for a server at each of
    /// its addresses. Where it has several they are called `NAME@ADDRESS`.
    pub(crate) address: Given<String>,
    /// Its share of the connections, 0 to 256; default 1.
    #[schemars(range(min = 0, max = 256))]
    pub(crate) weight: Given<i64>,
    /// `true`: serves only while no other server can.
    pub(crate) backup: Given<bool>,
    /// The address to connect to it from; default: the kernel's choice.
    pub(crate) source: Given<String>,
    /// Of a name: addresses that are used at most, each as a server; 1 to 256, default 32.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) max_addresses: Given<i64>,
    /// Connections it gets at once; further ones wait. Default: no limit.
    #[schemars(range(min = 1, max = 1000000))]
    pub(crate) max_connections: Given<i64>,
}

/// `check = { … }`: one of `tcp`, `tls`, `http`, `https`, and how; or `track` alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawCheck {
    /// `true`: the port accepts connections.
    pub(crate) tcp: Given<bool>,
    /// `true`: a TLS handshake succeeds.
    pub(crate) tls: Given<bool>,
    /// A GET of this path answers as expected.
    pub(crate) http: Given<String>,
    /// A GET of this path over TLS answers as expected.
    pub(crate) https: Given<String>,
    /// A proxy whose check decides here too: each server is as the one of the same name is there, or as
    /// the only one at the same host.
    pub(crate) track: Given<String>,
    /// The port to check, 1 to 65535; default: the one that serves.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Given<i64>,
    /// The status that `http` and `https` expect, or a list of them and of ranges, such as `["200-399", 401]`;
    /// default 200.
    pub(crate) expect: Given<RawStatuses>,
    /// A text that the answer to `http` and `https` must hold within its first 4096 bytes.
    pub(crate) expect_body: Given<String>,
    /// File with a bearer token to send with `http` and `https`; read again for every check.
    pub(crate) token_file: Given<String>,
    /// File with the PEM certificates of the check itself, for servers that ask for one.
    pub(crate) cert: Given<String>,
    /// File with the private key of `cert`.
    pub(crate) key: Given<String>,
    /// File with the PEM certificates of the authorities that sign the servers'.
    pub(crate) ca: Given<String>,
    /// The name the certificate must bear; default: the server's address.
    pub(crate) server_name: Given<String>,
    /// `false`: take any certificate.
    pub(crate) verify: Given<bool>,
    /// Time between two checks of a server; default `"1s"`.
    pub(crate) interval: Given<String>,
    /// Time between two checks while a change is under way, where that is less; default: `interval`.
    pub(crate) fast_interval: Given<String>,
    /// Time between two checks while the server is not up; default: `interval`.
    pub(crate) down_interval: Given<String>,
    /// Clients' connections in a row that could not be opened, which count as a failed check and
    /// bring the next one at once; 0: none do; default 3.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) error_limit: Given<i64>,
    /// How long one check may take; default: `interval`.
    pub(crate) timeout: Given<String>,
    /// How long connecting may take of that; default: all of it.
    pub(crate) connect_timeout: Given<String>,
    /// Successes in a row that make a server usable; default 2.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) rise: Given<i64>,
    /// Failures in a row that make it down; default 3.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) fall: Given<i64>,
}

/// `agent = { … }`: a program on each server's host that says in a line, such as `75% up` or `drain`, how
/// much the server wants, as HAProxy's `agent-check` reads it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawAgent {
    /// The port that it listens on, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Given<i64>,
    /// Time between two questions; default `"2s"`.
    pub(crate) interval: Given<String>,
    /// How long an answer may take; default: `interval`.
    pub(crate) timeout: Given<String>,
}

/// `[lbproxy]`: the proxy process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLbproxy {
    /// The user it runs as when started by root; default: `vipd-proxy`, one of its own.
    pub(crate) user: Given<String>,
    /// Worker threads; default: one for each processor, and at most 8.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) threads: Given<i64>,
    /// Access lines: `"words"` (default: `KEY=VALUE …`), `"json"`, `"haproxy"` as its `option tcplog`, or `"off"`.
    #[schemars(extend("enum" = ["words", "json", "haproxy", "off"]))]
    pub(crate) log_format: Given<String>,
    /// How long connections may last after an upgrade, in the old program, 0 to a day; default `"5m"`.
    pub(crate) drain_timeout: Given<String>,
}
