//! The file as it is written: every key optional, every value with its place.
//!
//! Plain structs only. `Spanned` loses its way inside tagged or untagged enums and under `flatten`,
//! so what belongs together is told by [`check`](super::check), not by serde.

mod proxy;
mod statuses;

pub(super) use self::proxy::{RawAgent, RawCheck, RawChoice, RawLbproxy, RawProxy, RawServer};
use super::spanned::Spanned;
use schemars::JsonSchema;
use serde::Deserialize;

/// A value and where it stands.
pub(super) type Given<T> = Option<Spanned<T>>;
/// A list, and where it and each of its elements stand.
pub(super) type List = Given<Vec<Spanned<String>>>;

/// The whole file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFile {
    /// Virtual routers.
    pub(super) vrrp: Vec<Spanned<RawRouter>>,
    /// TCP proxies.
    pub(super) proxy: Vec<Spanned<RawProxy>>,
    /// What priorities follow besides proxies.
    pub(super) track: Vec<Spanned<RawTracker>>,
    /// The proxy process.
    pub(super) lbproxy: Given<RawLbproxy>,
    /// Who is told of changes of state.
    pub(super) notify: Given<RawNotify>,
    /// Where monitoring asks.
    pub(super) metrics: Given<RawMetrics>,
    /// Codes of warnings that are meant so, such as `["W0101"]`.
    pub(super) allow: List,
    /// Files whose tables count as this file's, such as `["conf.d/*.toml"]`; from this file's directory,
    /// in the order of their names. They may not include others.
    pub(super) include: List,
}

/// `[metrics]`: Prometheus' metrics, and whether the node is well, over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMetrics {
    /// `IP:PORT`.
    pub(super) listen: Given<String>,
}

/// `[notify]`: what all hooks share, and a FIFO.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNotify {
    /// The user that hooks run as and that may read the FIFO; default: `vipd-hooks`, one of their own.
    pub(super) user: Given<String>,
    /// A named pipe that gets a line for each change, as keepalived's `notify_fifo`.
    pub(super) fifo: Given<String>,
}

/// `[[track]]`: one of `interface`, `process`, `file`, `script`, `gateway`, `proxy`, and what it does to the
/// priority of the routers that name it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTracker {
    /// Its name, for `track`, logs and status.
    pub(super) name: Given<String>,
    /// Usable while this interface is up and has carrier; with `gateway`, the way to it.
    pub(super) interface: Given<String>,
    /// Usable while a process of this name runs.
    pub(super) process: Given<String>,
    /// A file with a number, which is added to the priority.
    pub(super) file: Given<String>,
    /// A proxy that shall have a weight.
    pub(super) proxy: Given<String>,
    /// Program and arguments: usable while it ends with 0.
    pub(super) script: List,
    /// A neighbour's address: usable while it answers ARP or Neighbor Discovery.
    pub(super) gateway: Given<String>,
    /// From one start of the script, or question to the gateway, to the next; default `"1s"`.
    pub(super) interval: Given<String>,
    /// How long the script may run, or the gateway's answer be waited for; default: the interval.
    pub(super) timeout: Given<String>,
    /// Successes in a row that make it usable; default 1, of a gateway 2.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) rise: Given<i64>,
    /// Failures in a row that make it unusable; default 1, of a gateway 3.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) fall: Given<i64>,
    /// The user the script runs as; default: `vipd-hooks`, as for hooks.
    pub(super) user: Given<String>,
    /// `"usable"` or `"unusable"` until it has told; default: the first result is waited for.
    #[schemars(extend("enum" = ["usable", "unusable"]))]
    pub(super) initially: Given<String>,
    /// -253 to -1: added while it is unusable; 1 to 253: added while it is usable; a file's number
    /// is multiplied by it. Without it a node whose tracker is unusable cannot serve.
    #[schemars(range(min = -253, max = 253))]
    pub(super) weight: Given<i64>,
}

