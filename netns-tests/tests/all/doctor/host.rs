//! What the host does beside vipd: its firewall, its settings, other programs, ports and files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use lab::{Host, Lab, Running};
use netns_tests::{LIMIT, copy_program, peer};

use super::{apply, doctor, doctor_as, router};

const VIP: &str = "10.77.0.200/24";

fn proxy(listen: &str, lines: &str) -> String {
    format!(
        "[[proxy]]\nname = \"apiserver\"\nlisten = [\"{listen}\"]\n{lines}\
         [[proxy.server]]\nname = \"web1\"\naddress = \"10.77.0.11:9\"\n"
    )
}

/// In the kernel's old tables, of which nft knows nothing.
#[test]
fn a_firewall_of_the_old_tables_is_read_and_opened() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router(VIP, "");
    doctor(&lb1, &lab, &config).assert("firewall", "", "ok", "protocol 112 passes");
    for rule in ["-A INPUT -i lo -j ACCEPT", "-P INPUT DROP"] {
        apply(&lb1, &format!("iptables-legacy {rule}"));
    }
    let told = doctor(&lb1, &lab, &config);
    let words = "adverts are not heard: the policy of chain INPUT in iptables-legacy filter";
    told.assert("firewall", "api (IPv4)", "failure", words);
    let remedy = told.remedy("firewall", "api (IPv4)")[0].clone();
    assert_eq!(remedy, "sudo iptables-legacy -I INPUT -p 112 -j ACCEPT");
    apply(&lb1, &remedy);
    doctor(&lb1, &lab, &config).assert("firewall", "", "ok", "protocol 112 passes");
}

/// As firewalld, ufw and people write them.
#[test]
fn a_firewall_that_drops_vrrp_is_told_and_opened() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let input = "type filter hook input priority 0; policy drop; ct state established,related accept; \
                 iifname \"lo\" accept; tcp dport { 22, 6443 } accept";
    let output = "type filter hook output priority 0; meta l4proto 112 counter reject";
    let config = router(VIP, "");
    for (table, chain, rules, words) in [
        (
            "inet filter",
            "input",
            input,
            "adverts are not heard: the policy of chain input in inet filter",
        ),
        (
            "ip filter",
            "OUTPUT",
            output,
            "adverts are not sent: rule 1 of chain OUTPUT in ip filter",
        ),
    ] {
        lb1.namespace().nft(&format!("table {table} {{ chain {chain} {{ {rules}; }}; }}")).unwrap();
        let told = doctor(&lb1, &lab, &config);
        assert_eq!(told.code, Some(1));
        told.assert("firewall", "api (IPv4)", "failure", words);
        let remedy = told.remedy("firewall", "api (IPv4)")[0].clone();
        if chain == "input" {
            apply(&lb1, &remedy);
        } else {
            // In the words of iptables, which this machine need not have.
            assert_eq!(remedy, "sudo iptables -I OUTPUT -p 112 -j ACCEPT");
            apply(&lb1, "nft insert rule ip filter OUTPUT ip protocol 112 accept");
        }
        doctor(&lb1, &lab, &config).assert("firewall", "", "ok", "protocol 112 passes");
    }
    apply(
        &lb1,
        "nft flush ruleset; nft 'table inet f { chain i { type filter hook input priority 0; numgen random mod 2 0 drop; }; }'",
    );
    let told = doctor(&lb1, &lab, &config);
    told.assert("firewall", "api (IPv4)", "warning", "adverts may not be heard: rule 1 of chain i");
}

#[test]
fn strict_reverse_path_filtering_is_told_where_it_hurts() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    apply(&lb1, "sysctl -q -w net.ipv4.conf.eth0.rp_filter=1");
    doctor(&lb1, &lab, &router(VIP, "")).assert("rp_filter", "eth0", "ok", "1 (strict)");
    let elsewhere = router("192.0.2.200/32", "");
    let told = doctor(&lb1, &lab, &elsewhere);
    told.assert("rp_filter", "eth0", "warning", "1 (strict)");
    apply(&lb1, &told.remedy("rp_filter", "eth0")[0]);
    doctor(&lb1, &lab, &elsewhere).assert("rp_filter", "eth0", "ok", "2 (loose)");
}

#[test]
fn duplicate_address_detection_that_disables_ipv6_is_told() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router("fe80::200", "");
    apply(&lb1, "sysctl -q -w net.ipv6.conf.eth0.accept_dad=2");
    let told = doctor(&lb1, &lab, &config);
    told.assert("ipv6 dad", "eth0", "warning", "accept_dad is 2");
    for command in told.remedy("ipv6 dad", "eth0") {
        apply(&lb1, &command);
    }
    doctor(&lb1, &lab, &config).assert("ipv6 dad", "eth0", "ok", "accept_dad is 1");
}

