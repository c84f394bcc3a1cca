//! Whether somebody else has the ports that the proxies listen on.

mod listeners;
mod outgoing;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use self::listeners::{Holder, Listener, holders, listeners};
use super::context::Context;
use super::report::Finding;

const ITEM: &str = "port";

/// Looks at each address of each proxy, and at that of the metrics.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let proxies = context.config.proxies.iter().flat_map(|proxy| proxy.listen.iter().copied());
    let wanted: BTreeSet<SocketAddr> = proxies.chain(context.config.metrics).collect();
    let taken = listeners();
    let mut found: Vec<Finding> = wanted.iter().map(|at| one(context, *at, &taken)).collect();
    found.extend(outgoing::look(&wanted));
    found
}

fn one(context: &Context, address: SocketAddr, taken: &[Listener]) -> Finding {
    let inodes: BTreeSet<u64> =
        taken.iter().filter(|l| l.overlaps(address)).map(|l| l.inode).collect();
    let all = holders(&inodes);
    let (ours, others): (Vec<Holder>, Vec<Holder>) =
        all.into_iter().partition(|holder| is_ours(context, holder));
    // As the proxy does it; nobody connects to what does not listen.
    let bound = bind(address);
    if !others.is_empty() {
        return clash(address, &others[0], bound.is_ok());
    }
    match bound {
        _ if !ours.is_empty() => Finding::ok(ITEM, address, "vipd listens on it"),
        Ok(_) => Finding::ok(ITEM, address, "nobody listens on it: it is free"),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let unknown = Holder { pid: 0, comm: "another program".to_owned() };
            clash(address, &unknown, false)
        }
        Err(error) => {
            let seen = format!("not known: {error}");
            let finding = Finding::warning(ITEM, address, seen, "it could not be tried");
            finding.remedy(format!("sudo vipd doctor --config {}", context.path.display()))
        }
    }
}

/// The proxy's process, or one that a supervisor of ours started.
fn is_ours(context: &Context, holder: &Holder) -> bool {
    let pid = context.lbproxy.as_ref().map(|status| status.pid);
    pid == Some(holder.pid) || ["lbproxy", "console"].contains(&holder.comm.as_str())
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn clash(address: SocketAddr, holder: &Holder, shared: bool) -> Finding {
    let Holder { pid, comm } = holder;
    let who = if *pid == 0 { comm.clone() } else { format!("{comm} (process {pid})") };
    let port = address.port();
    if comm == "kube-apiserver" && shared {
        let seen = format!(
            "{who} shares it (--permit-port-sharing): the proxy has the address, the API server all others"
        );
        return Finding::ok(ITEM, address, seen);
    }
    let (seen, why) = if shared {
        (
            format!("{who} listens on it as well, with SO_REUSEPORT"),
            "the kernel would give each of them some of the connections",
        )
    } else {
        (format!("{who} listens on it"), "the proxy could not start")
    };
    let finding = Finding::failure(ITEM, address, seen, why);
    match comm.as_str() {
        "kube-apiserver" => finding.remedies(four_ways(address)),
        "haproxy" | "nginx" | "envoy" | "traefik" => finding
            .remedy(format!("sudo systemctl disable --now {comm}"))
            .remedy("# what it did: vipd import --help"),
        _ => finding.remedy(format!("sudo ss -ltnp 'sport = :{port}'")),
    }
}

/// The API server of a control plane node has the port at every address.
fn four_ways(address: SocketAddr) -> [String; 6] {
    let (ip, port) = (address.ip(), address.port());
    let other = if port == 8443 { 9443 } else { 8443 };
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    [
        "# one of four ways:".to_owned(),
        format!(
            "# 1. the API server listens at the node's own address only (its probes too: host: NODE_ADDRESS):\n             sudo sed -i 's/- kube-apiserver$/&\\n    - --bind-address=NODE_ADDRESS/' {manifest}"
        ),
        format!(
            "# 2. the proxy has another port, and so has the endpoint: listen = [\"{}\"]; kubeadm: controlPlaneEndpoint: {}",
            SocketAddr::new(ip, other),
            SocketAddr::new(ip, other)
        ),
        format!(
            "# 3. the proxy has another port, and the kernel leads clients there:\n             sudo nft 'table ip vipd_redirect {{ chain in {{ type nat hook prerouting priority dstnat; ip daddr {ip} tcp dport {port} redirect to :{other}; }}; chain out {{ type nat hook output priority -100; ip daddr {ip} tcp dport {port} redirect to :{other}; }}; }}'"
        ),
        format!(
            "# 4. both share the port, the proxy with its own address:\n             sudo sed -i 's/- kube-apiserver$/&\\n    - --permit-port-sharing=true/' {manifest}"
        ),
        "# or run vipd on nodes of its own".to_owned(),
    ]
}
