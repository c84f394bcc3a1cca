//! From the draft to TOML, each line with the place it came from.

use std::fmt::{Display, Write};
use std::time::Duration;

use ipnet::IpNet;

use super::draft::{
    Announce, Check, Draft, Got, Probe, Proxy, Route, Router, Script, Server, Table, Tracker,
    Value, Watched,
};
use super::source::Place;

/// The column at which comments start, where the line leaves room.
const COMMENT_COLUMN: usize = 48;

/// The whole file.
pub(super) fn toml(draft: &Draft) -> String {
    let mut out =
        Toml(String::from("# Written by `vipd import`; each line says where it came from.\n"));
    if let Some((path, user)) = &draft.fifo {
        out.single("notify");
        out.line("fifo", quoted(&path.value), path.from.as_ref());
        out.line("user", quoted(user), None);
    }
    if let Some(listen) = &draft.metrics {
        out.single("metrics");
        out.line("listen", quoted(listen.value), listen.from.as_ref());
    }
    if let Some(place) = &draft.tcplog {
        out.single("lbproxy");
        out.line("log_format", quoted("haproxy"), Some(place));
    }
    draft.routers.iter().for_each(|router| out.router(router));
    draft.trackers.iter().for_each(|tracker| out.tracker(tracker));
    draft.proxies.iter().for_each(|proxy| out.proxy(proxy));
    out.0
}

struct Toml(String);

impl Toml {
    fn router(&mut self, router: &Router) {
        self.table("vrrp", &format!("vrrp_instance {}  {}", router.name, router.from));
        self.line("name", quoted(&router.name), None);
        self.text("interface", router.interface.as_ref());
        self.value("vrid", router.vrid.as_ref());
        self.value("version", Some(&router.version));
        self.text("auth_pass", router.auth_pass.as_ref());
        self.value("priority", router.priority.as_ref());
        self.list("addresses", &router.addresses);
        self.list("excluded", &router.excluded);
        self.time("advert_interval", router.advert_interval.as_ref());
        self.value("preempt", router.preempt.as_ref());
        self.time("preempt_delay", router.preempt_delay.as_ref());
        self.list("peers", &router.peers);
        self.text("source", router.source.as_ref());
        if let Some(virtual_mac) = &router.virtual_mac {
            self.value("virtual_mac", Some(&virtual_mac.wanted));
            self.text("virtual_mac_interface", virtual_mac.name.as_ref());
        }
        self.text("sync_group", router.sync_group.as_ref());
        self.list("track", &router.track);
        for (key, command) in &router.hooks {
            self.line(key, words(&command.value), command.from.as_ref());
        }
        self.text("notify_user", router.notify_user.as_ref());
        router.announce.iter().for_each(|announce| self.announce(announce));
        router.tables.iter().for_each(|table| self.inner_table(table));
    }

    fn announce(&mut self, announce: &Announce) {
        let mut parts = Vec::new();
        if let Some(at) = &announce.at {
            let times: Vec<String> = at.iter().map(|time| written(*time)).collect();
            parts.push(format!("at = [{}]", times.join(", ")));
        }
        match announce.refresh {
            Some(Duration::ZERO) => parts.push("refresh = \"off\"".to_owned()),
            Some(refresh) => {
                parts.push(format!("refresh = {}", written(refresh.max(Duration::from_secs(1)))));
            }
            None => {}
        }
        parts.extend(announce.refresh_repeat.map(|count| format!("refresh_repeat = {count}")));
        parts.extend(announce.interval.map(|time| format!("interval = {}", written(time))));
        self.line("announce", format!("{{ {} }}", parts.join(", ")), Some(&announce.from));
    }

    fn inner_table(&mut self, table: &Table) {
        self.commented(&format!("\n    [[{}]]", table.header), Some(&table.from));
        for (key, value) in &table.lines {
            let value = match value {
                Value::Text(text) => quoted(text),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
            };
            self.line(&format!("    {key}"), value, None);
        }
    }

    fn tracker(&mut self, tracker: &Tracker) {
        self.table("track", &tracker.from.to_string());
        self.line("name", quoted(&tracker.name), None);
        let (key, watched) = match &tracker.watched {
            Watched::Interface(name) => ("interface", quoted(name)),
            Watched::Process(name) => ("process", quoted(name)),
            Watched::File(path) => ("file", quoted(path)),
            Watched::Script(script) => ("script", words(&script.command)),
            Watched::Proxy(name) => ("proxy", quoted(name)),
        };
        self.line(key, watched, None);
        if let Watched::Script(script) = &tracker.watched {
            self.script(script);
        }
        if let Some(weight) = tracker.weight {
            self.line("weight", weight.to_string(), None);
        }
    }

