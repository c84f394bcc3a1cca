//! What monitoring sees of a real node.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use lab::wait_until;
use netns_tests::users::{proc_status, programs, user_of};
use netns_tests::{Duel, LIMIT, peer};
use nix::sys::signal::Signal;

const VIP: &str = "10.77.0.200";

fn node(metrics: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\n{metrics}"
    )
}

/// Status and body of a GET from within the first node.
fn get(duel: &Duel, url: &str) -> (String, String) {
    let mut curl = Command::new(peer("curl"));
    curl.args(["--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url]);
    let output = duel.hosts[0].output(&mut curl, LIMIT).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.to_owned(), body.to_owned())
}

#[test]
fn a_node_tells_its_metrics_and_goes_on_telling_when_vrrpd_dies() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &node("[metrics]\nlisten = \"127.0.0.1:9105\"\n"));
    duel.wait_for(&[0]);
    let (code, page) = get(&duel, "http://127.0.0.1:9105/metrics");
    assert_eq!(code, "200");
    let active = r#"vipd_router_state{router="api",family="ipv4",interface="eth0",vrid="51",state="active"} 1.0"#;
    assert!(page.contains(active), "{page}");
    assert_eq!(get(&duel, "http://127.0.0.1:9105/readyz"), ("200".into(), "ok\n".into()));
    assert_eq!(get(&duel, "http://127.0.0.1:9105/other").0, "404");

    // It has no privileges of its own.
    let console = programs(vipd.pid(), "console")[0];
    assert!((61_184..=65_519).contains(&user_of(console)), "{}", user_of(console));
    // CAP_NET_BIND_SERVICE, 10, for a low port.
    assert_eq!(proc_status(console, "CapEff"), "0000000000000400");

    // A dead vrrpd is told of, until the supervisor has another: that stands still for as long as we look.
    vipd.signal(Signal::SIGSTOP).unwrap();
    let name = ["-P", &vipd.pid().to_string(), "-x", "vrrpd"].map(str::to_owned);
    assert!(Command::new("pkill").arg("-KILL").args(name).status().unwrap().success());
    let is_ready = || get(&duel, "http://127.0.0.1:9105/readyz").0 == "200";
    wait_until("the node was not ready", LIMIT, || !is_ready()).unwrap();
    let (code, page) = get(&duel, "http://127.0.0.1:9105/metrics");
    assert_eq!(code, "200");
    assert!(page.contains(r#"vipd_program_up{program="vrrpd"} 0.0"#), "{page}");
    assert!(!page.contains("vipd_router_state{"), "nobody knows: {page}");
    let (code, why) = get(&duel, "http://127.0.0.1:9105/healthz");
    assert_eq!(code, "503");
    assert!(why.contains("vrrpd"), "{why}");
    vipd.signal(Signal::SIGCONT).unwrap();
    wait_until("the node was ready again", LIMIT, is_ready).unwrap();
    let (_, page) = get(&duel, "http://127.0.0.1:9105/metrics");
    assert!(page.contains(r#"vipd_program_up{program="vrrpd"} 1.0"#), "{page}");
}

#[test]
fn a_reload_moves_the_address_of_the_metrics_or_takes_it_away() {
    let mut duel = Duel::new(VIP);
    let vipd = duel.vipd(0, &node("[metrics]\nlisten = \"127.0.0.1:9105\"\n"));
    duel.wait_for(&[0]);
    assert_eq!(get(&duel, "http://127.0.0.1:9105/healthz").0, "200");
    let path = duel.lab.directory().join("lb1.toml");
    let reload = |metrics: &str| {
        fs::write(&path, node(metrics)).unwrap();
        vipd.signal(Signal::SIGHUP).unwrap();
    };
    reload("[metrics]\nlisten = \"127.0.0.1:9106\"\n");
    let answers = |port: u16| get(&duel, &format!("http://127.0.0.1:{port}/healthz")).0 == "200";
    wait_until("it answered at the new port", LIMIT, || answers(9106)).unwrap();
    assert!(!answers(9105));
    reload("");
    wait_until("it answered no more", LIMIT, || !answers(9106)).unwrap();
    assert_eq!(duel.owners.owners(), ["lb1"]);
}
