//! What the tests of whole nodes share: two hosts that duel for an address, and a client that looks on.
//!
//! Needs root, or a user namespace; and the peers' own packages where a test names one. What is
//! missing is said, and the test fails: it never passes for want of a peer.
#![expect(clippy::expect_used, clippy::panic, reason = "a test says what is missing and fails")]

pub mod adverts;
pub mod attacker;
pub mod bench;
pub mod capture;
pub mod frr;
pub mod interop;
pub mod link;
pub mod logfmt;
pub mod usage;
pub mod users;
pub mod web;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::probe::ping::PingRecord;
use lab::{Host, Lab, Moment, OwnerWatch, Ping, Running};
use nix::sys::signal::Signal;

/// How long a daemon may take to do what a test waits for. Far beyond what any of them needs.
pub const LIMIT: Duration = Duration::from_secs(20);

/// How long an address may not answer while it is moved on purpose, in milliseconds, when other tests run
/// beside. A move that nobody planned costs 361 at least; what is promised is a hundredth of that, and a
/// matter of the tests whose names begin with `measures_`: they run alone.
pub const PLANNED: u128 = 300;

/// The two hosts' numbers in the lab's network: the second has the higher address.
pub const NUMBERS: [u8; 2] = [11, 12];

/// A program of this workspace.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let built = test.ancestors().nth(2).map(|folder| folder.join(name)).unwrap_or_default();
    assert!(built.is_file(), "{} is missing: run `cargo build --workspace` first", built.display());
    built
}

/// A peer's program.
///
/// # Panics
/// It is not installed.
#[must_use]
pub fn peer(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/frr"];
    let found =
        folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: install its package, as ./test does"))
}

/// Copies a program that is to be executed. Another process does it: what we hold open for writing,
/// another test's child holds as well for a moment, and until then the kernel does not execute it.
///
/// # Panics
/// It cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new(peer("cp")).arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "copy {}", from.display());
}

/// Two hosts on a switch, and a client.
pub struct Duel {
    /// The network.
    pub lab: Lab,
    /// The two hosts.
    pub hosts: [Host; 2],
    /// Who looks on.
    pub client: Host,
    /// The address they duel for.
    pub vip: IpAddr,
    /// Who has it.
    pub owners: OwnerWatch,
}

impl Duel {
    /// A network for a duel over `vip`.
    ///
    /// # Panics
    /// Namespaces are not permitted.
    #[must_use]
    pub fn new(vip: &str) -> Self {
        let lab = Lab::new().expect("network namespaces (run the tests as root)");
        let host = |name, number| lab.host(name, number).expect("a host");
        let hosts = [host("lb1", NUMBERS[0]), host("lb2", NUMBERS[1])];
        let client = host("client", 100);
        let vip = vip.parse().expect("an address");
        let owners = OwnerWatch::start(&[&hosts[0], &hosts[1]], vip).expect("a watch");
        Self { lab, hosts, client, vip, owners }
    }

    /// Runs `ip` on a host with these arguments, separated by spaces; returns what it said.
    ///
    /// # Panics
    /// It failed.
    #[must_use]
    pub fn ip(&self, host: usize, arguments: &str) -> String {
        let mut command = Command::new(peer("ip"));
        command.args(arguments.split(' '));
        let output = self.hosts[host].output(&mut command, LIMIT).expect("ip");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts `vipd run` on a host with this configuration.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn vipd(&self, host: usize, config: &str) -> Running {
        self.hosts[host].start("vipd", &mut self.command(host, config)).expect("vipd")
    }

    /// How `vipd run` is started on a host.
    ///
    /// # Panics
    /// The file cannot be written.
    #[must_use]
    pub fn command(&self, host: usize, config: &str) -> Command {
        let name = self.hosts[host].name();
        let config = self.lab.write(&format!("{name}.toml"), config).expect("a file");
        let mut command = Command::new(binary("vipd"));
        command.arg("run").arg("--config").arg(config);
        command.arg("--runtime-dir").arg(self.runtime_dir(host));
        command
    }

    /// Writes a host's file anew and tells its `vipd`.
    ///
    /// # Panics
    /// It has ended.
    pub fn reload(&self, host: usize, daemon: &Running, config: &str) {
        self.lab.write(&format!("{}.toml", self.hosts[host].name()), config).expect("a file");
        daemon.signal(Signal::SIGHUP).expect("a signal");
    }

    /// Where a host's `vipd` has its sockets.
    #[must_use]
    pub fn runtime_dir(&self, host: usize) -> PathBuf {
        self.lab.directory().join(self.hosts[host].name())
    }

    /// Starts keepalived on a host with these blocks of configuration.
    ///
    /// # Panics
    /// It is not installed or does not start.
    #[must_use]
    pub fn keepalived(&self, host: usize, config: &str) -> Running {
        let name = self.hosts[host].name();
        let config = self.lab.write(&format!("{name}.conf"), config).expect("a file");
        let mut command = Command::new(peer("keepalived"));
        command
            .args(["--dont-fork", "--log-console", "--log-detail"])
            .arg("--use-file")
            .arg(config);
        for (option, kind) in [("--pid", "p"), ("--vrrp_pid", "r"), ("--checkers_pid", "c")] {
            command.arg(option).arg(self.lab.directory().join(format!("{name}.{kind}.pid")));
        }
        self.hosts[host].start("keepalived", &mut command).expect("keepalived")
    }

    /// Waits until exactly these hosts have the address.
    ///
    /// # Panics
    /// They do not in time.
    pub fn wait_for(&mut self, hosts: &[usize]) {
        let names: Vec<&str> = hosts.iter().map(|host| self.hosts[*host].name()).collect();
        self.owners.wait_for(&names, LIMIT).expect("the owner");
    }

    /// Starts to ping the address.
    ///
    /// # Panics
    /// No raw socket is to be had.
    #[must_use]
    pub fn ping(&self) -> Ping {
        Ping::start(&self.client, self.vip).expect("a ping")
    }

    /// How long the address did not answer from `since` on, in milliseconds.
    #[must_use]
    pub fn silence(record: &PingRecord, since: Moment) -> u128 {
        record.silence_between(since, record.end).longest.as_millis()
    }
}
