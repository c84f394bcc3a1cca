//! `frontend`, `backend` and `listen`: what each says, and the proxy they make together.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::options::Options;
use super::settings::Settings;
use super::{access, alike, bind, check, http, rules, server, time};
use crate::draft::{Got, Proxy};
use crate::report::Report;
use crate::source::{Place, Statement};
use crate::values::spoken;

/// The longest that a connection may be silent.
const DAY: Duration = Duration::from_secs(86_400);

/// A section of mode tcp.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: Statement,
    /// A frontend that is imported uses it.
    pub(super) used: bool,
    settings: Settings,
    pub(super) listen: Vec<Got<SocketAddr>>,
    /// The backend to use: `use_backend` without a condition, else `default_backend`.
    pub(super) backend: Option<Statement>,
    /// `use_backend` with a condition, in order.
    pub(super) rules: Vec<Statement>,
    /// `tcp-request inspect-delay`.
    pub(super) delay: Option<Statement>,
    /// A backend that routes lead to: the name of its proxy.
    pub(super) pool: Option<String>,
    /// Each with the `default-server` options above it.
    pub(super) servers: Vec<(Statement, Options)>,
}

impl Section {
    /// Reads a section; none where it is of mode http.
    pub(super) fn read(
        header: &Statement,
        inherited: Settings,
        metrics: &mut Option<Got<SocketAddr>>,
        report: &mut Report,
    ) -> Option<Self> {
        let own = header.inner().iter().rev().find(|line| line.name() == "mode");
        if own.map_or(inherited.http, |mode| mode.text(1) == "http") {
            http::read(header, metrics, report);
            return None;
        }
        let name = report.argument(header)?.text.clone();
        report.translated(header);
        let mut section = Self {
            name,
            header: header.clone(),
            used: false,
            settings: inherited,
            listen: Vec::new(),
            backend: None,
            rules: Vec::new(),
            delay: None,
            pool: None,
            servers: Vec::new(),
        };
        // `listen NAME ADDRESS`, as it was written before there was `bind`.
        if let Some(addresses) = header.words.get(2).filter(|word| word.text.contains(':')) {
            section.listen = bind::bind(header, addresses, &[], report);
        }
        for line in header.inner() {
            section.line(line, report);
        }
        if header.name() == "backend" {
            rules::acls(header, report);
        }
        if let Some(balance) = rules::stick(header, report) {
            section.settings.balance = Some(balance);
        }
        Some(section)
    }

    fn line(&mut self, line: &Statement, report: &mut Report) {
        match line.name() {
            "bind" => {
                self.user_timeout(line);
                if let Some(addresses) = report.argument(line) {
                    let listen = bind::bind(line, addresses, &line.words[2..], report);
                    self.listen.extend(listen);
                }
            }
            "server" | "server-template" => {
                self.servers.push((line.clone(), self.settings.servers.clone()));
            }
            "acl" | "stick" | "stick-table" => {}
            "use_backend" | "default_backend" if self.takes_all() => {
                report.ignored(line, "the `use_backend` above it takes every connection");
            }
            "use_backend" if line.words.len() > 2 => self.rules.push(line.clone()),
            // Read with the section's lists of addresses.
            "tcp-request" if access::is_rule(line) && self.header.name() != "backend" => {}
            "tcp-request" if line.text(1) == "inspect-delay" && self.header.name() != "backend" => {
                self.delay = Some(line.clone());
            }
            "use_backend" => {
                self.backend = Some(line.clone());
                report.translated(line);
            }
            "default_backend" => {
                self.backend = Some(line.clone());
                report.translated(line);
            }
            "disabled" => report.unsupported(line, "a section that is here is used"),
            "enabled" => report.translated(line),
            _ => self.settings.read(line, report),
        }
    }

    /// Whether its connections' lines have HAProxy's form.
    pub(super) fn tcplog(&self) -> Option<&Place> {
        self.settings.tcplog.as_ref()
    }

    /// What it says of its clients, whichever servers they get.
    pub(super) fn limit(&self, proxy: &mut Proxy) {
        proxy.max_connections.clone_from(&self.settings.max_connections);
        let quiet = |place: &Place| Got::from(place, false);
        proxy.log_empty = self.settings.dontlognull.as_ref().map(quiet);
    }

    /// `tcp-ut` among the options of a `bind`.
    fn user_timeout(&mut self, line: &Statement) {
        let words = line.words.iter().map(|word| word.text.as_str());
        let value = words.skip_while(|word| *word != "tcp-ut").nth(1).and_then(time::time);
        if let Some(time) = value.filter(|time| !time.is_zero()) {
            self.settings.user_timeout = Some(Got::from(line.place(), time));
        }
    }

