//! FRR's vrrpd as a peer: its own zebra, its own sockets, and the macvlan it cannot do without.
//!
//! The address is configured on the macvlan all the time; a Backup holds that link down (`protodown`).

use std::net::IpAddr;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use lab::{Host, Running, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::interop::ForeignRouter;
use crate::link::ip;
use crate::{Duel, LIMIT, peer};

/// How FRR is to speak.
#[derive(Clone, Copy, Debug)]
pub struct FrrSettings<'a> {
    /// Virtual router identifier.
    pub vrid: u8,
    /// Version of the protocol.
    pub version: u8,
    /// Milliseconds between adverts.
    pub interval_ms: u32,
    /// Priority.
    pub priority: u8,
    /// Whether it takes over from a living router of lower priority.
    pub preempt: bool,
    /// The addresses, all of one family.
    pub addresses: &'a [&'a str],
}

/// Running daemons, and their link.
pub struct Frr {
    zebra: Running,
    vrrpd: Running,
    host: Host,
    link: String,
}

impl Frr {
    /// Starts zebra and vrrpd on a host.
    ///
    /// # Panics
    /// FRR or its user is missing, or it does not start.
    #[must_use]
    pub fn start(duel: &Duel, host: usize, settings: &FrrSettings<'_>) -> Self {
        let host = duel.hosts[host].clone();
        let link = make_link(&host, settings);
        let directory = duel.lab.directory().join(format!("{}-frr", host.name()));
        give_to_frr(&directory);
        let config = |name: &str, lines: &str| {
            let file = format!("{}-{name}.conf", host.name());
            duel.lab.write(&file, lines).expect("a file")
        };
        let daemon = |name: &str, lines: &str| {
            let mut command = Command::new(peer(&format!("/usr/lib/frr/{name}")));
            command.arg("--config_file").arg(config(name, lines));
            command.arg("--socket").arg(directory.join("zserv"));
            command.arg("--vty_socket").arg(&directory);
            command.arg("--pid_file").arg(directory.join(format!("{name}.pid")));
            command.args(["--vty_port", "0"]);
            host.start(name, &mut command).expect("FRR")
        };
        let zebra = daemon("zebra", "log stdout\n");
        let socket = directory.join("zserv");
        wait_until("zebra listened", LIMIT, || socket.exists()).expect("zebra's socket");
        let vrrpd = daemon("vrrpd", &router(settings));
        vrrpd.wait_for_log("Initialize -> Backup", LIMIT).expect("a Backup");
        Self { zebra, vrrpd, host, link }
    }

    /// What its vrrpd wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.vrrpd.log()
    }
}

impl ForeignRouter for Frr {
    fn owns(&mut self, _: &mut Duel) -> bool {
        let shown = ip(&self.host, &["-brief", "link", "show", "dev", &self.link]);
        shown.split_whitespace().nth(1) == Some("UP")
    }

    fn stop(&mut self) {
        self.vrrpd.stop(LIMIT).expect("an end of vrrpd");
        self.zebra.stop(LIMIT).expect("an end of zebra");
        // FRR lowers the link and leaves it; the next start makes it anew.
        ip(&self.host, &["link", "delete", &self.link]);
    }

    fn die(&mut self) {
        self.vrrpd.signal_all(Signal::SIGKILL).expect("a signal");
        self.zebra.signal_all(Signal::SIGKILL).expect("a signal");
    }
}

fn router(settings: &FrrSettings<'_>) -> String {
    let FrrSettings { vrid, version, interval_ms, priority, preempt, addresses } = settings;
    let mut lines = format!(
        "log stdout\ndebug vrrp protocol\ninterface eth0\n vrrp {vrid} version {version}\n \
         vrrp {vrid} priority {priority}\n vrrp {vrid} advertisement-interval {interval_ms}\n"
    );
    if !preempt {
        lines.push_str(&format!(" no vrrp {vrid} preempt\n"));
    }
    for address in *addresses {
        let family = if address.contains(':') { "ipv6" } else { "ip" };
        lines.push_str(&format!(" vrrp {vrid} {family} {address}\n"));
    }
    lines
}

/// The macvlan with the virtual router's hardware address, below which FRR wants the addresses.
fn make_link(host: &Host, settings: &FrrSettings<'_>) -> String {
    let FrrSettings { vrid, addresses, .. } = settings;
    let ipv6 = addresses.iter().any(|address| address.contains(':'));
    let family = if ipv6 { 6 } else { 4 };
    let link = format!("vrrp{family}-{vrid}");
    let mac = format!("00:00:5e:00:0{}:{vrid:02x}", if ipv6 { 2 } else { 1 });
    // Or the addresses of the macvlan would be answered for at eth0 as well.
    host.namespace().sysctl("net/ipv4/conf/all/arp_ignore", "1").expect("a setting");
    ip(
        host,
        &[
            "link", "add", &link, "link", "eth0", "address", &mac, "type", "macvlan", "mode",
            "bridge",
        ],
    );
    // Made of the hardware address, both nodes would have the same link-local one.
    ip(host, &["link", "set", &link, "addrgenmode", "random"]);
    for address in *addresses {
        let prefix = match address.parse().expect("an address") {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 64,
        };
        ip(host, &["address", "add", &format!("{address}/{prefix}"), "dev", &link]);
    }
    // As a Backup has it, until FRR says otherwise.
    ip(host, &["link", "set", &link, "protodown", "on"]);
    ip(host, &["link", "set", &link, "up"]);
    link
}

/// FRR gives up root before it opens its sockets.
fn give_to_frr(directory: &Path) {
    let frr = User::from_name("frr").ok().flatten();
    let frr = frr.expect("the user `frr` is missing: install its package, as ./test does");
    std::fs::create_dir_all(directory).expect("a directory");
    chown(directory, Some(frr.uid.as_raw()), Some(frr.gid.as_raw())).expect("FRR's directory");
}