/// `[[vrrp]]`: a virtual router; with addresses of both families, two that share everything else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRouter {
    /// Its name in logs and commands.
    pub(super) name: Given<String>,
    /// The interface of the adverts and the addresses; default: the one that has this node's address in the
    /// network of the virtual ones (with `source` that address, with `peers` one in their network), followed
    /// when that moves to another.
    pub(super) interface: Given<String>,
    /// Virtual router identifier, 1 to 255.
    #[schemars(range(min = 1, max = 255))]
    pub(super) vrid: Given<i64>,
    /// VRRP version, 3 (default) or 2.
    #[schemars(extend("enum" = [2, 3]))]
    pub(super) version: Given<i64>,
    /// Priority, 1 to 255; default 100.
    #[schemars(range(min = 1, max = 255))]
    pub(super) priority: Given<i64>,
    /// The virtual addresses, each `IP` or `IP/PREFIX`.
    pub(super) addresses: List,
    /// Addresses that come and go with the others, but are in no advert; of either family.
    pub(super) excluded: List,
    /// Addresses in full.
    pub(super) address: Vec<Spanned<RawAddress>>,
    /// Routes that the node has while it is Active.
    pub(super) route: Vec<Spanned<RawRoute>>,
    /// Routing rules that the node has while it is Active.
    pub(super) rule: Vec<Spanned<RawRule>>,
    /// `true` (default): a client on the Active node itself has the node's own address as its source,
    /// not the virtual one, which would leave it when the address moves. Counts from the next takeover.
    pub(super) own_source: Given<bool>,
    /// When and how often the addresses are announced.
    pub(super) announce: Given<RawAnnounce>,
    /// Time between adverts; default `"1s"`.
    pub(super) advert_interval: Given<String>,
    /// Whether to take over from a living router of lower priority; default true.
    pub(super) preempt: Given<bool>,
    /// How long to wait with preempting after coming up; default `"0s"`.
    pub(super) preempt_delay: Given<String>,
    /// Unicast: the other routers' addresses. Without it adverts are multicast.
    pub(super) peers: List,
    /// Source address of the adverts; default: the interface's own.
    pub(super) source: Given<String>,
    /// Version 2 only: the password, of which 8 bytes count.
    pub(super) auth_pass: Given<String>,
    /// Version 3 over IPv4: `"auto"` (default), `"rfc9568"` or `"rfc5798"`.
    #[schemars(extend("enum" = ["auto", "rfc9568", "rfc5798"]))]
    pub(super) checksum: Given<String>,
    /// Kernel lifetime of the addresses: `"auto"` (default), whole seconds such as `"2s"`, or `"off"`.
    pub(super) lease: Given<String>,
    /// Routers of the same group are Active together or not at all; default: each table is a group.
    pub(super) sync_group: Given<String>,
    /// `true`: the addresses answer with the virtual router's own MAC address.
    pub(super) virtual_mac: Given<bool>,
    /// The interface that bears the virtual MAC address; default: `vrrp4-VRID` for IPv4,
    /// `vrrp6-VRID` for IPv6.
    pub(super) virtual_mac_interface: Given<String>,
    /// Names of proxies and of `[[track]]` tables that this router's priority follows.
    pub(super) track: List,
    /// Program and arguments, run after every change of state with `INSTANCE NAME STATE PRIORITY`.
    pub(super) notify: List,
    /// Program and arguments, run when the router has become Active, without further arguments.
    pub(super) notify_active: List,
    /// Program and arguments, run when the router has become Backup.
    pub(super) notify_backup: List,
    /// Program and arguments, run when the router's interface or address is gone.
    pub(super) notify_fault: List,
    /// Program and arguments, run when the router has ended.
    pub(super) notify_stop: List,
    /// Program and arguments, run on the router that stays Active when another one that was Active at the
    /// same time has yielded: what moved with the other is to be moved back.
    pub(super) notify_contested: List,
    /// The user that hooks run as; default: that of `[notify]`.
    pub(super) notify_user: Given<String>,
    /// How long a hook may run; default `"30s"`.
    pub(super) notify_timeout: Given<String>,
    /// `false`: a hook that fails is not run again. Default true: after 1 s, 2 s, 4 s … and at last every 10
    /// minutes, until it works or the state changes.
    pub(super) notify_retry: Given<bool>,
}

/// `[[vrrp.address]]`: one address.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAddress {
    /// `IP` or `IP/PREFIX`.
    pub(super) address: Given<String>,
    /// `false`: it is in no advert; default true.
    pub(super) advertise: Given<bool>,
    /// The interface to configure it on; default: the router's.
    pub(super) interface: Given<String>,
    /// IPv4 only: its label, the interface's name or that with `:WORD` behind it; 15 bytes at most.
    pub(super) label: Given<String>,
    /// IPv4 only: `"global"` (default), `"link"` or `"host"`.
    #[schemars(extend("enum" = ["global", "link", "host"]))]
    pub(super) scope: Given<String>,
    /// IPv4 only: its broadcast address; default: none.
    pub(super) broadcast: Given<String>,
}

/// `[[vrrp.route]]`: one route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRoute {
    /// `"default"`, `IP` or `IP/PREFIX`.
    pub(super) destination: Given<String>,
    /// The next router's address; default: the destination is on the link.
    pub(super) via: Given<String>,
    /// The interface; default: the router's.
    pub(super) interface: Given<String>,
    /// Routing table, 1 to 4294967295; default 254, which is `main`.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) table: Given<i64>,
    /// The lowest wins, 0 to 4294967295; default 0, for IPv6 (from 1) 1024.
    #[schemars(range(min = 0, max = 4_294_967_295_u32))]
    pub(super) metric: Given<i64>,
    /// The source address of what is sent there; default: the kernel's choice.
    pub(super) source: Given<String>,
    /// IPv4 only: `"global"`, `"link"` or `"host"`; default: `"link"` without `via`, else `"global"`.
    #[schemars(extend("enum" = ["global", "link", "host"]))]
    pub(super) scope: Given<String>,
}

/// `[[vrrp.rule]]`: one routing rule: what it matches, and the table to look in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRule {
    /// Matches sources in this network, `IP` or `IP/PREFIX`.
    pub(super) from: Given<String>,
    /// Matches destinations in this network, `IP` or `IP/PREFIX`.
    pub(super) to: Given<String>,
    /// Matches packets with this mark, 1 to 4294967295.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) fwmark: Given<i64>,
    /// Routing table, 1 to 4294967295.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) table: Given<i64>,
    /// Its place among the rules, the lowest first, 1 to 4294967295.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) priority: Given<i64>,
}

/// `announce = { … }`: gratuitous ARP and unsolicited Neighbor Advertisements.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAnnounce {
    /// Times after taking over, ascending, `"0s"` first, each up to `"1h"`, at most 32; default
    /// `["0s", "100ms", "500ms", "2s", "5s"]`.
    pub(super) at: List,
    /// After those times, again: `"advert"`, once an advert interval, at most ten frames a second of a family
    /// and interface; every so often, `"1s"` to `"1day"`; or `"off"`; default `"advert"`, or `"1m"` where multicast
    /// adverts bear the virtual MAC address.
    pub(super) refresh: Given<String>,
    /// How often in a row at each `refresh`, 1 to 32; default 1.
    #[schemars(range(min = 1, max = 32))]
    pub(super) refresh_repeat: Given<i64>,
    /// Pause between two frames, up to `"1s"`; default `"0s"`.
    pub(super) interval: Given<String>,
}