#[test]
fn what_haproxy_needed_is_said_not_to_be_needed() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    for value in ["0", "1"] {
        apply(&lb1, &format!("sysctl -q -w net.ipv4.ip_nonlocal_bind={value}"));
        let told = doctor(&lb1, &lab, &proxy("10.77.0.200:6443", ""));
        told.assert("ip_nonlocal_bind", "", "ok", "not needed");
    }
}

/// A program that is called so, and does nothing.
fn impostor(lab: &Lab, host: &Host, name: &str) -> Running {
    let path = lab.directory().join(name);
    copy_program(&peer("sleep"), &path);
    let running = host.start(name, Command::new(path).arg("60")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    running
}

/// Both managers at once, in a mount namespace of the doctor's own, where /run tells what it shall.
#[test]
fn managers_of_the_interface_are_told_until_they_leave_it_alone() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router(VIP, "");
    let network = lab.write("10-eth0.network", "[Match]\nName=eth0\n").unwrap();
    let index = lb1.interface_index();
    let links = |state: &str| {
        let run = "mount -t tmpfs none /run && mkdir -p /run/systemd/netif/links /run/NetworkManager/devices";
        let [networkd, manager] = if state == "unmanaged" {
            ["ADMIN_STATE=unmanaged".to_owned(), "managed=false".to_owned()]
        } else {
            [format!("NETWORK_FILE={}", network.display()), "managed=true".to_owned()]
        };
        format!(
            "{run} && echo {networkd} > /run/systemd/netif/links/{index} && \
             echo {manager} > /run/NetworkManager/devices/{index} && exec \"$@\""
        )
    };
    let told = |state: &str| {
        let script = links(state);
        doctor_as(&["unshare", "--mount", "sh", "-c", &script, "sh"], &lb1, &lab, &config, &[])
    };
    let manager = impostor(&lab, &lb1, "NetworkManager");
    let _networkd = impostor(&lab, &lb1, "systemd-networkd");
    let all = told("managed");
    let found = all.all("manager", "eth0");
    let words: Vec<&str> = found.iter().map(|(_, seen)| *seen).collect();
    assert!(words.contains(&"NetworkManager runs, and manages it"), "{words:?}");
    assert!(words.contains(&"systemd-networkd runs, and manages it"), "{words:?}");
    assert!(found.iter().all(|(verdict, _)| *verdict == "warning"));
    drop(manager);
    fs::write(&network, "[Match]\nName=eth0\n[Network]\nKeepConfiguration=yes\n").unwrap();
    let all = told("managed");
    let words: Vec<&str> = all.all("manager", "eth0").iter().map(|(_, seen)| *seen).collect();
    assert!(words.contains(&"systemd-networkd keeps what others configure"), "{words:?}");
    let all = told("unmanaged");
    let words: Vec<&str> = all.all("manager", "eth0").iter().map(|(_, seen)| *seen).collect();
    assert!(!words.iter().any(|words| words.contains("networkd")), "{words:?}");
}

/// Listens, and does nothing else; its process is called as it is named.
fn listener(lab: &Lab, host: &Host, name: &str, address: &str, reuse: bool) -> Running {
    let python = fs::canonicalize(peer("python3")).unwrap();
    let path = lab.directory().join(name);
    copy_program(&python, &path);
    let script = format!(
        "import socket,time\nfamily = socket.AF_INET6 if ':' in '{address}' else socket.AF_INET\n\
         s = socket.socket(family)\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, {})\n\
         s.bind(('{address}', 6443))\ns.listen()\nprint('listens', flush=True)\ntime.sleep(60)",
        i32::from(reuse)
    );
    let running = host.start(name, Command::new(path).args(["-c", &script])).unwrap();
    running.wait_for_log("listens", LIMIT).unwrap();
    running
}

#[test]
fn a_port_that_another_program_has_is_told_with_the_ways_out() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let (config, port) = (proxy("10.77.0.200:6443", ""), "10.77.0.200:6443");
    doctor(&lb1, &lab, &config).assert("port", port, "ok", "it is free");
    let apiserver = listener(&lab, &lb1, "kube-apiserver", "::", false);
    let told = doctor(&lb1, &lab, &config);
    assert_eq!(told.code, Some(1));
    told.assert("port", port, "failure", "kube-apiserver (process ");
    let remedy = told.remedy("port", port).join("\n");
    for way in ["--bind-address=", "10.77.0.200:8443", "redirect to :8443", "--permit-port-sharing"]
    {
        assert!(remedy.contains(way), "{way} in {remedy}");
    }
    // The second way, and the first.
    let other = proxy("10.77.0.200:8443", "");
    doctor(&lb1, &lab, &other).assert("port", "10.77.0.200:8443", "ok", "it is free");
    drop(apiserver);
    let apiserver = listener(&lab, &lb1, "kube-apiserver", "10.77.0.11", false);
    doctor(&lb1, &lab, &config).assert("port", port, "ok", "it is free");
    drop(apiserver);
    // The fourth.
    let apiserver = listener(&lab, &lb1, "kube-apiserver", "::", true);
    doctor(&lb1, &lab, &config).assert("port", port, "ok", "shares it");
    drop(apiserver);
    let _haproxy = listener(&lab, &lb1, "haproxy", "0.0.0.0", true);
    doctor(&lb1, &lab, &config).assert("port", port, "failure", "as well, with SO_REUSEPORT");
}

