//! Whether the kernel deletes the secondary IPv4 addresses of a subnet along with its primary one.
//!
//! A virtual address may be the first of its subnet. What is added there later, by us or by whoever
//! configures the node, is secondary to it, and must not go when it goes.

use std::fs;
use std::io;

use vocabulary::InterfaceName;

/// Has the kernel make one of them the primary address instead, as systemd does everywhere.
///
/// # Errors
/// The setting is not to be written here.
pub fn outlive_their_primary(interface: &InterfaceName) -> io::Result<()> {
    let setting = |of: &str| format!("/proc/sys/net/ipv4/conf/{of}/promote_secondaries");
    let is_on = |of: &str| fs::read(setting(of)).is_ok_and(|value| value.starts_with(b"1"));
    // Either counts.
    if is_on("all") || is_on(interface.as_str()) {
        return Ok(());
    }
    fs::write(setting(interface.as_str()), "1")
}
