//! Guides with a proxy alone: on every node, before all of them, or as a service with an address.

use std::process::Command;

use lab::{Lab, wait_until};
use netns_tests::LIMIT;

use super::site::{Servers, curl, haproxy, import, nginx, texts, vipd, who_answers};

/// A proxy on every node, at a loopback address of its own, before two control planes.
const NODE_LOCAL: &str = "\
global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    daemon
defaults
    mode tcp
    option tcplog
    timeout connect 5000
    timeout client 50000
    timeout server 50000
frontend api
    bind 127.43.43.43:6443
    default_backend masters
backend masters
    balance roundrobin
    server one 10.254.0.4:6443 check check-ssl verify none
    server two 192.168.2.8:6443 check check-ssl verify none
";

#[test]
fn a_proxy_on_every_node() {
    for text in texts(NODE_LOCAL, &["127.43.43.43:6443", "default_backend"]) {
        let lab = Lab::new().unwrap();
        let node = lab.host("node", 40).unwrap();
        node.add_address("10.254.0.40".parse().unwrap(), 8, None).unwrap();
        node.add_address("192.168.2.40".parse().unwrap(), 16, None).unwrap();
        let mut servers = Servers::new(&lab, &["10.254.0.4", "192.168.2.8"], 8, &[6443]);
        // The second network is another.
        let urls = ["https://127.43.43.43:6443/"];
        let theirs = haproxy(&lab, &node, &text);
        let expected = servers.play(&node, &urls);
        drop(theirs);
        let config = import(&lab, &node, &[("haproxy", &text)]);
        let _ours = vipd(&lab, &node, &config);
        assert_eq!(servers.play(&node, &urls), expected);
    }
}

/// k0s' three ports, and a page of statistics.
const K0S: &str = "\
global
    log 127.0.0.1 local2
    maxconn 4000
    daemon
    ssl-default-server-ciphers PROFILE=SYSTEM
defaults
    mode http
    log global
    timeout connect 10s
    timeout client 86400s
    timeout server 86400s
    timeout tunnel 86400s
frontend api
    bind :6443
    mode tcp
    default_backend api_servers
frontend konnectivity
    bind :8132
    mode tcp
    default_backend konnectivity_servers
frontend join
    bind :9443
    mode tcp
    default_backend join_servers
backend api_servers
    mode tcp
    balance leastconn
    server c1 10.10.0.2:6443 check check-ssl verify none
    server c2 10.10.1.2:6443 check check-ssl verify none
    server c3 10.10.2.2:6443 check check-ssl verify none
backend konnectivity_servers
    mode tcp
    balance leastconn
    server c1 10.10.0.2:8132 check check-ssl verify none
    server c2 10.10.1.2:8132 check check-ssl verify none
    server c3 10.10.2.2:8132 check check-ssl verify none
backend join_servers
    mode tcp
    balance leastconn
    server c1 10.10.0.2:9443 check check-ssl verify none
    server c2 10.10.1.2:9443 check check-ssl verify none
    server c3 10.10.2.2:9443 check check-ssl verify none
listen stats
    bind *:9000
    mode http
    stats enable
    stats uri /
";

#[test]
fn three_ports_before_k0s() {
    for text in texts(K0S, &["konnectivity", "default_backend"]) {
        let lab = Lab::new().unwrap();
        let (balancer, client) = (lab.host("lb", 40).unwrap(), lab.host("client", 50).unwrap());
        balancer.add_address("10.10.9.9".parse().unwrap(), 8, None).unwrap();
        client.add_address("10.10.9.10".parse().unwrap(), 8, None).unwrap();
        let controllers = ["10.10.0.2", "10.10.1.2", "10.10.2.2"];
        let mut servers = Servers::new(&lab, &controllers, 8, &[6443, 8132, 9443]);
        let urls = [6443, 8132, 9443].map(|port| format!("https://10.10.9.9:{port}/"));
        let urls = urls.each_ref().map(String::as_str);
        let theirs = haproxy(&lab, &balancer, &text);
        let expected = servers.play(&client, &urls);
        drop(theirs);
        let config = import(&lab, &balancer, &[("haproxy", &text)]);
        let ours = vipd(&lab, &balancer, &config);
        assert_eq!(servers.play(&client, &urls), expected);
        // The page of statistics has become this.
        let told = || {
            let metrics = curl(&client, "http://10.10.9.9:9000/metrics").unwrap_or_default();
            metrics.contains("vipd_server_")
        };
        assert!(wait_until("metrics were told", LIMIT, told).is_ok(), "{}", ours.log());
    }
}

