//! What a client misses when an operator moves the address to keepalived, at the guides' settings.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;
use lab::Moment;
use netns_tests::{Duel, LIMIT, binary};

const VIP: &str = "10.77.0.200";

const OURS: &str = "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 101\n\
    addresses = [\"10.77.0.200\"]\nversion = 2\nauth_pass = \"42\"\n";

const KEEPALIVED: &str = "vrrp_instance api {\nstate BACKUP\ninterface eth0\n\
    virtual_router_id 51\npriority 100\nadvert_int 1\nauthentication {\nauth_type PASS\n\
    auth_pass 42\n}\nvirtual_ipaddress {\n10.77.0.200\n}\n}\n";

/// How the address is moved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// `SIGTERM` to `vipd run`
    Stop,
    /// `vipd handover`
    HandOver,
}

/// The longest time without an answer to a ping, sent every millisecond.
pub(crate) fn silence(action: Action) -> anyhow::Result<Duration> {
    let mut duel = Duel::new(VIP);
    let _keepalived = duel.keepalived(1, KEEPALIVED);
    duel.wait_for(&[1]);
    let mut ours = duel.vipd(0, OURS);
    duel.wait_for(&[0]);
    sleep(Duration::from_secs(2));
    let ping = duel.ping();
    let since = Moment::now();
    match action {
        Action::Stop => {
            ours.stop(LIMIT)?;
        }
        Action::HandOver => {
            let mut command = Command::new(binary("vipd"));
            command.args(["handover", "api", "--runtime-dir"]).arg(duel.runtime_dir(0));
            ensure!(command.status()?.success(), "nobody took over");
        }
    }
    duel.wait_for(&[1]);
    sleep(Duration::from_secs(2));
    let record = ping.stop();
    Ok(record.silence_between(since, record.end).longest)
}
