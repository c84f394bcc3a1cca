//! An HTTPS server behind a duel's proxies.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use lab::{Certificates, Endpoint, Host, Running, wait_until};

use crate::{Duel, LIMIT, binary};

/// The server, on a host of its own.
pub struct Web {
    /// The host.
    pub host: Host,
    /// What it shows, and who signed it.
    pub certificates: Certificates,
    vip: IpAddr,
    _servers: Vec<Running>,
}

impl Web {
    /// Serves HTTPS at these ports; the answer to everything is the port's number.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn new(duel: &Duel, ports: &[u16]) -> Self {
        let host = duel.lab.host("web1", 21).expect("a host");
        let names = [duel.vip, IpAddr::V4(host.ipv4()), IpAddr::from([127, 43, 43, 43])];
        let certificates = Certificates::write(duel.lab.directory(), &names).expect("certificates");
        let serve = |port: &u16| {
            let mut command = Command::new(binary("vipd"));
            command.arg("lab-backend").arg(SocketAddr::from((host.ipv4(), *port)).to_string());
            command.args([&certificates.certificate, &certificates.key]).arg(port.to_string());
            host.start(&format!("web{port}"), &mut command).expect("a server")
        };
        let servers = ports.iter().map(serve).collect();
        Self { host, certificates, vip: duel.vip, _servers: servers }
    }

    /// A node's file: a router for the duel's address, that follows a proxy at its port 6443, which serves
    /// the first port here; and further `lines` in the proxy's table or after it.
    #[must_use]
    pub fn node(&self, priority: u8, lines: &str) -> String {
        format!(
            r#"[[vrrp]]
name = "api"
interface = "eth0"
vrid = 51
priority = {priority}
addresses = ["{vip}"]
advert_interval = "100ms"
track = ["apiserver"]

[[proxy]]
name = "apiserver"
listen = ["{vip}:6443"]
servers = ["{server}:6443"]
check = {{ https = "/readyz", ca = "{ca}", interval = "200ms" }}
{lines}"#,
            vip = self.vip,
            server = self.host.ipv4(),
            ca = self.certificates.ca.display()
        )
    }

    /// Where clients that trust the server go to.
    ///
    /// # Panics
    /// It is no address.
    #[must_use]
    pub fn endpoint(&self, address: &str) -> Endpoint {
        let address = address.parse().expect("an address");
        Endpoint::new(address, &self.certificates.ca).expect("an endpoint")
    }

    /// What a client on `from` is answered at `address`.
    ///
    /// # Panics
    /// The host is gone.
    #[must_use]
    pub fn ask(&self, from: &Host, address: &str) -> Option<String> {
        self.endpoint(address).get(from, Duration::from_secs(1)).expect("a host").ok()
    }

    /// Waits for that answer.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for(&self, from: &Host, address: &str, answer: &str) {
        let what = format!("{address} answered {answer}");
        let answered = || self.ask(from, address).as_deref() == Some(answer);
        wait_until(&what, LIMIT, answered).expect("the answer");
    }
}
