//! What a node's processes and kernel have, for who looks whether anything is left behind.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use futures_util::TryStreamExt;
use netlink_packet_route::rule::RuleMessage;
use rtnetlink::{IpVersion, RouteMessageBuilder};

use super::super::pair::Node;

/// What is there of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holdings {
    pub(super) processes: usize,
    /// Open descriptors of all of them.
    pub(super) descriptors: usize,
    /// Resident memory of all of them, in kB.
    pub(super) resident: u64,
    /// Addresses of all interfaces.
    pub(super) addresses: usize,
    /// Routes of the main table, of both families.
    pub(super) routes: usize,
    /// Routing rules, of both families.
    pub(super) rules: usize,
}

/// A process of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number in the lab.
    pub(super) pid: u32,
    /// Its directory in `/proc`.
    proc: PathBuf,
    /// The subcommand that it runs, such as `vrrpd`.
    pub(super) program: String,
}

/// Looks at a node that runs.
pub(super) fn holdings(node: &Node) -> anyhow::Result<Holdings> {
    let processes = processes(node);
    let mut descriptors = 0;
    let mut memory = 0;
    for process in &processes {
        // One that ends meanwhile has nothing any more.
        let Ok(status) = fs::read_to_string(process.proc.join("status")) else { continue };
        descriptors += match fs::read_dir(process.proc.join("fd")) {
            Ok(open) => open.count(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        memory += resident(&status);
    }
    let addresses = node.host.kernel_addresses()?.len();
    let (routes, rules) = node.host.namespace().netlink("list routes", async |handle| {
        let v4 = RouteMessageBuilder::<std::net::Ipv4Addr>::new().table_id(MAIN).build();
        let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().table_id(MAIN).build();
        let mut routes = 0;
        for all in [v4, v6] {
            let found: Vec<_> = handle.route().get(all).execute().try_collect().await?;
            routes += found.iter().filter(|route| u32::from(route.header.table) == MAIN).count();
        }
        let mut rules = 0;
        for family in [IpVersion::V4, IpVersion::V6] {
            let found: Vec<RuleMessage> = handle.rule().get(family).execute().try_collect().await?;
            rules += found.len();
        }
        Ok((routes, rules))
    })?;
    Ok(Holdings {
        processes: processes.len(),
        descriptors,
        resident: memory,
        addresses,
        routes,
        rules,
    })
}

/// The table `main` (`RT_TABLE_MAIN`).
const MAIN: u32 = 254;

/// The processes of a node: those of its supervisor's group. `/proc` is that of outside the lab, with
/// other numbers.
pub(super) fn processes(node: &Node) -> Vec<Process> {
    let Some(vipd) = &node.vipd else { return Vec::new() };
    let Ok(lab) = fs::read_link("/proc/self/ns/pid") else { return Vec::new() };
    let of_group = |proc: PathBuf| {
        let status = fs::read_to_string(proc.join("status")).ok()?;
        let dead = value(&status, "State:").is_none_or(|state| state.starts_with(['Z', 'X']));
        let other = innermost(&status, "NSpgid:") != Some(vipd.pid());
        if dead || other || fs::read_link(proc.join("ns/pid")).ok()? != lab {
            return None;
        }
        let line = fs::read(proc.join("cmdline")).ok()?;
        let program = line.split(|byte| *byte == 0).nth(1).unwrap_or_default();
        let program = String::from_utf8_lossy(program).into_owned();
        Some(Process { pid: innermost(&status, "NSpid:")?, proc, program })
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| of_group(entry.path())).collect()
}

/// A value in `/proc/PID/status`.
fn value<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

/// The number in the innermost namespace: the last of the line.
fn innermost(status: &str, key: &str) -> Option<u32> {
    value(status, key)?.split_whitespace().next_back()?.parse().ok()
}

/// Resident memory by `/proc/PID/status`, in kB.
fn resident(status: &str) -> u64 {
    let words = value(status, "VmRSS:");
    words.and_then(|words| words.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_tells_of_processes() {
        let status = "Name:\tvipd\nState:\tS (sleeping)\nNSpid:\t4711\t12\nNSpgid:\t4700\t9\n\
                      VmHWM:\t   20 kB\nVmRSS:\t   12345 kB\n";
        assert_eq!(innermost(status, "NSpid:"), Some(12));
        assert_eq!(innermost(status, "NSpgid:"), Some(9));
        assert_eq!(innermost(status, "NSsid:"), None);
        assert_eq!(value(status, "State:"), Some("S (sleeping)"));
        assert_eq!((resident(status), resident("")), (12_345, 0));
    }
}
