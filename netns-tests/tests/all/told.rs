//! What a running node tells: why it is what it is, and what happens.

use std::process::{Command, Stdio};

use netns_tests::{Duel, LIMIT, binary};

const VIP: &str = "10.77.0.200";

fn node(priority: u8) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n"
    )
}

fn vipd(duel: &Duel, host: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("vipd"));
    command.args(arguments).arg("--runtime-dir").arg(duel.runtime_dir(host));
    command
}

#[test]
fn a_takeover_is_explained_and_followed() {
    let mut duel = Duel::new(VIP);
    let mut first = duel.vipd(0, &node(150));
    duel.wait_for(&[0]);
    let mut second = duel.vipd(1, &node(100));
    second.wait_for_log("ready to take part", LIMIT).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let why = |duel: &Duel| {
        let output = vipd(duel, 1, &["why", "api"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let told = why(&duel);
    assert!(told.contains("stays Backup: 10.77.0.11 advertises 150 > 100"), "{told}");

    let follower =
        vipd(&duel, 1, &["events", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    first.kill().unwrap();
    duel.lab.cut("lb1").unwrap();
    second.wait_for_log("no advert from 10.77.0.11", LIMIT).unwrap();
    let told = why(&duel);
    assert!(told.contains("took over: no advert from 10.77.0.11 for 3"), "{told}");
    assert!(told.contains("last from 10.77.0.11 priority 150"), "{told}");
    assert!(told.contains("our lag "), "{told}");

    // The last words come through before the end.
    second.stop(LIMIT).unwrap();
    let output = follower.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", word("type"), word("to"), word("reason"))
        })
        .collect();
    let expected = [
        "stands - -",
        "state active silence",
        "state releasing stopped",
        "state initialize unrelieved",
        "ended - -",
    ];
    assert_eq!(kinds, expected, "{lines}");
}

/// A name that no interface has, and one that the kernel knows besides the first.
#[test]
fn an_interface_that_is_not_there_is_told_and_an_alternative_name_is_taken() {
    let mut duel = Duel::new(VIP);
    let absent = node(150).replace("eth0", "enp3s0");
    let first = duel.vipd(0, &absent);
    let words = "there is no interface enp3s0; this node has eth0";
    first.wait_for_log(words, LIMIT).unwrap();
    let status = |duel: &Duel| {
        let output = vipd(duel, 0, &["status"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    lab::wait_until("the status tells", LIMIT, || status(&duel).contains(words)).unwrap();
    let mut alternative = Command::new("ip");
    alternative.args(["link", "property", "add", "dev", "eth0", "altname", "enp3s0"]);
    let output = duel.hosts[0].output(&mut alternative, LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    duel.wait_for(&[0]);
    assert!(!status(&duel).contains(words));
}
