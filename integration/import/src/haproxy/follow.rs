//! From a frontend to a proxy: the backends that its rules lead to become proxies behind routes.

use std::collections::BTreeMap;

use super::lists::{self, Lists};
use super::proxy::{Section, distinct, serve};
use super::{access, condition, rules, settings};
use crate::draft::{Got, Program, Proxy, Route};
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement};
use crate::{Files, Import};

type Backends = BTreeMap<String, Section>;

const ABOVE: &str = "a rule above it takes every connection";
const NEARLY: &str = "the expression becomes patterns, in which `*` stands for any characters";

/// Makes the proxies of a frontend and its backends, or of a `listen` section.
pub(super) fn complete(
    frontend: Section,
    backends: &mut Backends,
    files: &dyn Files,
    import: &mut Import,
) {
    let header = frontend.header.clone();
    follow(frontend, backends, files, import);
    rules::acls(&header, &mut import.report);
}

fn follow(mut frontend: Section, backends: &mut Backends, files: &dyn Files, import: &mut Import) {
    let leads = frontend.backend.is_some() || !frontend.rules.is_empty();
    if frontend.listen.is_empty() && (leads || !frontend.servers.is_empty()) {
        let title = format!("{} has no `bind`", frontend.header.shown());
        import.report.mistake(Mistake::at(frontend.header.place(), title, ""));
    }
    // Its name comes before those of the backends that it leads to.
    let place = import.draft.proxies.len();
    let name = import.draft.tracked_name(&frontend.name);
    let from = vec![origin(&frontend)];
    import.draft.proxies.push(Proxy::new(Program::Haproxy, from, name));
    let rules = std::mem::take(&mut frontend.rules);
    let mut routes: Vec<Route> = Vec::new();
    for rule in &rules {
        match routes.last() {
            Some(last) if last.takes_all() => import.report.ignored(rule, ABOVE),
            _ => routes.extend(route(rule, &frontend, backends, files, import)),
        }
    }
    let mut proxy = import.draft.proxies[place].clone();
    let led = remaining(&frontend, backends, &mut proxy, &mut routes, &mut import.report);
    delay(&frontend, &routes, &mut proxy, &mut import.report);
    if !led && routes.is_empty() {
        nowhere(&frontend, !rules.is_empty(), &mut import.report);
        import.draft.proxies.remove(place);
        return;
    }
    if proxy.name != frontend.name {
        import.report.different(&frontend.header, format!("it is called {}", proxy.name));
    }
    if import.draft.tcplog.is_none() {
        import.draft.tcplog = frontend.tcplog().cloned();
    }
    (proxy.allow, proxy.deny) = access::lists(&frontend.header, files, &mut import.report);
    proxy.listen = distinct(std::mem::take(&mut frontend.listen));
    frontend.limit(&mut proxy);
    proxy.routes = routes;
    import.draft.proxies[place] = proxy;
}

fn origin(section: &Section) -> Got<String> {
    Got::from(section.header.place(), section.header.shown())
}

/// The routes that a rule becomes: one for each alternative.
fn route(
    rule: &Statement,
    frontend: &Section,
    backends: &mut Backends,
    files: &dyn Files,
    import: &mut Import,
) -> Vec<Route> {
    let acls: Vec<&Statement> =
        frontend.header.inner().iter().filter(|line| line.name() == "acl").collect();
    let lists = Lists { acls: &acls, files };
    let conditions = match condition::read(rule, &lists) {
        Ok(conditions) => conditions,
        Err(why) => {
            import.report.unsupported(rule, why);
            return Vec::new();
        }
    };
    let Some(proxy) = pool(rule, frontend, backends, import) else { return Vec::new() };
    import.report.translated(rule);
    if conditions.nearly {
        import.report.different(rule, NEARLY);
    }
    if conditions.from_file {
        import.report.different(rule, lists::WRITTEN);
    }
    let route = |condition: condition::Condition| Route {
        from: rule.place().clone(),
        proxy: proxy.clone(),
        names: condition.names,
        networks: condition.from,
        ports: condition.ports,
    };
    conditions.alternatives.into_iter().map(route).collect()
}

/// The name of the proxy that a backend has become, or becomes now.
fn pool(
    rule: &Statement,
    frontend: &Section,
    backends: &mut Backends,
    import: &mut Import,
) -> Option<String> {
    let name = rule.text(1);
    let Some(backend) = backends.get_mut(name) else {
        let why = match name.contains('%') {
            true => "a route leads to one proxy: write one for each".to_owned(),
            false => format!("there is no backend {name} of mode tcp"),
        };
        import.report.unsupported(rule, why);
        return None;
    };
    if let Some(pool) = &backend.pool {
        return Some(pool.clone());
    }
    backend.used = true;
    let name = import.draft.tracked_name(&backend.name);
    let mut proxy = Proxy::new(Program::Haproxy, vec![origin(backend)], name.clone());
    if !serve(frontend, backend, &mut proxy, &mut import.report) {
        import.report.unsupported(rule, "none of its servers can be imported");
        return None;
    }
    if name != backend.name {
        import.report.different(&backend.header, format!("it is called {name}"));
    }
    backend.pool = Some(name.clone());
    import.draft.proxies.push(proxy);
    Some(name)
}

/// Where connections go that no rule fits; returns whether they go anywhere.
fn remaining(
    frontend: &Section,
    backends: &mut Backends,
    proxy: &mut Proxy,
    routes: &mut Vec<Route>,
    report: &mut Report,
) -> bool {
    if routes.last().is_some_and(Route::takes_all) {
        let own = frontend.servers.iter().map(|(line, _)| line);
        own.chain(&frontend.backend).for_each(|line| report.ignored(line, ABOVE));
        return true;
    }
    let Some(line) = &frontend.backend else {
        return !frontend.servers.is_empty() && serve(frontend, frontend, proxy, report);
    };
    let Some(backend) = backends.get_mut(line.text(1)) else {
        let why = format!("there is no backend {} of mode tcp", line.text(1));
        report.unsupported(line, why);
        return false;
    };
    backend.used = true;
    match &backend.pool {
        // It is there already: its servers are checked once.
        Some(pool) if !routes.is_empty() => {
            let (from, proxy) = (line.place().clone(), pool.clone());
            routes.push(Route { from, proxy, names: vec![], networks: vec![], ports: vec![] });
            true
        }
        _ => {
            proxy.from.push(origin(backend));
            serve(frontend, backend, proxy, report)
        }
    }
}

/// `tcp-request inspect-delay`: how long a name is waited for.
fn delay(frontend: &Section, routes: &[Route], proxy: &mut Proxy, report: &mut Report) {
    let Some(line) = &frontend.delay else { return };
    if routes.iter().all(|route| route.names.is_empty()) {
        return report.ignored(line, settings::LOOKS);
    }
    proxy.hello_timeout = settings::delay(line, report);
}

/// A section that leads to no server.
fn nowhere(frontend: &Section, has_rules: bool, report: &mut Report) {
    if has_rules && frontend.backend.is_none() {
        report.unsupported(&frontend.header, "only its rules lead to servers");
    } else if frontend.backend.is_none() && frontend.servers.is_empty() {
        let why = "it has no server: HAProxy closes every connection to it";
        report.whole(&frontend.header, Kind::Ignored, why);
    }
}