    fn script(&mut self, script: &Script) {
        self.line("user", quoted(&script.user), None);
        self.line("interval", written(script.interval), None);
        if let Some(timeout) = script.timeout {
            self.line("timeout", written(timeout), None);
        }
        for (key, count) in [("rise", script.rise), ("fall", script.fall)] {
            if let Some(count) = count {
                self.line(key, count.to_string(), None);
            }
        }
    }

    fn proxy(&mut self, proxy: &Proxy) {
        let was = |got: &Got<String>| match &got.from {
            Some(place) => format!("{}  {place}", got.value),
            None => got.value.clone(),
        };
        self.table("proxy", &proxy.from.iter().map(was).collect::<Vec<_>>().join(", "));
        self.line("name", quoted(&proxy.name), None);
        self.list("listen", &proxy.listen);
        if let Some(balance) = &proxy.balance {
            self.line("balance", quoted(balance.value), balance.from.as_ref());
        }
        self.time("slow_start", proxy.slow_start.as_ref());
        if proxy.one_backup {
            self.line("backups", quoted("first"), None);
        }
        self.text("on_down", proxy.on_down.as_ref());
        self.list("allow", &proxy.allow);
        self.list("deny", &proxy.deny);
        if let Some(limit) = &proxy.max_connections {
            self.line("max_connections", limit.value.to_string(), limit.from.as_ref());
        }
        self.time("hello_timeout", proxy.hello_timeout.as_ref());
        if !proxy.servers.is_empty() {
            self.check(&proxy.check);
        }
        if let Some(agent) = &proxy.agent {
            let pace = agent.interval.map(|time| format!(", interval = {}", written(time)));
            let table = format!("{{ port = {}{} }}", agent.port, pace.unwrap_or_default());
            self.line("agent", table, Some(&agent.from));
        }
        self.time("connect_timeout", proxy.connect_timeout.as_ref());
        self.time("idle_timeout", proxy.idle_timeout.as_ref());
        self.time("half_closed_timeout", proxy.half_closed_timeout.as_ref());
        self.time("queue_timeout", proxy.queue_timeout.as_ref());
        self.time("user_timeout", proxy.user_timeout.as_ref());
        self.time("log_open_after", proxy.log_open_after.as_ref());
        if let Some(wanted) = &proxy.log_empty {
            self.line("log_empty", wanted.value.to_string(), wanted.from.as_ref());
        }
        self.text("send_proxy", proxy.send_proxy.as_ref());
        proxy.servers.iter().for_each(|server| self.server(server));
        proxy.routes.iter().for_each(|route| self.route(route));
    }

    fn route(&mut self, route: &Route) {
        self.0.push_str("\n    [[proxy.route]]\n");
        if !route.names.is_empty() {
            self.line("    server_name", words(&route.names), Some(&route.from));
        }
        if !route.networks.is_empty() {
            let networks: Vec<String> = route.networks.iter().map(IpNet::to_string).collect();
            self.line("    from", words(&networks), Some(&route.from));
        }
        if !route.ports.is_empty() {
            let ports: Vec<String> = route.ports.iter().map(u16::to_string).collect();
            self.line("    port", format!("[{}]", ports.join(", ")), Some(&route.from));
        }
        self.line("    proxy", quoted(&route.proxy), None);
    }

    fn server(&mut self, server: &Server) {
        self.0.push_str("\n    [[proxy.server]]\n");
        if let Some(name) = &server.name {
            self.line("    name", quoted(name), None);
        }
        self.line("    address", quoted(&server.address), Some(&server.from));
        if let Some(weight) = server.weight {
            self.line("    weight", weight.to_string(), None);
        }
        if server.backup {
            self.line("    backup", "true".to_owned(), None);
        }
        if let Some(source) = server.source {
            self.line("    source", quoted(source), None);
        }
        if let Some(limit) = server.max_connections {
            self.line("    max_connections", limit.to_string(), None);
        }
        if let Some(most) = server.max_addresses {
            self.line("    max_addresses", most.to_string(), None);
        }
    }

