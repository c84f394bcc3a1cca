//! `[[proxy]]` and `[lbproxy]` as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Given, List};
use crate::config::spanned::Spanned;

/// `[[proxy]]`: listen addresses and the servers behind them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawProxy {
    /// Its name in logs, in `track` and in commands.
    pub(in crate::config) name: Given<String>,
    /// Where to listen, each `IP:PORT`; the address may be absent from this node. One that routes of others
    /// lead to needs none.
    pub(in crate::config) listen: List,
    /// `"round_robin"` (default), `"least_conn"`, `"random"`, `"source"` or `"first"`.
    #[schemars(extend("enum" = ["round_robin", "least_conn", "random", "source", "first"]))]
    pub(in crate::config) balance: Given<String>,
    /// How long a server that comes back takes to get its full share, `"10ms"` to `"1h"`: its weight grows from
    /// next to nothing. Not at the start. Default: it has it at once.
    pub(in crate::config) slow_start: Given<String>,
    /// The servers, each `IP:PORT` or `NAME:PORT`; a name is looked up while the proxy runs.
    pub(in crate::config) servers: List,
    /// The servers in full.
    pub(in crate::config) server: Vec<Spanned<RawServer>>,
    /// Connections that the servers of other proxies get; the first that fits counts, and these servers
    /// get the rest. Without servers the rest is reset.
    pub(in crate::config) route: Vec<Spanned<RawChoice>>,
    /// How long to wait for the name that a TLS client asks for; later it has none. Default `"5s"`.
    pub(in crate::config) hello_timeout: Given<String>,
    /// How the servers are checked; default: by a TCP connection.
    pub(in crate::config) check: Given<RawCheck>,
    /// Where each server's host says how much it wants; default: nobody is asked.
    pub(in crate::config) agent: Given<RawAgent>,
    /// What becomes of the connections of a server that goes down: `"reset"` (default) or `"keep"`.
    #[schemars(extend("enum" = ["reset", "keep"]))]
    pub(in crate::config) on_down: Given<String>,
    /// How long a server must have been down before its connections are reset, up to `"1h"`; default `"0s"`: they
    /// are at once.
    pub(in crate::config) on_down_grace: Given<String>,
    /// `true`: while no server is up, use those that are not, as long as they accept connections.
    pub(in crate::config) panic: Given<bool>,
    /// For reaching some server, retries included; default `"3s"`.
    pub(in crate::config) connect_timeout: Given<String>,
    /// A connection without a byte either way for so long is closed; default `"10m"`.
    pub(in crate::config) idle_timeout: Given<String>,
    /// A connection without a byte for so long once one side has finished sending is closed; default `"10s"`.
    pub(in crate::config) half_closed_timeout: Given<String>,
    /// Unacknowledged data for so long ends a connection (`TCP_USER_TIMEOUT`); default `"30s"`.
    pub(in crate::config) user_timeout: Given<String>,
    /// A connection that lasts so long has an access line then as well, `"1s"` to `"1day"`, or `"off"`; default
    /// `"1m"`.
    pub(in crate::config) log_open_after: Given<String>,
    /// `"v1"` or `"v2"`: tells the servers who the client is, by the PROXY protocol.
    #[schemars(extend("enum" = ["v1", "v2"]))]
    pub(in crate::config) send_proxy: Given<String>,
    /// Networks, each `IP` or `IP/PREFIX`, whose connections begin with a PROXY header.
    pub(in crate::config) accept_proxy: List,
    /// Connections that one client address may have open at once, in the whole proxy; further ones are reset.
    /// Of IPv6 a /64 counts as one address. Default: no limit.
    #[schemars(range(min = 1, max = 1000000))]
    pub(in crate::config) max_connections_per_source: Given<i64>,
    /// Connections that may wait for a server below its `max_connections`; default 1024.
    #[schemars(range(min = 0, max = 65535))]
    pub(in crate::config) max_queue: Given<i64>,
    /// How long a connection may wait for a server; default: `connect_timeout`.
    pub(in crate::config) queue_timeout: Given<String>,
}

/// `[[proxy.route]]`: connections that another proxy's servers get; without a condition all.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawChoice {
    /// The proxy whose servers, check and time limits count. It has no routes.
    pub(in crate::config) proxy: Given<String>,
    /// Names (SNI) of which a TLS client asks for one, such as `"*.example.com"`: `*` stands for any
    /// characters, dots too. Nothing is decrypted.
    pub(in crate::config) server_name: List,
    /// Networks, each `IP` or `IP/PREFIX`, of which the client's address is in one.
    pub(in crate::config) from: List,
}

