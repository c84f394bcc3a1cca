//! `vipd check`: all that is wrong with a configuration, by the very code that starts a node with it.

mod forecast;
mod pair;
mod report;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use config::{Audience, Code, DEFAULT_PATH, Loaded, Problems, RouterConfig, load_on};

use self::forecast::Row;
use self::pair::Two;
use self::report::Report;
use crate::clock::now;
use crate::host;
use crate::trust::files::{Rule, Sources, look_at_files};
use crate::trust::programs::look_at_programs;

/// What to check, and how to tell.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The configuration; without one, /etc/vipd/vipd.toml. Two are the two nodes of a pair: what keeps them
    /// from understanding each other is told, and what each fault will cost their clients
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The same
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    config: Option<PathBuf>,

    /// As one JSON object
    #[arg(long)]
    json: bool,

    /// Tell what a code such as E0103 means
    #[arg(long, value_name = "CODE", conflicts_with_all = ["files", "config", "json"])]
    explain: Option<String>,
}

impl Options {
    fn files(&self) -> Vec<PathBuf> {
        if !self.files.is_empty() {
            return self.files.clone();
        }
        vec![self.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))]
    }
}

/// Checks. Exit codes: 0 every file can be used, 2 one cannot, or the code to explain does not exist.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    if let Some(code) = &options.explain {
        return explain(code);
    }
    let files = options.files();
    // Of several files most are other nodes'.
    let own = if files.len() == 1 { host::addresses() } else { Vec::new() };
    let mut checked: Vec<Checked> = files.iter().map(|path| Checked::of(path, &own)).collect();
    let rows = as_pair(&mut checked);
    if options.json {
        let report = Report::of(&checked, rows.as_deref());
        println!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        let doubtful = checked.iter().filter(|file| !file.problems().found().is_empty());
        let shown: Vec<String> = doubtful.map(|file| file.problems().to_string()).collect();
        eprint!("{}", shown.join("\n"));
        checked.iter().filter_map(Checked::summary).for_each(|summary| println!("{summary}"));
        rows.iter().for_each(|rows| print!("\n{}", forecast::table(rows)));
    }
    if checked.iter().all(|file| file.outcome.is_ok()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

/// What two right files cost their clients, fault by fault, if they understand each other.
fn as_pair(checked: &mut [Checked]) -> Option<Vec<Row>> {
    let [first, second] = checked else { return None };
    let names = [first.name(), second.name()];
    let (Ok(one), Ok(other)) = (&mut first.outcome, &mut second.outcome) else { return None };
    let mut two = Two { names, loaded: [one, other] };
    let matches = two.compare();
    let rows = (!two.any_error()).then(|| two.forecast(&matches, now()));
    first.confirm();
    second.confirm();
    rows.filter(|rows| !rows.is_empty())
}

/// In whose network the node's address is looked for.
fn followed(router: &RouterConfig) -> String {
    match (router.source, &router.audience) {
        (Some(source), _) => format!("its source {source}"),
        (None, Audience::Peers(_)) => "its peers".to_owned(),
        (None, Audience::Multicast) => "its addresses".to_owned(),
    }
}

/// A file, and what became of it.
struct Checked {
    path: PathBuf,
    outcome: Result<Loaded, Problems>,
}

impl Checked {
    fn of(path: &Path, own: &[IpAddr]) -> Self {
        let loaded = load_on(path, own).and_then(look_at_programs);
        let outcome = loaded.and_then(|loaded| {
            let sources = Sources::of(path, &loaded);
            look_at_files(loaded, &sources, Rule::Warn)
        });
        Self { path: path.to_owned(), outcome }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What was found since may make it unusable.
    fn confirm(&mut self) {
        if let Ok(loaded) = &self.outcome {
            self.outcome = loaded.clone().confirmed();
        }
    }

    /// Errors, or warnings only.
    fn problems(&self) -> &Problems {
        match &self.outcome {
            Ok(loaded) => &loaded.warnings,
            Err(problems) => problems,
        }
    }

    /// What is in it, if it can be used.
    fn summary(&self) -> Option<String> {
        let config = &self.outcome.as_ref().ok()?.config;
        let (routers, proxies) = (config.routers.len(), config.proxies.len());
        let path = self.path.display();
        let verdict = match self.problems().found().len() {
            0 => "is right".to_owned(),
            1 => "can be used, with the warning above".to_owned(),
            count => format!("can be used, with the {count} warnings above"),
        };
        let mut summary = format!("{path} {verdict}: virtual routers {routers}, proxies {proxies}");
        for router in config.routers.iter().filter(|router| router.follows_network) {
            summary += &format!(
                "\n  {}: names no interface; it will be the one that has the node's address in the network of {}",
                router.id,
                followed(router)
            );
        }
        Some(summary)
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn explain(text: &str) -> ExitCode {
    match Code::from_text(text) {
        Some(code) => {
            println!("{}", code.explanation().trim_start_matches("## "));
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("error: there is no code {text:?}; docs/codes.md has them all");
            ExitCode::from(2)
        }
    }
}
