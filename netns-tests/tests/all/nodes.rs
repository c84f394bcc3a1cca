//! Whole nodes with a proxy: what an operator does to them, and what they tell.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use lab::wait_until;
use netns_tests::users::{open_to_everyone, proc_status, programs, user_of};
use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT, binary};
use nix::sys::signal::Signal;
use vipd::status;
use vocabulary::Usability;
use vrrp::election::StateName;

const VIP: &str = "10.77.0.200";

#[test]
fn reload_by_difference_or_not_at_all() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let first = duel.vipd(0, &web.node(150, ""));
    duel.wait_for(&[0]);
    let _second = duel.vipd(1, &web.node(100, ""));
    web.wait_for(&duel.client, "10.77.0.200:6443", "6443");
    let before = (status::vrrpd(&duel.runtime_dir(0)), status::lbproxy(&duel.runtime_dir(0)));
    let (vrrpd, lbproxy) = (before.0.unwrap().pid, before.1.unwrap().pid);

    // One mistake for each program.
    duel.reload(0, &first, &web.node(150, "").replace("vrid = 51", "vrid = 510"));
    first.wait_for_log("vrid", LIMIT).unwrap();
    duel.reload(0, &first, &web.node(150, "balance = \"rond_robin\"\n"));
    first.wait_for_log("rond_robin", LIMIT).unwrap();
    sleep(Duration::from_millis(500));
    assert_eq!(duel.owners.owners(), ["lb1"]);
    assert_eq!(web.ask(&duel.client, "10.77.0.200:6443").as_deref(), Some("6443"));

    // Of another port, the client gets an answer there; the first one is closed.
    duel.reload(0, &first, &web.node(150, "").replace(":6443\"]\nservers", ":7443\"]\nservers"));
    web.wait_for(&duel.client, "10.77.0.200:7443", "6443");
    assert_eq!(web.ask(&duel.client, "10.77.0.200:6443"), None);
    assert_eq!(duel.owners.owners(), ["lb1"]);

    // Of a lower priority, the peer takes over.
    duel.reload(0, &first, &web.node(50, ""));
    duel.wait_for(&[1]);
    web.wait_for(&duel.client, "10.77.0.200:6443", "6443");

    let after = (status::vrrpd(&duel.runtime_dir(0)), status::lbproxy(&duel.runtime_dir(0)));
    assert_eq!((after.0.unwrap().pid, after.1.unwrap().pid), (vrrpd, lbproxy));
}

/// A slower pace than the one a program was started with must not be taken for a hang.
#[test]
fn reload_the_pace_of_adverts() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let at = |interval| web.node(150, "").replace("100ms", interval);
    let vipd = duel.vipd(0, &at("10ms"));
    duel.wait_for(&[0]);
    for interval in ["1s", "50ms", "2s"] {
        duel.reload(0, &vipd, &at(interval));
        sleep(Duration::from_millis(1200));
        assert_eq!(duel.owners.owners(), ["lb1"], "at {interval}: {}", vipd.log());
    }
    // A busy machine may well keep the proxy from its heartbeat.
    for word in ["hung and was killed", "a peer may have taken over"] {
        assert!(!vipd.log().contains(word), "{word}: {}", vipd.log());
    }
}

/// A successor that cannot go on, for its interface is gone by then, must not leave its predecessor's
/// address behind: no lease ends it.
#[test]
fn a_successor_without_an_interface_lets_go() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let config = web.node(150, "").replace("track =", "lease = \"off\"\ntrack =");
    let vipd = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    let hangs = Command::new("pkill")
        .args(["-STOP", "-x", "vrrpd", "-P", &vipd.pid().to_string()])
        .status();
    assert!(hangs.unwrap().success());
    assert_eq!(duel.ip(0, "link set eth0 down"), "");
    vipd.wait_for_log("hung and was killed", LIMIT).unwrap();
    let gone = || duel.owners.owners().is_empty();
    wait_until("the address was gone", LIMIT, gone).unwrap();
    assert_eq!(duel.ip(0, "link set eth0 up"), "");
    duel.wait_for(&[0]);
}