#[test]
fn a_port_that_the_kernel_may_give_away_is_told_and_reserved() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = proxy("10.77.0.200:6443", "");
    doctor(&lb1, &lab, &config).assert("outgoing ports", "", "ok", "they are 32768 to 60999");
    apply(&lb1, "sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'");
    apply(&lb1, "sysctl -w net.ipv4.ip_local_reserved_ports=8080,9000-9010");
    let told = doctor(&lb1, &lab, &config);
    told.assert("outgoing ports", "", "warning", "so may be 6443, which is listened on");
    apply(&lb1, &told.remedy("outgoing ports", "")[0]);
    doctor(&lb1, &lab, &config).assert("outgoing ports", "", "ok", "none of them");
}

#[test]
fn a_limit_on_open_files_is_compared_with_the_connections() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = proxy("10.77.0.200:6443", "");
    let limited = |config: &str| doctor_as(&["prlimit", "--nofile=4096"], &lb1, &lab, config, &[]);
    let told = limited(&config);
    told.assert("open files", "", "warning", "a limit of 4096 open files");
    let many = format!("{config}max_connections = 5000\n");
    limited(&many).assert("open files", "", "failure", "the file allows 6024");
    let few = format!("{config}max_connections = 100\n");
    limited(&few).assert("open files", "", "ok", "a limit of 4096 open files");
}

#[test]
fn a_node_that_may_not_be_in_time_is_told() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    let config = router(VIP, "");
    doctor(&lb1, &lab, &config).assert("real-time", "", "ok", "go before ordinary work");
    let before = ["prlimit", "--rtprio=0", "setpriv", "--bounding-set=-sys_nice"];
    let told = doctor_as(&before, &lb1, &lab, &config, &[]);
    told.assert("real-time", "", "warning", "wait behind other work");
}

#[test]
fn files_that_others_may_read_or_change_are_told_and_mended() {
    let lab = Lab::new().unwrap();
    let lb1 = lab.host("lb1", 11).unwrap();
    fs::set_permissions(lab.directory(), Permissions::from_mode(0o755)).unwrap();
    let token = lab.write("token", "secret").unwrap();
    let check = format!("check = {{ http = \"/\", token_file = \"{}\" }}\n", token.display());
    let config = proxy("10.77.0.200:6443", &check);
    let path = token.display().to_string();
    fs::set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    let told = doctor(&lb1, &lab, &config);
    told.assert("file", &path, "failure", "everyone may read it");
    apply(&lb1, &told.remedy("file", &path)[0]);
    doctor(&lb1, &lab, &config).assert("file", "", "ok", "are right");
    // Root reads it, and nobody else has to.
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    doctor(&lb1, &lab, &config).assert("file", "", "ok", "are right");
    let own = lab.directory().join("lb1.toml");
    fs::set_permissions(&own, Permissions::from_mode(0o666)).unwrap();
    let told = doctor(&lb1, &lab, &config);
    told.assert("file", &own.display().to_string(), "failure", "is writable by everyone");
    apply(&lb1, &told.remedy("file", &own.display().to_string())[0]);
    doctor(&lb1, &lab, &config).assert("file", "", "ok", "are right");
    // What is included says what root does as well.
    let included = lab.write("routers.inc", &router(VIP, "")).unwrap();
    fs::set_permissions(&included, Permissions::from_mode(0o666)).unwrap();
    let config = format!("include = [\"routers.inc\"]\n{config}");
    let told = doctor(&lb1, &lab, &config);
    let subject = included.display().to_string();
    told.assert("file", &subject, "failure", "is writable by everyone");
    apply(&lb1, &told.remedy("file", &subject)[0]);
    doctor(&lb1, &lab, &config).assert("file", "", "ok", "are right");
}

/// Of the daemons that run, it is their own rights that count, and their own ports that are theirs.
#[test]
fn a_node_that_runs_is_told_by_what_runs() {
    let duel = netns_tests::Duel::new("10.77.0.200");
    let config =
        format!("{}\n{}", router(VIP, ""), proxy("10.77.0.200:6443", "check = { tcp = true }\n"));
    let vipd = duel.vipd(0, &config);
    vipd.wait_for_log("ready to take part", LIMIT).unwrap();
    let told = doctor(&duel.hosts[0], &duel.lab, &config);
    told.assert("capabilities", "vrrpd", "ok", "it has CAP_NET_ADMIN");
    told.assert("port", "10.77.0.200:6443", "ok", "vipd listens on it");
    told.assert("real-time", "", "ok", "vrrpd's adverts");
    told.assert("open files", "", "ok", "open files");
    assert_eq!(told.all("file", "lbproxy"), []);
}
