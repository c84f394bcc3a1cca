//! Two nodes with many routers, of one make; and a host that listens.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;
use lab::{Host, Lab, Moment, Running};
use netns_tests::{LIMIT, peer, usage};

use netns_tests::adverts::Listener;

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Contender {
    Ours,
    Keepalived,
}

/// Two hosts and a listener on a switch.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) nodes: [Host; 2],
    pub(crate) neighbour: Host,
    pub(crate) ours: PathBuf,
}

/// Both nodes at work: the first is Active.
pub(crate) struct Pair<'a> {
    bench: &'a Bench,
    routers: u8,
    programs: [Running; 2],
    processes: [Vec<u32>; 2],
}

/// The address of a router.
fn vip(router: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 1, router)
}

impl Bench {
    pub(crate) fn new(ours: PathBuf) -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let nodes = [lab.host("lb1", 11)?, lab.host("lb2", 12)?];
        let neighbour = lab.host("neighbour", 100)?;
        Ok(Self { lab, nodes, neighbour, ours })
    }

    /// Starts a pair with so many routers, and waits until the first node has every address.
    pub(crate) fn start(
        &self,
        contender: Contender,
        routers: u8,
        interval: Duration,
    ) -> anyhow::Result<Pair<'_>> {
        let one = self.start_node(0, contender, routers, interval)?;
        self.wait_for_all(0, routers)?;
        let other = self.start_node(1, contender, routers, interval)?;
        sleep(Duration::from_secs(1) + interval * 5);
        // On a busy machine keepalived's pair may not come to rest; that is what it is measured at.
        let since = Moment::now();
        while self.held(1)? > 0 && since.elapsed() < LIMIT {
            ensure!(contender == Contender::Keepalived, "the second node has addresses");
        }
        let programs = [one, other];
        let processes = [usage::family(&programs[0])?, usage::family(&programs[1])?];
        Ok(Pair { bench: self, routers, programs, processes })
    }

    fn start_node(
        &self,
        node: usize,
        contender: Contender,
        routers: u8,
        interval: Duration,
    ) -> anyhow::Result<Running> {
        let priority = [150, 100][node];
        let host = &self.nodes[node];
        let directory = self.lab.directory();
        let file = |kind: &str| format!("{}.{kind}", host.name());
        let mut command = match contender {
            Contender::Ours => {
                let config = self.lab.write(&file("toml"), &ours(routers, priority, interval))?;
                let runtime = directory.join(host.name());
                fs::create_dir_all(&runtime)?;
                let mut command = Command::new(&self.ours);
                if self.ours.file_name().is_some_and(|name| name == "vipd") {
                    command.arg("vrrpd");
                }
                command.arg("--config").arg(config).arg("--runtime-dir").arg(runtime);
                command
            }
            Contender::Keepalived => {
                let text = keepalived(routers, priority, interval);
                let config = self.lab.write(&file("conf"), &text)?;
                let mut command = Command::new(peer("keepalived"));
                command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(config);
                command.arg("--pid").arg(directory.join(file("pid")));
                command.arg("--vrrp_pid").arg(directory.join(file("vrrp.pid")));
                command
            }
        };
        Ok(host.start(
            if contender == Contender::Ours { "vrrpd" } else { "keepalived" },
            &mut command,
        )?)
    }

    /// How many of the routers' addresses a node has.
    fn held(&self, node: usize) -> anyhow::Result<usize> {
        let all: HashSet<IpAddr> = (1..=u8::MAX).map(|router| vip(router).into()).collect();
        let held = self.nodes[node].kernel_addresses()?;
        Ok(held.iter().filter(|address| all.contains(address)).count())
    }

    fn wait_for_all(&self, node: usize, routers: u8) -> anyhow::Result<()> {
        let since = Moment::now();
        while self.held(node)? < usize::from(routers) {
            ensure!(since.elapsed() < LIMIT, "node {node} has {} addresses", self.held(node)?);
        }
        Ok(())
    }
}

/// In order, so that no address is left behind: the Backup first.
impl Drop for Pair<'_> {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            // What does not end is killed.
            drop(program.stop(LIMIT));
        }
    }
}

impl Pair<'_> {
    /// Processor time of each node for each advert that the first sends, in microseconds: where the
    /// machine is too busy for a program, it sends less. Both makes announce what they took for five
    /// seconds; that is over then.
    pub(crate) fn cpu(&self, time: Duration) -> anyhow::Result<[f64; 2]> {
        sleep(Duration::from_secs(6));
        let used = || -> anyhow::Result<[Duration; 2]> {
            Ok([usage::cpu(&self.processes[0])?, usage::cpu(&self.processes[1])?])
        };
        let listener = Listener::start(&self.bench.neighbour)?;
        let before = used()?;
        sleep(time);
        let after = used()?;
        let adverts = listener.stop()?.count(self.bench.nodes[0].ipv4());
        let adverts = u32::try_from(adverts).unwrap_or(u32::MAX);
        Ok([0, 1].map(|node| (after[node] - before[node]).as_secs_f64() * 1e6 / f64::from(adverts)))
    }

    /// Resident memory of all processes of a node, in MB.
    pub(crate) fn memory(&self, node: usize) -> anyhow::Result<f64> {
        Ok(usage::rss_kb(&self.processes[node])? / 1000.0)
    }

    /// Cuts the first node off; returns how long it took until the second had every address.
    pub(crate) fn cut(&self) -> anyhow::Result<Duration> {
        self.bench.lab.cut(self.bench.nodes[0].name())?;
        let since = Moment::now();
        self.bench.wait_for_all(1, self.routers)?;
        let taken = since.elapsed();
        self.bench.lab.heal(self.bench.nodes[0].name())?;
        Ok(taken)
    }
}

fn ours(routers: u8, priority: u8, interval: Duration) -> String {
    let mut text = String::new();
    for router in 1..=routers {
        let (vip, millis) = (vip(router), interval.as_millis());
        // Writing to a string does not fail.
        write!(
            text,
            "[[vrrp]]\nname = \"r{router}\"\ninterface = \"eth0\"\nvrid = {router}\n\
             priority = {priority}\naddresses = [\"{vip}/32\"]\nadvert_interval = \"{millis}ms\"\n"
        )
        .ok();
    }
    text
}

fn keepalived(routers: u8, priority: u8, interval: Duration) -> String {
    let mut text = String::from("global_defs {\nvrrp_version 3\n}\n");
    for router in 1..=routers {
        let (vip, seconds) = (vip(router), interval.as_secs_f64());
        // Writing to a string does not fail.
        write!(
            text,
            "vrrp_instance r{router} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {router}\n\
             priority {priority}\nadvert_int {seconds}\nvirtual_ipaddress {{\n{vip}/32\n}}\n}}\n"
        )
        .ok();
    }
    text
}