#[test]
fn tell_how_they_are() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let _vipd = duel.vipd(0, &web.node(150, ""));
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, "10.77.0.200:6443", "6443");

    let vrrpd = status::vrrpd(&duel.runtime_dir(0)).unwrap();
    let [router] = &vrrpd.routers[..] else { panic!("{vrrpd:?}") };
    assert_eq!(router.state, StateName::Active);
    assert_eq!(router.trackers[0].state, Usability::Usable);
    let lbproxy = status::lbproxy(&duel.runtime_dir(0)).unwrap();
    assert_eq!(lbproxy.proxies[0].state, Usability::Usable);
    assert!(lbproxy.proxies[0].accepted >= 1, "{lbproxy:?}");

    let tell = |arguments: &[&str]| {
        let mut command = Command::new(binary("vipd"));
        command.arg("status").args(arguments).arg("--runtime-dir").arg(duel.runtime_dir(0));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&tell(&["--json"])).unwrap();
    assert_eq!(json["vrrpd"]["routers"][0]["state"], "active", "{json}");
    assert_eq!(json["lbproxy"]["proxies"][0]["servers"][0]["state"], "up", "{json}");
    let text = tell(&[]);
    for word in ["api", "Active", VIP, "150", "apiserver", "6443", "up"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn give_up_what_they_do_not_need() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    // What a hook runs as, it tells itself.
    let told = duel.lab.directory().join("told");
    let text = format!("#!/bin/sh\ncat /proc/self/status /proc/self/environ > {}", told.display());
    let hook = duel.lab.write("hook", &text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&told, "").unwrap();
    fs::set_permissions(&told, fs::Permissions::from_mode(0o666)).unwrap();
    open_to_everyone(duel.lab.directory());
    let hooks = format!("notify_active = [\"{}\"]\n[[proxy]]", hook.display());
    let mut command = duel.command(0, &web.node(150, "").replacen("[[proxy]]", &hooks, 1));
    command.env("PASSWORD", "secret").env("NOTIFY_SOCKET", "/nowhere");
    let vipd = duel.hosts[0].start("vipd", &mut command).unwrap();
    duel.wait_for(&[0]);
    wait_until("the hook ran", LIMIT, || fs::read_to_string(&told).unwrap().contains("VIPD_STATE"))
        .unwrap();
    let mut users = vec![user_of(vipd.pid())];
    for (program, capabilities, bounding, no_new_privileges) in [
        // CAP_NET_ADMIN is 12, CAP_NET_RAW 13; CAP_IPC_LOCK 14 and CAP_SYS_NICE 23 keep it on time.
        ("vrrpd", "0000000000807000", true, "1"),
        // CAP_NET_BIND_SERVICE, 10: a reload may bring a low port.
        ("lbproxy", "0000000000000400", true, "1"),
        ("console", "0000000000000400", true, "1"),
        // CAP_CHOWN 0, CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7. What it starts for root has root's rights.
        ("runner", "00000000000000e1", false, "0"),
    ] {
        let pid = programs(vipd.pid(), program)[0];
        assert_eq!(proc_status(pid, "CapEff"), capabilities, "{program}");
        assert_eq!(proc_status(pid, "CapPrm"), capabilities, "{program}");
        assert_eq!(proc_status(pid, "CapBnd") == capabilities, bounding, "{program}");
        assert_eq!(proc_status(pid, "NoNewPrivs"), no_new_privileges, "{program}");
        assert_eq!(proc_status(pid, "Groups"), "", "{program}");
        users.push(user_of(pid));
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let names = environment.split('\0').filter_map(|line| line.split('=').next());
        let own = ["", "VIPD_LOG", "JOURNAL_STREAM", "RUST_BACKTRACE"];
        assert!(names.clone().all(|name| own.contains(&name)), "{program}: {environment}");
    }
    let told = fs::read_to_string(&told).unwrap();
    let field = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert!(!told.contains("PASSWORD") && told.contains("USER=vipd-hooks"), "{told}");
    users.push(field("Uid:").split('\t').next().unwrap().parse().unwrap());
    assert_eq!(users[0], 0);
    assert!(users[1..].iter().all(|user| (61_184..=65_519).contains(user)), "{users:?}");
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), 6, "each has its own: {users:?}");
}

