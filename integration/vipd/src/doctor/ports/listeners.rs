//! Who listens where, as `/proc` tells.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    /// By which its holder is found.
    pub(super) inode: u64,
}

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) comm: String,
}

impl Listener {
    /// Whether both want the same connections. An IPv6 socket at every address mostly takes IPv4 ones too.
    pub(super) fn overlaps(&self, other: SocketAddr) -> bool {
        let (ours, theirs) = (self.address.ip().to_canonical(), other.ip());
        let everywhere = ours.is_unspecified() && (ours.is_ipv6() || theirs.is_ipv4())
            || theirs.is_unspecified() && ours.is_ipv4() == theirs.is_ipv4();
        self.address.port() == other.port() && (everywhere || ours == theirs)
    }
}

/// Every listening socket of this network namespace.
pub(super) fn listeners() -> Vec<Listener> {
    let read =
        |table: &str| fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
    [read("tcp"), read("tcp6")].iter().flat_map(|text| text.lines().filter_map(listener)).collect()
}

/// A line of `/proc/net/tcp` or `tcp6`: words of memory in hexadecimal, the state, and the inode.
fn listener(line: &str) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != LISTEN {
        return None;
    }
    let (ip, port) = words.get(1)?.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let octets = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address: SocketAddr::new(ip, port), inode: words.get(9)?.parse().ok()? })
}

/// The processes that have one of these sockets; others' are seen by root only.
pub(super) fn holders(inodes: &BTreeSet<u64>) -> Vec<Holder> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let holder = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let has = |file: fs::DirEntry| {
            let target = fs::read_link(file.path()).ok();
            target
                .is_some_and(|target| target.to_str().is_some_and(|target| names.contains(target)))
        };
        files.any(has).then_some(())?;
        let comm = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
        Some(Holder { pid, comm })
    };
    processes.filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copied from a machine of the little-endian kind.
    #[test]
    #[cfg(target_endian = "little")]
    fn lines_are_read() {
        let v4 = "   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 30421 1 0000000000000000 100 0 0 10 0";
        let found = listener(v4).unwrap();
        assert_eq!(found, Listener { address: "127.0.0.1:6443".parse().unwrap(), inode: 30421 });
        let v6 = "   1: 00000000000000000000000001000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1";
        assert_eq!(listener(v6).unwrap().address, "[::1]:6443".parse().unwrap());
        assert_eq!(listener(&v4.replace(" 0A ", " 01 ")), None);
        for wrong in ["", "sl local_address rem_address st", "0: 01:1 0:0 0A"] {
            assert_eq!(listener(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn some_addresses_exclude_each_other() {
        for (has, wants, expected) in [
            ("10.0.0.1:6443", "10.0.0.1:6443", true),
            ("10.0.0.1:6443", "10.0.0.1:8443", false),
            ("10.0.0.1:6443", "10.0.0.2:6443", false),
            ("0.0.0.0:6443", "10.0.0.1:6443", true),
            ("[::]:6443", "10.0.0.1:6443", true),
            ("[::]:6443", "[fd77::1]:6443", true),
            ("0.0.0.0:6443", "[fd77::1]:6443", false),
            ("10.0.0.1:6443", "0.0.0.0:6443", true),
            ("[::ffff:10.0.0.1]:6443", "10.0.0.1:6443", true),
        ] {
            let listener = Listener { address: has.parse().unwrap(), inode: 1 };
            assert_eq!(listener.overlaps(wants.parse().unwrap()), expected, "{has} {wants}");
        }
    }
}
