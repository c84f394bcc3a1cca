//! Whether this host's kernel gives ports that are listened on to outgoing connections as well.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::Finding;

const ITEM: &str = "outgoing ports";

const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Compares them with the kernel's settings, which hold for both families.
pub(super) fn look(wanted: &BTreeSet<SocketAddr>) -> Option<Finding> {
    let range = range(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)?;
    let reserved = fs::read_to_string(RESERVED).unwrap_or_default();
    let ports: BTreeSet<u16> = wanted.iter().map(SocketAddr::port).collect();
    (!ports.is_empty()).then(|| judge(&ports, &range, reserved.trim()))
}

fn judge(ports: &BTreeSet<u16>, range: &RangeInclusive<u16>, reserved: &str) -> Finding {
    let (first, last) = (range.start(), range.end());
    let given = |port: &&u16| range.contains(port) && !is_reserved(**port, reserved);
    let given: Vec<String> = ports.iter().filter(given).map(u16::to_string).collect();
    if given.is_empty() {
        let seen = format!("they are {first} to {last}, and none of them is listened on");
        return Finding::ok(ITEM, "", seen);
    }
    let ports = given.join(",");
    let seen = format!("they are {first} to {last}, and so may be {ports}, which is listened on");
    let why = "if a connection has it when vipd starts, it cannot listen";
    let all = if reserved.is_empty() { ports } else { format!("{reserved},{ports}") };
    let set = format!("net.ipv4.ip_local_reserved_ports={all}");
    Finding::warning(ITEM, "", seen, why)
        .remedy(format!("sudo sysctl -w {set}"))
        .remedy(format!("echo {set} | sudo tee /etc/sysctl.d/60-vipd.conf"))
}

/// Two numbers.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

/// Numbers and ranges, such as `8080,9000-9010`.
fn is_reserved(port: u16, reserved: &str) -> bool {
    reserved.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::*;

    #[test]
    fn ports_are_compared_with_the_range_and_with_what_is_reserved() {
        let range = range("32768\t60999\n").unwrap();
        for (port, reserved, verdict) in [
            (6443, "", Verdict::Ok),
            (32_767, "", Verdict::Ok),
            (32_768, "", Verdict::Warning),
            (60_999, "8080,61000-61010", Verdict::Warning),
            (61_000, "", Verdict::Ok),
            (40_000, "8080,40000", Verdict::Ok),
            (40_005, "8080,40000-40010", Verdict::Ok),
        ] {
            let found = judge(&BTreeSet::from([port]), &range, reserved);
            assert_eq!(found.verdict, verdict, "{port} {reserved:?}");
        }
    }
}