    /// Whether a `use_backend` without a condition has been read.
    fn takes_all(&self) -> bool {
        self.backend.as_ref().is_some_and(|line| line.name() == "use_backend")
    }

    /// The port, if all addresses have the same.
    fn port(&self) -> Option<u16> {
        let port = self.listen.first()?.value.port();
        self.listen.iter().all(|listen| listen.value.port() == port).then_some(port)
    }
}

/// Writes into a proxy what the servers of a backend are and how they are used; returns whether there
/// are any.
pub(super) fn serve(
    frontend: &Section,
    backend: &Section,
    proxy: &mut Proxy,
    report: &mut Report,
) -> bool {
    let settings = &backend.settings;
    let port = frontend.port();
    let parsed = backend
        .servers
        .iter()
        .filter_map(|(line, inherited)| server::server(line, inherited, port, report))
        .collect();
    let servers = alike::together(parsed, settings.all_backups, report);
    if servers.is_empty() {
        report.unsupported(&backend.header, "none of its servers can be imported");
        return false;
    }
    proxy.check = check::check(settings, &servers, &backend.header, report);
    proxy.on_down = alike::on_down(&servers, report);
    let backups = servers.iter().filter(|parsed| parsed.server.backup).count();
    proxy.one_backup = backups > 1 && !settings.all_backups;
    proxy.agent = alike::agent(&servers, report);
    proxy.send_proxy = alike::send_proxy(&servers, report);
    let limited = servers.iter().any(|parsed| parsed.server.max_connections.is_some());
    proxy.balance.clone_from(&settings.balance);
    let weighs = settings.balance.as_ref().is_none_or(|balance| balance.value != "first");
    proxy.slow_start = alike::slow_start(&servers, report).filter(|_| weighs);
    proxy.queue_timeout = settings.queue.clone().filter(|_| limited);
    let early = |place: &Place| Got::from(place, Duration::from_secs(1));
    proxy.log_open_after = frontend.settings.logasap.as_ref().map(early);
    let users = [alike::user_timeout(&servers), frontend.settings.user_timeout.clone()];
    let longest = users.into_iter().flatten().max_by_key(|user| user.value);
    let least = Duration::from_millis(10);
    proxy.user_timeout = longest.map(|user| Got { value: user.value.clamp(least, DAY), ..user });
    proxy.servers = servers.into_iter().map(|parsed| parsed.server).collect();
    proxy.connect_timeout = connect(backend, report);
    proxy.idle_timeout = Some(idle(frontend, backend, report));
    let fins = [&frontend.settings.client_fin, &backend.settings.server_fin];
    let longer = fins.into_iter().flatten().max_by_key(|fin| fin.value);
    proxy.half_closed_timeout = longer.cloned();
    true
}

/// Each address once, and none that one for all addresses has already.
pub(super) fn distinct(listen: Vec<Got<SocketAddr>>) -> Vec<Got<SocketAddr>> {
    let mut kept: Vec<Got<SocketAddr>> = Vec::new();
    for got in &listen {
        let any = match got.value {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let any = SocketAddr::new(any, got.value.port());
        let covered = got.value != any && listen.iter().any(|other| other.value == any);
        if !covered && !kept.iter().any(|other| other.value == got.value) {
            kept.push(got.clone());
        }
    }
    kept
}

fn connect(backend: &Section, report: &mut Report) -> Option<Got<Duration>> {
    if backend.settings.connect.is_none() {
        let how = "without `timeout connect` HAProxy waits as long as the kernel; here it is 3 s";
        report.different(&backend.header, how);
    }
    backend.settings.connect.clone()
}

/// `timeout tunnel`, else the longer of the two sides' timeouts: one time holds for both.
fn idle(frontend: &Section, backend: &Section, report: &mut Report) -> Got<Duration> {
    if let Some(tunnel) = &backend.settings.tunnel {
        return tunnel.clone();
    }
    match (&frontend.settings.client, &backend.settings.server) {
        (Some(client), Some(server)) => {
            let longer = if client.value >= server.value { client } else { server };
            if client.value != server.value {
                let how = format!(
                    "`timeout client` and `timeout server` differ: {} holds for both sides",
                    spoken(longer.value)
                );
                report.different(&frontend.header, how);
            }
            longer.clone()
        }
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => {
            let how = "HAProxy has no timeout for it; here a connection silent for 24 h is closed";
            report.different(&frontend.header, how);
            Got::added(DAY)
        }
    }
}
