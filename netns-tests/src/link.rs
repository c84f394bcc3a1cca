//! What the kernel of a host says of its interfaces and neighbours, through `ip`.

use std::process::Command;

use lab::Host;

use crate::{LIMIT, peer};

/// Runs `ip` on a host and returns what it wrote.
///
/// # Panics
/// It fails.
pub fn ip(host: &Host, arguments: &[&str]) -> String {
    let mut command = Command::new(peer("ip"));
    let output = host.output(command.args(arguments), LIMIT).expect("ip");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {errors}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The MAC address that a host has in its neighbour cache for `address`.
///
/// # Panics
/// `ip` fails.
#[must_use]
pub fn neighbour(host: &Host, address: &str) -> Option<String> {
    let shown = ip(host, &["neighbour", "show", address, "dev", "eth0"]);
    let mut words = shown.split_whitespace();
    words.find(|word| *word == "lladdr")?;
    words.next().map(str::to_owned)
}

/// A setting of `eth0` below `/proc/sys/net`.
///
/// # Panics
/// There is none.
#[must_use]
pub fn setting(host: &Host, key: &str) -> String {
    let path = format!("/proc/sys/net/{key}");
    let read = host.run(|| std::fs::read_to_string(&path)).expect("a namespace");
    read.expect("a setting").trim().to_owned()
}
