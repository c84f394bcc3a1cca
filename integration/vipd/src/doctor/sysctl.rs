//! Settings of the kernel below `/proc/sys`.

use std::fs;

/// A setting that is a number; none where this kernel has none.
pub(super) fn number(key: &str) -> Option<i64> {
    fs::read_to_string(format!("/proc/sys/{key}")).ok()?.trim().parse().ok()
}

/// A setting of an interface, where the larger of its own and of that for all counts.
pub(super) fn larger(family: &str, interface: &str, name: &str) -> Option<i64> {
    let of = |whose: &str| number(&format!("net/{family}/conf/{whose}/{name}"));
    of(interface)?.max(of("all")?).into()
}

/// The command that sets it. A dot within an interface's name is written as a slash.
pub(super) fn command(family: &str, interface: &str, name: &str, value: i64) -> String {
    format!("sudo sysctl -w net.{family}.conf.{}.{name}={value}", interface.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_interface_as_sysctl_wants_it() {
        assert_eq!(
            command("ipv4", "eth0.10", "rp_filter", 2),
            "sudo sysctl -w net.ipv4.conf.eth0/10.rp_filter=2"
        );
    }
}
