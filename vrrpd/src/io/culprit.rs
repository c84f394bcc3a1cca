//! Who deletes an address of ours, as far as it can be known.
//!
//! The kernel tells of a deletion with the port of the socket that asked for it, and a program's first
//! netlink socket bears its process number (libnl puts a counter into the upper bits). A program that
//! has ended by then can no longer be named; one that manages interfaces and runs can be suspected.

use std::fmt;
use std::fs;

use shared::InterfaceName;

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
    /// Nobody was caught; these manage interfaces here.
    Suspects(Vec<String>),
}

impl Culprit {
    /// Who asked by the socket of this `port` for an address of the interface of `index` to be
    /// deleted. Reads `/proc` and `/run`.
    #[must_use]
    pub fn of(port: u32, index: u32) -> Self {
        if port == 0 {
            return Self::Kernel;
        }
        let pid = port & PROCESS_BITS;
        // Without such a process, or with a counter that is none of libnl's, it is a number like any.
        let caught = comm(&pid.to_string());
        match caught.filter(|comm| pid == port || manages(comm)) {
            Some(comm) => Self::Process { comm, pid },
            None => Self::Suspects(suspects(index)),
        }
    }

    /// Told to an operator, with what to do about it.
    #[must_use]
    pub fn told(&self, interface: &InterfaceName) -> String {
        let advice = |comm: &str| {
            let known = MANAGERS.iter().find(|(name, _)| *name == comm);
            known.map(|(_, advice)| advice.replace("INTERFACE", interface.as_str()))
        };
        match self {
            Self::Process { comm, .. } => match advice(comm) {
                Some(advice) => format!("{self} does it; {advice}"),
                None => format!("{self} does it"),
            },
            Self::Suspects(suspects) if suspects.is_empty() => {
                "who does it cannot be known: it has ended, and no manager of interfaces runs"
                    .into()
            }
            Self::Suspects(suspects) => {
                let advice = suspects.first().and_then(|comm| advice(comm)).unwrap_or_default();
                format!("who does it cannot be known for sure; {self} runs here: {advice}")
            }
            Self::Kernel => "the kernel does it: its lease ended or its interface went down".into(),
        }
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("the kernel"),
            Self::Process { comm, pid } => write!(f, "{comm} (process {pid})"),
            Self::Suspects(suspects) if suspects.is_empty() => f.write_str("somebody unknown"),
            Self::Suspects(suspects) => f.write_str(&suspects.join(" or ")),
        }
    }
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
        let suspects =
            |names: &[&str]| Culprit::Suspects(names.iter().map(|&n| n.into()).collect());
        for (culprit, told) in [
            (
                process("NetworkManager"),
                "NetworkManager (process 812) does it; `nmcli device set eth0 managed no` takes the interface from it",
            ),
            (process("script.sh"), "script.sh (process 812) does it"),
            (
                suspects(&["dhcpcd"]),
                "who does it cannot be known for sure; dhcpcd runs here: `denyinterfaces eth0` in dhcpcd.conf keeps it from that",
            ),
            (
                suspects(&[]),
                "who does it cannot be known: it has ended, and no manager of interfaces runs",
            ),
        ] {
            assert_eq!(culprit.told(&eth0), told);
        }
    }

    /// This test's own process stands for one whose first netlink socket it was.
    #[test]
    fn is_the_process_whose_number_the_port_is() {
        let pid = std::process::id();
        let Culprit::Process { pid: found, .. } = Culprit::of(pid, 1) else { panic!("{pid}") };
        assert_eq!(found, pid);
        assert_eq!(Culprit::of(0, 1), Culprit::Kernel);
        // Some other socket's port, made up by the kernel.
        assert!(matches!(Culprit::of(0xffff_f000 | pid, 1), Culprit::Suspects(_)));
    }
}
