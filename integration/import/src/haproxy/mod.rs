//! haproxy.cfg: every frontend of mode tcp becomes a proxy with its backend's servers, and every
//! `listen` of its own.

mod access;
mod alike;
mod bind;
mod check;
mod condition;
mod follow;
mod global;
mod http;
mod lists;
mod options;
mod proxy;
mod read;
mod rules;
mod server;
mod settings;
mod time;
mod track;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::proxy::Section;
use self::settings::Settings;
use super::report::{Kind, Report};
use super::source::{Source, Statement};
use super::{Files, Import};

/// Imports one file.
pub(super) fn import(source: &Arc<Source>, files: &dyn Files, import: &mut Import) {
    let sections = match read::read(source) {
        Ok(sections) => sections,
        Err(mistake) => return import.report.mistake(mistake),
    };
    let mut defaults = Defaults::default();
    let mut frontends = Vec::new();
    let mut backends = BTreeMap::new();
    for section in &sections {
        let report = &mut import.report;
        match section.name() {
            "global" => global::read(section, report),
            "defaults" => defaults.read(section, report),
            "frontend" | "backend" | "listen" => {
                let inherited = defaults.of(section, report);
                let metrics = &mut import.draft.metrics;
                let Some(read) = Section::read(section, inherited, metrics, report) else {
                    continue;
                };
                if section.name() == "backend" {
                    backends.insert(read.name.clone(), read);
                } else {
                    frontends.push(read);
                }
            }
            _ => other(section, report),
        }
    }
    for frontend in frontends {
        follow::complete(frontend, &mut backends, files, import);
    }
    track::resolve(import);
    for backend in backends.values().filter(|backend| !backend.used) {
        let named = |line: &Statement| {
            line.name() == "use_backend" && line.words.len() > 2 && line.text(1) == backend.name
        };
        let (kind, why) = if sections.iter().flat_map(Statement::inner).any(named) {
            (Kind::NotSupported, "only rules that are not supported lead to it")
        } else {
            (Kind::Ignored, "no frontend that is imported uses it")
        };
        import.report.whole(&backend.header, kind, why);
    }
    for line in sections.iter().flat_map(Statement::inner).filter(|line| settings::is_check(line)) {
        if !import.report.knows(line) {
            import.report.ignored(line, "no servers here are checked by it");
        }
    }
}

/// Sections that are neither settings nor proxies.
fn other(section: &Statement, report: &mut Report) {
    let (kind, why) = match section.name() {
        "peers" => (Kind::Ignored, "it is for stick tables only"),
        "resolvers" => (Kind::Ignored, "names are looked up as the system does it"),
        "userlist" | "cache" | "fcgi-app" | "http-errors" | "crt-store" | "acme" | "ssl-f-use" => {
            (Kind::Ignored, "it is for HTTP and TLS only")
        }
        "ring" | "log-profile" | "traces" => (Kind::Ignored, "messages go to standard error"),
        "mailers" => (Kind::NotSupported, "no mail is sent"),
        _ => (Kind::NotSupported, "only TCP is balanced"),
    };
    report.whole(section, kind, why);
}

/// The `defaults` sections read so far.
#[derive(Default)]
struct Defaults {
    named: BTreeMap<String, Settings>,
    last: Settings,
}

impl Defaults {
    /// `defaults [NAME] [from OTHER]`.
    fn read(&mut self, section: &Statement, report: &mut Report) {
        report.translated(section);
        // Only with `from` does a `defaults` section inherit from another.
        let mut settings = match from(section) {
            Some(_) => self.of(section, report),
            None => Settings::default(),
        };
        for line in section.inner() {
            settings.read(line, report);
        }
        if !section.text(1).is_empty() && section.text(1) != "from" {
            self.named.insert(section.text(1).to_owned(), settings.clone());
        }
        self.last = settings;
    }

    /// What `section` inherits: from the one it names, else from the last before it.
    fn of(&self, section: &Statement, report: &mut Report) -> Settings {
        let Some(name) = from(section) else { return self.last.clone() };
        match self.named.get(name) {
            Some(settings) => settings.clone(),
            None => {
                let title = format!("there is no `defaults {name}` above");
                report.mistake(super::source::Mistake::at(section.place(), title, ""));
                Settings::default()
            }
        }
    }
}

fn from(section: &Statement) -> Option<&str> {
    let at = section.words.iter().position(|word| word.text == "from")?;
    section.words.get(at + 1).map(|word| word.text.as_str())
}