/// `[[proxy.server]]`: one server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawServer {
    /// Its name in logs and commands; default: its address.
    pub(in crate::config) name: Given<String>,
    /// `IP:PORT` or `NAME:PORT`; a name is looked up while the proxy runs.
    pub(in crate::config) address: Given<String>,
    /// Its share of the connections, 0 to 256; default 1.
    #[schemars(range(min = 0, max = 256))]
    pub(in crate::config) weight: Given<i64>,
    /// `true`: serves only while no other server can.
    pub(in crate::config) backup: Given<bool>,
    /// The address to connect to it from; default: the kernel's choice.
    pub(in crate::config) source: Given<String>,
    /// Connections it gets at once; further ones wait. Default: no limit.
    #[schemars(range(min = 1, max = 1000000))]
    pub(in crate::config) max_connections: Given<i64>,
}

/// `check = { … }`: one of `tcp`, `tls`, `http`, `https`, and how; or `track` alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawCheck {
    /// `true`: the port accepts connections.
    pub(in crate::config) tcp: Given<bool>,
    /// `true`: a TLS handshake succeeds.
    pub(in crate::config) tls: Given<bool>,
    /// A GET of this path answers as expected.
    pub(in crate::config) http: Given<String>,
    /// A GET of this path over TLS answers as expected.
    pub(in crate::config) https: Given<String>,
    /// A proxy whose check decides here too: each server is as the one of the same name is there, or as
    /// the only one at the same host.
    pub(in crate::config) track: Given<String>,
    /// The port to check, 1 to 65535; default: the one that serves.
    #[schemars(range(min = 1, max = 65535))]
    pub(in crate::config) port: Given<i64>,
    /// The status that `http` and `https` expect; default 200.
    #[schemars(range(min = 100, max = 599))]
    pub(in crate::config) expect: Given<i64>,
    /// A text that the answer to `http` and `https` must hold within its first 4096 bytes.
    pub(in crate::config) expect_body: Given<String>,
    /// File with a bearer token to send with `http` and `https`; read again for every check.
    pub(in crate::config) token_file: Given<String>,
    /// File with the PEM certificates of the check itself, for servers that ask for one.
    pub(in crate::config) cert: Given<String>,
    /// File with the private key of `cert`.
    pub(in crate::config) key: Given<String>,
    /// File with the PEM certificates of the authorities that sign the servers'.
    pub(in crate::config) ca: Given<String>,
    /// The name the certificate must bear; default: the server's address.
    pub(in crate::config) server_name: Given<String>,
    /// `false`: take any certificate.
    pub(in crate::config) verify: Given<bool>,
    /// Time between two checks of a server; default `"1s"`.
    pub(in crate::config) interval: Given<String>,
    /// Time between two checks while a change is under way; default: `interval`.
    pub(in crate::config) fast_interval: Given<String>,
    /// Time between two checks while the server is not up; default: `interval`.
    pub(in crate::config) down_interval: Given<String>,
    /// Clients' connections in a row that could not be opened, which count as a failed check and
    /// bring the next one at once; 0: none do; default 3.
    #[schemars(range(min = 0, max = 1000))]
    pub(in crate::config) error_limit: Given<i64>,
    /// How long one check may take; default: `interval`.
    pub(in crate::config) timeout: Given<String>,
    /// Successes in a row that make a server usable; default 2.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) rise: Given<i64>,
    /// Failures in a row that make it down; default 3.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) fall: Given<i64>,
}

/// `agent = { … }`: a program on each server's host that says in a line, such as `75% up` or `drain`, how
/// much the server wants, as HAProxy's `agent-check` reads it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawAgent {
    /// The port that it listens on, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub(in crate::config) port: Given<i64>,
    /// Time between two questions; default `"2s"`.
    pub(in crate::config) interval: Given<String>,
    /// How long an answer may take; default: `interval`.
    pub(in crate::config) timeout: Given<String>,
}

/// `[lbproxy]`: the proxy process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLbproxy {
    /// The user it runs as when started by root; default `"nobody"`.
    pub(in crate::config) user: Given<String>,
    /// Worker threads; default: one for each processor.
    #[schemars(range(min = 1, max = 256))]
    pub(in crate::config) threads: Given<i64>,
    /// Access lines: `"words"` (default: `KEY=VALUE …`), `"json"`, `"haproxy"` as its `option tcplog`, or `"off"`.
    #[schemars(extend("enum" = ["words", "json", "haproxy", "off"]))]
    pub(in crate::config) log_format: Given<String>,
    /// How long connections may last after an upgrade, in the old program, 0 to a day; default `"5m"`.
    pub(in crate::config) drain_timeout: Given<String>,
}
