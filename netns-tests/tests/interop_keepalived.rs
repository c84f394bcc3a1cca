//! keepalived 2.2.7 as the peer, in both roles: election, planned stop, death, comeback.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::thread::sleep;
use std::time::Duration;

use integration::lab::Moment;
use netns_tests::{Duel, LIMIT};
use nix::sys::signal::Signal;

const VIP: &str = "10.77.0.200";

/// How the pair speaks.
#[derive(Clone, Copy)]
struct Speech {
    /// Lines of our table.
    ours: &'static str,
    /// Lines of keepalived's block.
    theirs: &'static str,
    /// Time between adverts.
    interval: Duration,
    /// What our takeover may take when the peer is gone without a word, 1 s of the machine's noise
    /// included.
    takeover_limit: Duration,
}

/// As in the guides: version 2, VRID 51, password 42, every second.
const VERSION_2_PASS: Speech = Speech {
    ours: "version = 2\nauth_pass = \"42\"\n",
    theirs: "version 2\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass 42\n}\n",
    interval: Duration::from_secs(1),
    takeover_limit: Duration::from_millis(4_700),
};

const VERSION_2: Speech =
    Speech { ours: "version = 2\n", theirs: "version 2\nadvert_int 1\n", ..VERSION_2_PASS };

const VERSION_3: Speech = Speech {
    ours: "advert_interval = \"100ms\"\n",
    theirs: "version 3\nadvert_int 0.1\n",
    interval: Duration::from_millis(100),
    takeover_limit: Duration::from_millis(1_500),
};

impl Speech {
    fn ours(self, priority: u8) -> String {
        let lines = self.ours;
        format!(
            "[[vrrp]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = [\"{VIP}\"]\n{lines}"
        )
    }

    fn theirs(self, priority: u8) -> String {
        let lines = self.theirs;
        format!(
            "global_defs {{\nvrrp_garp_master_delay 1\n}}\nvrrp_instance VI_1 {{\nstate BACKUP\n\
             interface eth0\nvirtual_router_id 51\npriority {priority}\n{lines}\
             virtual_ipaddress {{\n{VIP}\n}}\n}}\n"
        )
    }
}

/// We are the better node: we win, hand over in order, come back, and are replaced when we vanish.
fn we_lead(speech: Speech) {
    let mut duel = Duel::new(VIP);
    let _keepalived = duel.keepalived(1, &speech.theirs(100));
    duel.wait_for(&[1]);
    // We come later, and take over from a living Active router.
    let ping = duel.ping();
    let since = Moment::now();
    let mut ours = duel.vipd(0, &speech.ours(101));
    duel.wait_for(&[0]);
    sleep(speech.interval * 2);
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 100, "{silence} ms of silence while we took over");

    // A planned stop: we serve until keepalived has taken over.
    let ping = duel.ping();
    let since = Moment::now();
    ours.stop(LIMIT).unwrap();
    duel.wait_for(&[1]);
    sleep(speech.interval * 2);
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= 100, "{silence} ms of silence while we stopped");

    // Back again, and then gone without a word: keepalived waits three intervals and its skew.
    let ours = duel.vipd(0, &speech.ours(101));
    duel.wait_for(&[0]);
    duel.lab.cut("lb1").unwrap();
    let since = Moment::now();
    duel.wait_for(&[0, 1]);
    assert!(since.elapsed() <= speech.takeover_limit, "{:?}", since.elapsed());
    // Healed, we are the better node still.
    duel.lab.heal("lb1").unwrap();
    duel.wait_for(&[0]);
    drop(ours);
}

/// keepalived is the better node: we follow it, relieve it, take over when it vanishes, yield again.
fn they_lead(speech: Speech) {
    let mut duel = Duel::new(VIP);
    let ours = duel.vipd(1, &speech.ours(100));
    duel.wait_for(&[1]);
    let mut keepalived = duel.keepalived(0, &speech.theirs(101));
    duel.wait_for(&[0]);
    sleep(speech.interval * 3);
    assert_eq!(duel.owners.owners(), ["lb1"], "we stay Backup");

    // It resigns: we wait for our skew and have the address.
    let since = Moment::now();
    keepalived.stop(LIMIT).unwrap();
    duel.wait_for(&[1]);
    let skew = speech.interval * 156 / 256;
    assert!(since.elapsed() <= skew + Duration::from_secs(1), "{:?}", since.elapsed());

    // It comes back, and is then gone without a word.
    let keepalived = duel.keepalived(0, &speech.theirs(101));
    duel.wait_for(&[0]);
    duel.lab.cut("lb1").unwrap();
    let since = Moment::now();
    duel.wait_for(&[0, 1]);
    assert!(since.elapsed() <= speech.takeover_limit, "{:?}", since.elapsed());
    duel.lab.heal("lb1").unwrap();
    duel.wait_for(&[0]);

    // It dies and leaves its address behind: we have it as well, for nobody speaks for it.
    keepalived.signal_all(Signal::SIGKILL).unwrap();
    duel.wait_for(&[0, 1]);
    drop(ours);
}

#[test]
fn version_2_with_a_password_we_lead() {
    we_lead(VERSION_2_PASS);
}

#[test]
fn version_2_with_a_password_they_lead() {
    they_lead(VERSION_2_PASS);
}

#[test]
fn version_2_we_lead() {
    we_lead(VERSION_2);
}

#[test]
fn version_2_they_lead() {
    they_lead(VERSION_2);
}

#[test]
fn version_3_we_lead() {
    we_lead(VERSION_3);
}

#[test]
fn version_3_they_lead() {
    they_lead(VERSION_3);
}

/// Nodes that do not understand each other are told so, by name.
#[test]
fn a_mismatch_is_named() {
    for (ours, theirs, words) in [
        (VERSION_3, VERSION_2_PASS, "the peer speaks version 2, we speak version 3"),
        (VERSION_2, VERSION_2_PASS, "the peer sends a password, we have none"),
    ] {
        let duel = Duel::new(VIP);
        let _keepalived = duel.keepalived(1, &theirs.theirs(100));
        let ours = duel.vipd(0, &ours.ours(101));
        ours.wait_for_log(words, LIMIT).unwrap();
    }
}