/// kubespray's proxy on every node that is no control plane.
const KUBESPRAY: &str = "\
stream {
  upstream api {
    least_conn;
    server 192.168.56.30:6443;
    server 192.168.56.31:6443;
    server 192.168.56.32:6443;
  }
  server {
    listen 127.0.0.1:6443;
    proxy_pass api;
    proxy_timeout 10m;
    proxy_connect_timeout 1s;
  }
}
";

#[test]
fn kubesprays_proxy_and_an_address_for_those_outside() {
    for text in texts(KUBESPRAY, &["stream", "proxy_pass"]) {
        let lab = Lab::new().unwrap();
        let (node, client) = (lab.host("node", 40).unwrap(), lab.host("client", 50).unwrap());
        node.add_address("192.168.56.40".parse().unwrap(), 16, None).unwrap();
        client.add_address("192.168.56.50".parse().unwrap(), 16, None).unwrap();
        let masters = ["192.168.56.30", "192.168.56.31", "192.168.56.32"];
        let mut servers = Servers::new(&lab, &masters, 16, &[6443]);
        let urls = ["https://127.0.0.1:6443/"];
        let theirs = nginx(&lab, &node, &text);
        let expected = servers.play(&node, &urls);
        drop(theirs);
        let config = import(&lab, &node, &[("nginx", &text)]);
        let ours = vipd(&lab, &node, &config);
        assert_eq!(servers.play(&node, &urls), expected);
        drop(ours);
        // What MetalLB did: an address of its own, at HTTPS' port. There is no file to import for it.
        let toml = service("192.168.56.42", 443, &masters);
        let _service = vipd(&lab, &node, &lab.write("service.toml", &toml).unwrap());
        servers.play(&client, &["https://192.168.56.42/"]);
    }
}

/// A service of type `LoadBalancer`: an address, and the control planes as its endpoints.
fn service(address: &str, port: u16, servers: &[&str]) -> String {
    let servers: Vec<String> = servers.iter().map(|ip| format!("\"{ip}:6443\"")).collect();
    format!(
        "[[vrrp]]\nname = \"service\"\ninterface = \"eth0\"\nvrid = 42\npriority = 150\n\
         addresses = [\"{address}/32\"]\nadvert_interval = \"100ms\"\ntrack = [\"api\"]\n\
         [[proxy]]\nname = \"api\"\nlisten = [\"{address}:{port}\"]\nservers = [{}]\n\
         check = {{ tls = true, verify = false, interval = \"200ms\" }}\n",
        servers.join(", ")
    )
}

/// A cluster's first control plane gets an address before it, then a second control plane joins. The
/// guide does it by a service of Kubernetes: there is no file to import.
#[test]
fn an_address_before_the_second_control_plane_joins() {
    let lab = Lab::new().unwrap();
    let (node, client) = (lab.host("lb", 40).unwrap(), lab.host("client", 50).unwrap());
    for (host, address) in [(&node, "10.97.0.40"), (&client, "10.97.0.50")] {
        host.add_address(address.parse().unwrap(), 8, None).unwrap();
    }
    let url = "https://10.97.38.197:6443/";
    let mut servers = Servers::new(&lab, &["10.97.0.1", "10.97.0.2"], 8, &[6443]);
    let config = lab.write("lb.toml", &service("10.97.38.197", 6443, &["10.97.0.1"])).unwrap();
    let vipd = vipd(&lab, &node, &config);
    who_answers(&client, url, &["cp1"]);
    lab.write("lb.toml", &service("10.97.38.197", 6443, &["10.97.0.1", "10.97.0.2"])).unwrap();
    vipd.signal(nix::sys::signal::Signal::SIGHUP).unwrap();
    servers.play(&client, &[url]);
    // Without any control plane the client is told at once.
    servers.stop(0);
    servers.stop(1);
    let told = wait_until("the client was refused", LIMIT, || {
        let mut command = Command::new(netns_tests::peer("curl"));
        command.args(["--silent", "--insecure", "--connect-timeout", "3", url]);
        let code = client.output(&mut command, LIMIT).unwrap().status.code();
        // 7: refused; 35 and 56: reset. 28 would be a timeout.
        assert_ne!(code, Some(28));
        matches!(code, Some(7 | 35 | 56))
    });
    assert!(told.is_ok());
}
