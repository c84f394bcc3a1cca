//! Carries a disturbance out, and undoes all of them.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use lab::host::{IPV4_PREFIX, IPV6_PREFIX};
use lab::node::signal;
use lab::{Block, Direction};
use nix::sys::signal::Signal;

use super::super::pair::{Node, Pair, VIP};
use super::disturbance::Disturbance;
use super::node::processes;
use super::plan::Step;

/// How long an order may take.
const ORDER_LIMIT: Duration = Duration::from_secs(5);

/// Of the lab's cables.
const MTU: u32 = 1500;

/// What is undone by writing the kernel's usual values: the setting, disturbed, usual.
const SETTINGS: [(Disturbance, &str, &str, &str); 3] = [
    (Disturbance::Ipv6Disabled, "net/ipv6/conf/eth0/disable_ipv6", "1", "0"),
    (Disturbance::ArpIgnored, "net/ipv4/conf/eth0/arp_ignore", "2", "0"),
    (Disturbance::StrictReversePath, "net/ipv4/conf/eth0/rp_filter", "1", "0"),
];

/// Lets it happen. What cannot happen now (an order to a dead node, say) fails, and is no fault.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest happens to programs, in a function of its own"
)]
pub(super) fn disturb(pair: &mut Pair, step: Step) -> anyhow::Result<()> {
    let name = ["lb1", "lb2"][step.node];
    let backends: Vec<IpAddr> = pair.backends.iter().map(|one| one.host.ipv4().into()).collect();
    let Pair { lab, nodes, client, .. } = pair;
    let node = &mut nodes[step.node];
    let host = node.host.clone();
    match step.what {
        Disturbance::Cut => lab.cut(name)?,
        Disturbance::Deaf => lab.cut_one_way(name, Direction::ToHost)?,
        Disturbance::Mute => lab.cut_one_way(name, Direction::FromHost)?,
        Disturbance::CarrierLost => lab.carrier(name, false)?,
        Disturbance::CarrierFlaps => {
            for on in [false, true].repeat(5) {
                lab.carrier(name, on)?;
            }
        }
        Disturbance::InterfaceDown => host.set_interface(false)?,
        Disturbance::MtuOfIpv6 => host.set_mtu(1280)?,
        Disturbance::MtuTiny => host.set_mtu(576)?,
        Disturbance::OwnAddressDeleted => host.remove_address(host.ipv4().into(), IPV4_PREFIX)?,
        Disturbance::VirtualAddressDeleted => host.remove_address(VIP.into(), 32)?,
        Disturbance::VirtualAddressAdded => host.add_address(VIP.into(), IPV4_PREFIX, None)?,
        Disturbance::VirtualAddressTaken => client.add_address(VIP.into(), IPV4_PREFIX, None)?,
        Disturbance::Ipv6Disabled | Disturbance::ArpIgnored | Disturbance::StrictReversePath => {
            for (_, key, disturbed, _) in SETTINGS.iter().filter(|(what, ..)| *what == step.what) {
                host.namespace().sysctl(key, disturbed)?;
            }
        }
        Disturbance::BackendKilled => {
            pair.backends[step.backend].server.kill()?;
        }
        Disturbance::BackendStopped => pair.backends[step.backend].server.freeze()?,
        Disturbance::BackendsLost => host.block(&backends, Block::Silent)?,
        Disturbance::RuntimeDirectoryRemoved => fs::remove_dir_all(node.runtime_dir())?,
        what => disturb_programs(node, what)?,
    }
    Ok(())
}

/// What happens to a node's programs and file.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest happens elsewhere: this is asked last"
)]
fn disturb_programs(node: &mut Node, what: Disturbance) -> anyhow::Result<()> {
    let file = node.text().to_owned();
    match what {
        Disturbance::VrrpdKilled => signal_program(node, "vrrpd", Signal::SIGKILL)?,
        Disturbance::VrrpdStopped => signal_program(node, "vrrpd", Signal::SIGSTOP)?,
        Disturbance::LbproxyKilled => signal_program(node, "lbproxy", Signal::SIGKILL)?,
        Disturbance::LbproxyStopped => signal_program(node, "lbproxy", Signal::SIGSTOP)?,
        Disturbance::ConsoleKilled => signal_program(node, "console", Signal::SIGKILL)?,
        Disturbance::ConsoleStopped => signal_program(node, "console", Signal::SIGSTOP)?,
        Disturbance::SupervisorKilled => node.signal_vipd(Signal::SIGKILL)?,
        Disturbance::NodeKilled => node.signal_all(Signal::SIGKILL)?,
        Disturbance::NodeFrozen => node.signal_all(Signal::SIGSTOP)?,
        Disturbance::PlannedStop => node.signal_vipd(Signal::SIGTERM)?,
        Disturbance::Restart => {
            node.stop()?;
            node.run()?;
        }
        Disturbance::ReloadPriority => reload(node, &other_priority(&file))?,
        Disturbance::ReloadInterval => reload(node, &file.replace("\"100ms\"", "\"50ms\""))?,
        Disturbance::ReloadServers => reload(node, &first_server(&file))?,
        Disturbance::ReloadWrong => reload(node, &file.replace("vrid = 51", "vrid = 0"))?,
        Disturbance::ReloadMissing => {
            fs::remove_file(node.config())?;
            node.signal_vipd(Signal::SIGHUP)?;
        }
        Disturbance::ReloadStorm => {
            for _ in 0..20 {
                node.signal_vipd(Signal::SIGHUP)?;
                thread::sleep(Duration::from_millis(10));
            }
        }
        Disturbance::Upgrade => node.signal_vipd(Signal::SIGUSR2)?,
        Disturbance::Handover => order(node, &["handover"])?,
        Disturbance::Pause => order(node, &["pause"])?,
        Disturbance::ServerDrained => {
            order(node, &["server", "drain", "apiserver/10.77.0.21:6443"])?
        }
        // The others are not of programs.
        _ => {}
    }
    Ok(())
}

