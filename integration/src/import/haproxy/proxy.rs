//! `frontend`, `backend` and `listen`: what each says, and the proxy they make together.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::server::Options;
use super::settings::Settings;
use super::{bind, check, http, rules, server};
use crate::import::Import;
use crate::import::draft::{Got, Program, Proxy};
use crate::import::report::{Kind, Report};
use crate::import::source::{Mistake, Statement};
use crate::import::values::spoken;

/// The longest that a connection may be silent.
const DAY: Duration = Duration::from_secs(86_400);

/// A section of mode tcp.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: Statement,
    /// A frontend that is imported uses it.
    pub(super) used: bool,
    settings: Settings,
    listen: Vec<Got<SocketAddr>>,
    /// The backend to use: `use_backend` without a condition, else `default_backend`.
    backend: Option<Statement>,
    /// There are rules beside it, none of which is supported.
    conditional: bool,
    /// Each with the `default-server` options above it.
    servers: Vec<(Statement, Options)>,
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
            conditional: false,
            servers: Vec::new(),
        };
        // `listen NAME ADDRESS`, as it was written before there was `bind`.
        if let Some(addresses) = header.words.get(2).filter(|word| word.text.contains(':')) {
            section.listen = bind::bind(header, addresses, &[], report);
        }
        for line in header.inner() {
            section.line(line, report);
        }
        rules::acls(header, report);
        if let Some(balance) = rules::stick(header, report) {
            section.settings.balance = Some(balance);
        }
        Some(section)
    }

    fn line(&mut self, line: &Statement, report: &mut Report) {
        match line.name() {
            "bind" => {
                if let Some(addresses) = report.argument(line) {
                    let listen = bind::bind(line, addresses, &line.words[2..], report);
                    self.listen.extend(listen);
                }
            }
            "server" => self.servers.push((line.clone(), self.settings.servers.clone())),
            "server-template" => report.unsupported(line, "write a server line for each address"),
            "acl" | "stick" | "stick-table" => {}
            "use_backend" if line.words.len() > 2 => {
                self.conditional = true;
                report.unsupported(line, "connections are not told apart: all go to one backend");
            }
            "use_backend" => {
                self.backend = Some(line.clone());
                report.translated(line);
            }
            "default_backend" => {
                let unconditional = |line: &Statement| line.name() == "use_backend";
                if self.backend.as_ref().is_some_and(unconditional) {
                    return report.ignored(line, "`use_backend` takes its place");
                }
                self.backend = Some(line.clone());
                report.translated(line);
            }
            "disabled" => report.unsupported(line, "a section that is here is used"),
            "enabled" => report.translated(line),
            _ => self.settings.read(line, report),
        }
    }

    /// The port, if all addresses have the same.
    fn port(&self) -> Option<u16> {
        let port = self.listen.first()?.value.port();
        self.listen.iter().all(|listen| listen.value.port() == port).then_some(port)
    }
}

/// Makes the proxy of a frontend and its backend, or of a `listen` section.
pub(super) fn complete(
    mut frontend: Section,
    backends: &mut BTreeMap<String, Section>,
    import: &mut Import,
) {
    let backend = frontend.backend.clone();
    let Some(line) = backend else { return alone(frontend, import) };
    match backends.get_mut(line.text(1)) {
        Some(backend) => {
            backend.used = true;
            together(&mut frontend, backend, import);
        }
        None => {
            let why = format!("there is no backend {} of mode tcp", line.text(1));
            import.report.unsupported(&line, why);
        }
    }
}

/// A section with servers of its own, or without any.
fn alone(mut section: Section, import: &mut Import) {
    if section.servers.is_empty() && section.conditional {
        return import.report.unsupported(&section.header, "only its rules lead to servers");
    }
    if section.servers.is_empty() {
        let why = "it has no server: HAProxy closes every connection to it";
        import.report.whole(&section.header, Kind::Ignored, why);
        return;
    }
    let mut backend = Section {
        name: section.name.clone(),
        header: section.header.clone(),
        used: true,
        settings: section.settings.clone(),
        listen: Vec::new(),
        backend: None,
        conditional: false,
        servers: std::mem::take(&mut section.servers),
    };
    together(&mut section, &mut backend, import);
}

fn together(frontend: &mut Section, backend: &mut Section, import: &mut Import) {
    let report = &mut import.report;
    let settings = &backend.settings;
    if frontend.listen.is_empty() {
        let title = format!("{} has no `bind`", frontend.header.shown());
        return report.mistake(Mistake::at(frontend.header.place(), title, ""));
    }
    let port = frontend.port();
    let parsed = backend
        .servers
        .iter()
        .filter_map(|(line, inherited)| server::server(line, inherited, port, report))
        .collect();
    let servers = server::together(parsed, report);
    if servers.is_empty() {
        let why = "none of its servers can be imported";
        report.unsupported(&backend.header, why);
        return;
    }
    let check = check::check(settings, &servers, &backend.header, report);
    let ends = servers.iter().all(|parsed| parsed.options.ends_sessions);
    if !ends {
        report.lint("connections to a server that is found down are ended, so that clients go to another (HAProxy's `on-marked-down shutdown-sessions`); `on_down = \"keep\"` leaves them");
    }
    let send_proxy = server::send_proxy(&servers, report);
    let limited = servers.iter().any(|parsed| parsed.server.max_connections.is_some());
    let name = import.draft.tracked_name(&frontend.name);
    if name != frontend.name {
        import.report.different(&frontend.header, format!("it is called {name}"));
    }
    let origin = |section: &Section| Got::from(section.header.place(), section.header.shown());
    let mut from = vec![origin(frontend)];
    if backend.header.place() != frontend.header.place() {
        from.push(origin(backend));
    }
    let proxy = Proxy {
        program: Program::Haproxy,
        from,
        name,
        listen: distinct(std::mem::take(&mut frontend.listen)),
        balance: settings.balance.clone(),
        servers: servers.into_iter().map(|parsed| parsed.server).collect(),
        check,
        queue_timeout: settings.queue.clone().filter(|_| limited),
        send_proxy,
        connect_timeout: connect(backend, &mut import.report),
        idle_timeout: Some(idle(frontend, backend, &mut import.report)),
    };
    import.draft.proxies.push(proxy);
}

/// Each address once, and none that one for all addresses has already.
fn distinct(listen: Vec<Got<SocketAddr>>) -> Vec<Got<SocketAddr>> {
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
