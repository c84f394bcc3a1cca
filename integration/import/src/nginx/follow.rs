//! A server that passes connections to what a `map` or a `geo` chooses: a proxy with routes, and one
//! proxy for each upstream that they lead to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::choice::{Entry, Read};
use super::proxy::{Named, Settings, serve};
use crate::Import;
use crate::draft::{Got, Program, Proxy, Route};
use crate::source::{Statement, Word};

/// nginx' `preread_timeout`.
const PREREAD: Duration = Duration::from_secs(30);

const LATE: &str = "who has not said a name in time goes where those go who ask for none; nginx closes the connection";
const OFF: &str = "`ssl_preread` is not on, so that nginx never knows a name; here names choose";

/// Imports a server whose `proxy_pass` is `word`, a variable that a block chooses for.
pub(super) fn import(
    block: &Statement,
    line: &Statement,
    word: &Word,
    settings: &Settings,
    listen: Vec<Got<SocketAddr>>,
    named: &mut Named,
    import: &mut Import,
) {
    let Some(choice) = named.choices.get_mut(&word.text) else { return };
    choice.used = true;
    let asks = choice.asks();
    let read = choice.entries(&mut import.report);
    let from = vec![
        Got::from(block.place(), "server".to_owned()),
        Got::from(choice.block.place(), choice.block.shown()),
    ];
    // Its name comes before those of the upstreams that it leads to.
    let place = import.draft.proxies.len();
    let name = import.draft.tracked_name(word.text.trim_start_matches('$'));
    import.draft.proxies.push(Proxy::new(Program::Nginx, from, name));
    let mut pools = Pools { settings, named, import, known: BTreeMap::new() };
    let routes = pools.routes(read, place);
    let report = &mut import.report;
    let mut hello_timeout = None;
    if asks {
        match &settings.preread {
            Some((preread, true)) => report.different(preread, LATE),
            _ => report.different(line, OFF),
        }
        hello_timeout = Some(settings.hello.clone().unwrap_or(Got::added(PREREAD)));
    }
    let proxy = &mut import.draft.proxies[place];
    if routes.is_empty() && proxy.servers.is_empty() {
        import.draft.proxies.remove(place);
        return report.unsupported(line, "none of its servers can be imported");
    }
    proxy.hello_timeout = hello_timeout.filter(|_| routes.iter().any(|r| !r.names.is_empty()));
    (proxy.listen, proxy.routes) = (listen, routes);
}

/// The proxies that routes of one server lead to, by what they are called in the file.
struct Pools<'a> {
    settings: &'a Settings,
    named: &'a mut Named,
    import: &'a mut Import,
    known: BTreeMap<String, String>,
}

impl Pools<'_> {
    /// All routes; what none of them takes goes to servers of the proxy at `place` itself.
    fn routes(&mut self, read: Read, place: usize) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for (entry, value) in read.entries {
            let Entry { line: Some(line), names, networks } = entry else { continue };
            let Some(proxy) = self.pool(&line, &value) else { continue };
            self.import.report.translated(&line);
            match routes.last_mut() {
                Some(last) if last.proxy == proxy => {
                    last.names.extend(names);
                    last.networks.extend(networks);
                }
                _ => routes.push(Route {
                    from: line.place().clone(),
                    proxy,
                    names,
                    networks,
                    ports: vec![],
                }),
            }
        }
        let rest = match (read.nameless, read.default) {
            (Some(nameless), Some((line, value))) => {
                if let Some(proxy) = self.pool(&line, &value) {
                    self.import.report.translated(&line);
                    let (from, names) = (line.place().clone(), vec!["*".to_owned()]);
                    routes.push(Route { from, proxy, names, networks: vec![], ports: vec![] });
                }
                Some(nameless)
            }
            (None, default) => default,
            (Some((line, _)), None) => {
                let why = "without `default` those who ask for other names would get there as well";
                self.import.report.unsupported(&line, why);
                None
            }
        };
        let Some((line, value)) = rest else { return routes };
        if let Some(proxy) = self.known.get(&value.text).cloned() {
            self.import.report.translated(&line);
            let from = line.place().clone();
            routes.push(Route { from, proxy, names: vec![], networks: vec![], ports: vec![] });
            return routes;
        }
        let mut own = self.import.draft.proxies[place].clone();
        if self.serve(&line, &value, &mut own) {
            self.import.report.translated(&line);
            self.import.draft.proxies[place] = own;
        }
        routes
    }

    fn serve(&mut self, line: &Statement, value: &Word, proxy: &mut Proxy) -> bool {
        let (upstreams, report) = (&mut self.named.upstreams, &mut self.import.report);
        serve(line, value, self.settings, upstreams, proxy, report)
    }

    /// The name of the proxy that a value has become, or becomes now.
    fn pool(&mut self, line: &Statement, value: &Word) -> Option<String> {
        if let Some(name) = self.known.get(&value.text) {
            return Some(name.clone());
        }
        let name = self.import.draft.tracked_name(&value.text);
        let mut proxy = Proxy::new(Program::Nginx, vec![], name.clone());
        if !self.serve(line, value, &mut proxy) {
            return None;
        }
        if proxy.from.is_empty() {
            proxy.from.push(Got::from(line.place(), value.text.clone()));
        }
        self.import.draft.proxies.push(proxy);
        self.known.insert(value.text.clone(), name.clone());
        Some(name)
    }
}