#[test]
fn end_at_once_on_a_second_signal() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let config = web.node(150, "").replace("100ms", "10s");
    let mut vipd = duel.vipd(0, &config);
    // Nobody relieves it: to end in order takes it a second at least.
    wait_until("it was Active", Duration::from_secs(60), || duel.owners.owners() == ["lb1"])
        .unwrap();
    vipd.signal(Signal::SIGTERM).unwrap();
    sleep(Duration::from_millis(100));
    vipd.signal(Signal::SIGTERM).unwrap();
    wait_until("the address was gone", LIMIT, || duel.owners.owners().is_empty()).unwrap();
    let ended = vipd.stop(Duration::from_millis(500)).unwrap();
    assert_eq!((ended.status.code(), ended.forced), (Some(3), false), "{}", vipd.log());
}

/// The three frontends of k0s, all at the one address.
#[test]
fn serve_k0s() {
    let mut duel = Duel::new(VIP);
    let ports = [6443, 8132, 9443];
    let web = Web::new(&duel, &ports);
    let proxy = |port: &u16| {
        format!(
            "[[proxy]]\nname = \"p{port}\"\nlisten = [\"{VIP}:{port}\"]\nbalance = \"least_conn\"\n\
             servers = [\"{}:{port}\"]\ncheck = {{ tls = true, verify = false, interval = \"200ms\" }}\n",
            web.host.ipv4()
        )
    };
    let proxies: String = ports.iter().map(proxy).collect();
    let config = format!(
        "[[vrrp]]\nname = \"k0s\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
         addresses = [\"{VIP}\"]\nadvert_interval = \"100ms\"\ntrack = [\"p6443\", \"p8132\", \"p9443\"]\n{proxies}"
    );
    let _vipd = duel.vipd(0, &config);
    duel.wait_for(&[0]);
    for port in ports {
        web.wait_for(&duel.client, &format!("{VIP}:{port}"), &port.to_string());
    }
}

/// A load balancer on a node's own loopback address: no virtual router, and no `vrrpd`.
#[test]
fn serve_their_own_loopback_address() {
    let duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let config = format!(
        "[[proxy]]\nname = \"api\"\nlisten = [\"127.43.43.43:6443\"]\nservers = [\"{}:6443\"]\n\
         check = {{ tls = true, verify = false, interval = \"200ms\" }}\n",
        web.host.ipv4()
    );
    let _vipd = duel.vipd(0, &config);
    web.wait_for(&duel.hosts[0], "127.43.43.43:6443", "6443");
    assert_eq!(web.ask(&duel.hosts[1], "127.43.43.43:6443"), None);
    assert!(status::vrrpd(&duel.runtime_dir(0)).is_err());
}

/// Somebody cleans up: nothing that runs needs the directory, and nobody else can start in it.
#[test]
fn a_runtime_directory_that_is_deleted_is_made_again() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let vipd = duel.vipd(0, &web.node(150, ""));
    duel.wait_for(&[0]);
    let directory = duel.runtime_dir(0);
    let answers = || status::vrrpd(&directory).ok();
    wait_until("the node told its status", LIMIT, || answers().is_some()).unwrap();
    let mut pid = answers().unwrap().pid;
    for _ in 0..2 {
        fs::remove_dir_all(&directory).unwrap();
        wait_until("it told it again", LIMIT, || answers().is_some()).unwrap();
        assert_eq!(answers().unwrap().pid, pid, "vrrpd was started anew: {}", vipd.log());
        let mut second = Command::new(binary("vipd"));
        second.arg("run").arg("--config").arg(duel.lab.directory().join("lb1.toml"));
        let second = duel.hosts[0].output(second.arg("--runtime-dir").arg(&directory), LIMIT);
        let second = second.unwrap();
        let said = String::from_utf8_lossy(&second.stderr);
        assert!(said.contains("another vipd runs here"), "{said}");
        // Whoever dies without the directory has a successor that lives.
        fs::remove_dir_all(&directory).unwrap();
        let killed = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(killed, Signal::SIGKILL).unwrap();
        let another = || answers().is_some_and(|status| status.pid != pid);
        wait_until("a successor told its status", LIMIT, another).unwrap();
        pid = answers().unwrap().pid;
        assert_eq!(duel.owners.owners(), ["lb1"]);
    }
}
