//! `vipd import`: keepalived, HAProxy and nginx configurations become one TOML file, and every line
//! of them is accounted for.
//!
//! Each program has a reader, from text to [`Statement`](source::Statement)s, and a translator, from
//! statements to the [`Draft`] and the [`Report`]. Both are pure: files come in through
//! [`Files`]. What is written passes `config::parse`, or is not written.

mod draft;
mod files;
mod haproxy;
mod keepalived;
mod lints;
mod names;
mod nginx;
mod report;
mod run;
mod secrets;
mod source;
mod values;
mod write;

use std::sync::Arc;

use self::draft::Draft;
pub use self::files::{Disk, Files};
pub use self::report::{Entry, Kind, Report, Shown};
pub use self::run::{Look, Options, run};
pub use self::source::{Mistake, Place, Source};

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// A keepalived.conf.
    pub keepalived: Option<Arc<Source>>,
    /// The name by which it calls this node (`keepalived --config-id`).
    pub config_id: Option<String>,
    /// A haproxy.cfg.
    pub haproxy: Option<Arc<Source>>,
    /// An nginx.conf, or what it includes in `stream`.
    pub nginx: Option<Arc<Source>>,
}

/// What an import gave.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The configuration, as TOML. None where something could not be read, where nothing is left,
    /// or where it would not pass the check; the report says which.
    pub toml: Option<String>,
    /// What became of every line.
    pub report: Report,
}

/// Imports what is given; `files` finds what it includes.
#[must_use]
pub fn import(given: &Given, files: &dyn Files) -> Imported {
    let mut import = Import::default();
    // Proxies first: what keepalived watches is often one of them.
    if let Some(source) = &given.haproxy {
        haproxy::import(source, files, &mut import);
    }
    if let Some(source) = &given.nginx {
        nginx::import(source, files, &mut import);
    }
    if let Some(source) = &given.keepalived {
        let id = given.config_id.as_deref();
        keepalived::import(source, id, files, &mut import);
    }
    lints::follow_proxies(&mut import.draft, &mut import.report);
    lints::find(&import.draft, &mut import.report);
    let toml = if import.report.mistakes.is_empty() { checked(&mut import) } else { None };
    Imported { toml, report: import.report }
}

/// The draft as TOML, if it passes the check.
fn checked(import: &mut Import) -> Option<String> {
    let draft = &import.draft;
    if draft.routers.is_empty() && draft.proxies.is_empty() {
        let title = "nothing in these files can be imported".to_owned();
        import.report.mistake(Mistake { place: None, title, help: String::new() });
        return None;
    }
    let toml = write::toml(draft);
    match config::parse("what would be written", &toml) {
        Ok(loaded) => {
            lints::warnings(&toml, &loaded.warnings, &mut import.report);
            Some(toml)
        }
        Err(problems) => {
            let title = format!("what would be written does not pass the check\n{problems}");
            import.report.mistake(Mistake { place: None, title, help: String::new() });
            None
        }
    }
}

/// An import in progress.
#[derive(Debug, Default)]
struct Import {
    draft: Draft,
    report: Report,
}
