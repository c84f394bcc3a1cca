//! Who deletes an address of ours, as far as it can be known.
//!
//! The kernel tells of a deletion with the port of the socket that asked for it, and a program's first
//! netlink socket bears its process number (libnl puts a counter into the upper bits). A program that
//! has ended by then can no longer be named; one that manages interfaces and runs can be suspected.

use std::fmt;
use std::fs;

use vocabulary::InterfaceName;

/// Programs that configure interfaces: as `ps -o comm` shows them, and how to stop them.
const MANAGERS: [(&str, &str); 6] = [
    ("NetworkManager", "`nmcli device set INTERFACE managed no` takes the interface from it"),
    (
        "systemd-network",
        "`KeepConfiguration=yes` in the interface's .network file keeps it from that",
    ),
    ("dhcpcd", "`denyinterfaces INTERFACE` in dhcpcd.conf keeps it from that"),
    ("dhclient", "give the node's own address statically instead"),
    ("udhcpc", "give the node's own address statically instead"),
    ("keepalived", "two programs must not keep the same address"),
];

/// The bits of a port that are a process number.
const PROCESS_BITS: u32 = 0x3f_ffff;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The kernel: the address's lifetime ended, or its interface went down.
    Kernel,
    /// This process.
    Process {
        /// Its name.
        comm: String,
        /// Its number.
        pid: u32,
    },
    /// Somebody who was not caught.
    Unknown,
}

impl Culprit {
    /// Who asked by the socket of this `port` for a deletion. Reads `/proc`.
    #[must_use]
    pub fn of(port: u32) -> Self {
        if port == 0 {
            return Self::Kernel;
        }
        let pid = port & PROCESS_BITS;
        // Without such a process, or with a counter that is none of libnl's, it is a number like any.
        let caught = comm(&pid.to_string()).filter(|comm| pid == port || manages(comm));
        caught.map_or(Self::Unknown, |comm| Self::Process { comm, pid })
    }

    /// Told to an operator, with what to do about it. Looks, where nobody was caught, for who manages
    /// the interface: that takes some milliseconds.
    #[must_use]
    pub fn told(&self, interface: &InterfaceName, index: u32) -> String {
        match self {
            Self::Process { comm, .. } => match advice(comm, interface) {
                Some(advice) => format!("{self} does it; {advice}"),
                None => format!("{self} does it"),
            },
            Self::Unknown => suspected(&suspects(index), interface),
            Self::Kernel => "the kernel does it: its lease ended or its interface went down".into(),
        }
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("the kernel"),
            Self::Process { comm, pid } => write!(f, "{comm} (process {pid})"),
            Self::Unknown => f.write_str("a program that has ended"),
        }
    }
}

fn advice(comm: &str, interface: &InterfaceName) -> Option<String> {
    let known = MANAGERS.iter().find(|(name, _)| *name == comm);
    known.map(|(_, advice)| advice.replace("INTERFACE", interface.as_str()))
}

fn suspected(suspects: &[String], interface: &InterfaceName) -> String {
    let Some(advice) = suspects.first().and_then(|comm| advice(comm, interface)) else {
        return "who does it cannot be known: it has ended, and no manager of interfaces runs"
            .into();
    };
    let names = suspects.join(" and ");
    format!("who does it cannot be known for sure; {names} runs here: {advice}")
}

/// Managers of interfaces that run here and do not say that this one is none of theirs, each with how
/// to keep it from deleting addresses. Takes some milliseconds.
#[must_use]
pub fn managers(interface: &InterfaceName, index: u32) -> Vec<(String, String)> {
    let all = suspects(index).into_iter();
    all.filter_map(|comm| advice(&comm, interface).map(|advice| (comm, advice))).collect()
}

fn manages(comm: &str) -> bool {
    MANAGERS.iter().any(|(name, _)| *name == comm)
}

/// Managers of interfaces that run and do not say that this interface is none of theirs.
fn suspects(index: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|entry| comm(entry.file_name().to_str()?));
    let mut suspects: Vec<String> = names.filter(|comm| manages(comm)).collect();
    suspects.sort_unstable();
    suspects.dedup();
    suspects.retain(|comm| match comm.as_str() {
        "NetworkManager" => !says(&format!("/run/NetworkManager/devices/{index}"), "managed=false"),
        "systemd-network" => {
            !says(&format!("/run/systemd/netif/links/{index}"), "ADMIN_STATE=unmanaged")
        }
        _ => true,
    });
    suspects
}

fn comm(process: &str) -> Option<String> {
    process.parse::<u32>().ok()?;
    Some(fs::read_to_string(format!("/proc/{process}/comm")).ok()?.trim_end().to_owned())
}

fn says(path: &str, line: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().any(|found| found == line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_with_what_to_do() {
        let eth0 = InterfaceName::try_from("eth0").unwrap();
        let process = |comm: &str| Culprit::Process { comm: comm.to_owned(), pid: 812 };
        assert_eq!(
            process("NetworkManager").told(&eth0, 2),
            "NetworkManager (process 812) does it; `nmcli device set eth0 managed no` takes the interface from it"
        );
        assert_eq!(process("script.sh").told(&eth0, 2), "script.sh (process 812) does it");
        assert_eq!(
            suspected(&["dhcpcd".to_owned()], &eth0),
            "who does it cannot be known for sure; dhcpcd runs here: `denyinterfaces eth0` in dhcpcd.conf keeps it from that"
        );
        assert_eq!(
            suspected(&[], &eth0),
            "who does it cannot be known: it has ended, and no manager of interfaces runs"
        );
    }

    /// This test's own process stands for one whose first netlink socket it was.
    #[test]
    fn is_the_process_whose_number_the_port_is() {
        let pid = std::process::id();
        let Culprit::Process { pid: found, .. } = Culprit::of(pid) else { panic!("{pid}") };
        assert_eq!(found, pid);
        assert_eq!(Culprit::of(0), Culprit::Kernel);
        // Some other socket's port, made up by the kernel.
        assert_eq!(Culprit::of(0xff00_0000 | pid), Culprit::Unknown);
    }
}
