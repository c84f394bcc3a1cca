//! The lab's own tests. They make network namespaces: where that is not permitted they fail and say so.

mod network;
mod probes;
mod programs;

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::backend;
use crate::certificates::Certificates;
use crate::host::Host;
use crate::node::Running;
use crate::probe::https::Endpoint;
use crate::topology::Lab;
use crate::wait::wait_until;

/// Longer than anything here takes, on however busy a machine.
const SOON: Duration = Duration::from_secs(10);

/// Where the tests' services listen.
const PORT: u16 = 6443;

/// A lab, or the reason why this machine gives none.
fn lab() -> Lab {
    Lab::new().unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// A lab with the hosts `lb1` (11), `lb2` (12) and `client` (100).
fn small_lab() -> (Lab, Host, Host, Host) {
    let lab = lab();
    let host =
        |name, number| lab.host(name, number).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let (lb1, lb2, client) = (host("lb1", 11), host("lb2", 12), host("client", 100));
    (lab, lb1, lb2, client)
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// This test program once more, as another program: only the test of this name runs in it.
fn again(test: &str, argument: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, argument);
    command
}

/// Tells a test that it is to be a program of the lab.
const ROLE: &str = "LAB_TEST_ROLE";

/// Not a test: the backend's process. Without its role it has nothing to do.
#[test]
fn backend_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let [listen, certificate, key, name] = role.split(' ').collect::<Vec<_>>()[..] else {
        panic!("a role of another kind: {role}");
    };
    let listen: SocketAddr = listen.parse().unwrap();
    let never = backend::serve(listen, Path::new(certificate), Path::new(key), name);
    panic!("{}", chain(&never.unwrap_err()));
}

/// A backend process on `host`, serving.
fn backend(host: &Host, certificates: &Certificates) -> (Running, Endpoint) {
    let address = SocketAddr::new(IpAddr::V4(host.ipv4()), PORT);
    let (certificate, key) = (certificates.certificate.display(), certificates.key.display());
    // On all addresses of both families.
    let role = format!("[::]:{PORT} {certificate} {key} {}", host.name());
    let running = host.start("backend", &mut again("tests::backend_process", &role)).unwrap();
    let endpoint = Endpoint::new(address, &certificates.ca).unwrap();
    wait_until("the backend serves", SOON, || endpoint.get(host, SOON).unwrap().is_ok()).unwrap();
    (running, endpoint)
}

/// Certificates for all these hosts.
fn certificates(lab: &Lab, hosts: &[&Host]) -> Certificates {
    let addresses: Vec<IpAddr> = hosts.iter().flat_map(|host| host.addresses()).collect();
    Certificates::write(lab.directory(), &addresses).unwrap()
}