/// Undoes whatever may have happened. On return everything is as it was built, and may still have to
/// find that out.
pub(super) fn heal(pair: &mut Pair) -> anyhow::Result<()> {
    drop(pair.client.remove_address(VIP.into(), IPV4_PREFIX));
    for (node, name) in pair.nodes.iter().zip(["lb1", "lb2"]) {
        // A port has no carrier while the other end is down.
        node.host.set_interface(true)?;
        node.host.set_mtu(MTU)?;
        pair.lab.heal(name)?;
    }
    let backends: Vec<IpAddr> = pair.backends.iter().map(|one| one.host.ipv4().into()).collect();
    for node in &mut pair.nodes {
        let host = node.host.clone();
        for (_, key, _, usual) in SETTINGS {
            host.namespace().sysctl(key, usual)?;
        }
        host.add_address(host.ipv4().into(), IPV4_PREFIX, None)?;
        host.add_address(host.ipv6().into(), IPV6_PREFIX, None)?;
        // Was not blocked, mostly; and has nothing that somebody added.
        drop(host.unblock(&backends, Block::Silent));
        drop(host.remove_address(VIP.into(), IPV4_PREFIX));
    }
    for backend in &mut pair.backends {
        match backend.server.exit_status() {
            Some(_) => backend.restart()?,
            None => backend.server.thaw()?,
        }
    }
    pair.nodes.iter_mut().try_for_each(heal_programs)
}

fn heal_programs(node: &mut Node) -> anyhow::Result<()> {
    fs::write(node.config(), node.text())?;
    let runs = node.vipd.as_ref().is_some_and(|vipd| vipd.exit_status().is_none());
    if !runs {
        // What is left of its group goes with it.
        node.stop()?;
        return Ok(node.run()?);
    }
    node.signal_all(Signal::SIGCONT)?;
    node.signal_vipd(Signal::SIGHUP)?;
    for words in [&["resume"][..], &["server", "ready", "apiserver/10.77.0.21:6443"]] {
        // One that has just been told to end takes no orders.
        drop(order(node, words));
    }
    Ok(())
}

fn signal_program(node: &Node, program: &str, what: Signal) -> anyhow::Result<()> {
    for process in processes(node).iter().filter(|process| process.program == program) {
        signal(process.pid, what)?;
    }
    Ok(())
}

fn reload(node: &Node, text: &str) -> anyhow::Result<()> {
    fs::write(node.config(), text)?;
    Ok(node.signal_vipd(Signal::SIGHUP)?)
}

fn order(node: &Node, words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.args(words).arg("--runtime-dir").arg(node.runtime_dir());
    let output = node.host.output(&mut command, ORDER_LIMIT)?;
    anyhow::ensure!(output.status.success(), "{words:?}: {}", output.status);
    Ok(())
}

/// 150 becomes 100, and the other way round.
fn other_priority(text: &str) -> String {
    let [first, second] = ["priority = 150", "priority = 100"];
    let (from, to) = if text.contains(first) { (first, second) } else { (second, first) };
    text.replace(from, to)
}

/// The list of servers has its first one only.
fn first_server(text: &str) -> String {
    let line = |line: &str| match (line.strip_prefix("servers = ["), line.split_once(',')) {
        (Some(_), Some((first, _))) => format!("{first}]\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_changed_where_they_say_so() {
        let text = "priority = 100\nservers = [\"a:1\", \"b:2\", ]\n";
        assert_eq!(other_priority(text), "priority = 150\nservers = [\"a:1\", \"b:2\", ]\n");
        assert_eq!(other_priority(&other_priority(text)), text);
        assert_eq!(first_server(text), "priority = 100\nservers = [\"a:1\"]\n");
    }
}