    fn check(&mut self, check: &Check) {
        if let Some(track) = &check.track {
            let track = format!("{{ track = {} }}", quoted(track));
            return self.line("check", track, check.from.first());
        }
        let mut parts = Vec::new();
        let tls = match &check.probe {
            Probe::Tcp => {
                parts.push("tcp = true".to_owned());
                false
            }
            Probe::Tls => {
                parts.push("tls = true".to_owned());
                true
            }
            Probe::Http { path, tls } => {
                parts.push(format!("{} = {}", if *tls { "https" } else { "http" }, quoted(path)));
                *tls
            }
        };
        if let (Probe::Http { .. }, [_, ..]) = (&check.probe, check.expect.as_slice()) {
            parts.push(format!("expect = {}", statuses(&check.expect)));
        }
        if let (Probe::Http { .. }, Some(body)) = (&check.probe, &check.expect_body) {
            parts.push(format!("expect_body = {}", quoted(body)));
        }
        parts.extend(check.port.map(|port| format!("port = {port}")));
        match (&check.ca, &check.server_name) {
            _ if !tls => {}
            (None, _) => parts.push("verify = false".to_owned()),
            (Some(ca), name) => {
                parts.push(format!("ca = {}", quoted(ca)));
                parts.extend(name.iter().map(|name| format!("server_name = {}", quoted(name))));
            }
        }
        let times = [
            ("interval", check.interval),
            ("fast_interval", check.fast_interval),
            ("down_interval", check.down_interval),
            ("connect_timeout", check.connect_timeout),
            ("timeout", check.timeout),
        ];
        parts.extend(
            times.iter().filter_map(|(key, time)| time.map(|t| format!("{key} = {}", written(t)))),
        );
        let counts =
            [("error_limit", check.error_limit), ("rise", check.rise), ("fall", check.fall)];
        parts.extend(counts.iter().filter_map(|(key, n)| n.map(|n| format!("{key} = {n}"))));
        self.line("check", format!("{{ {} }}", parts.join(", ")), check.from.first());
    }

    fn table(&mut self, header: &str, from: &str) {
        // A name from the file shall not end the comment.
        let from: String = from.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.push_str(&format!("\n# {from}\n[[{header}]]\n"));
    }

    fn single(&mut self, header: &str) {
        self.0.push_str(&format!("\n[{header}]\n"));
    }

    fn value<T: Display>(&mut self, key: &str, got: Option<&Got<T>>) {
        if let Some(got) = got {
            self.line(key, got.value.to_string(), got.from.as_ref());
        }
    }

    fn text<T: Display>(&mut self, key: &str, got: Option<&Got<T>>) {
        if let Some(got) = got {
            self.line(key, quoted(&got.value), got.from.as_ref());
        }
    }

    fn time(&mut self, key: &str, got: Option<&Got<Duration>>) {
        if let Some(got) = got {
            self.line(key, written(got.value), got.from.as_ref());
        }
    }

    /// On one line where all elements are from one place, else one line for each.
    fn list<T: Display>(&mut self, key: &str, list: &[Got<T>]) {
        let Some(first) = list.first() else { return };
        if list.iter().all(|element| element.from == first.from) {
            let elements: Vec<String> = list.iter().map(|got| quoted(&got.value)).collect();
            return self.line(key, format!("[{}]", elements.join(", ")), first.from.as_ref());
        }
        self.0.push_str(&format!("{key} = [\n"));
        for element in list {
            let text = format!("    {},", quoted(&element.value));
            self.commented(&text, element.from.as_ref());
        }
        self.0.push_str("]\n");
    }

    fn line(&mut self, key: &str, value: String, from: Option<&Place>) {
        self.commented(&format!("{key} = {value}"), from);
    }

    fn commented(&mut self, text: &str, from: Option<&Place>) {
        // Writing into a String cannot fail.
        match from {
            Some(place) => writeln!(self.0, "{text:COMMENT_COLUMN$}  # {place}").ok(),
            None => writeln!(self.0, "{text}").ok(),
        };
    }
}

/// A basic string: JSON's rules are TOML's, except for one control character. What looks like a
/// variable is none.
fn quoted(value: impl Display) -> String {
    let text = value.to_string().replace('\u{7f}', " ").replace("${", "$${");
    serde_json::Value::String(text).to_string()
}

/// Statuses: one is a number, others are a list.
fn statuses(statuses: &[String]) -> String {
    let one = |status: &String| match status.parse::<u16>() {
        Ok(number) => number.to_string(),
        Err(_) => quoted(status),
    };
    match statuses {
        [status] if !status.contains('-') => one(status),
        several => format!("[{}]", several.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// A list on one line.
fn words(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(quoted).collect();
    format!("[{}]", words.join(", "))
}

fn written(time: Duration) -> String {
    quoted(humantime::format_duration(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_toml() {
        assert_eq!(quoted("a\"b\\c\u{1}\u{7f}é"), "\"a\\\"b\\\\c\\u0001 é\"");
        assert_eq!(written(Duration::from_millis(90_500)), "\"1m 30s 500ms\"");
    }
}
