//! The command: reads what is named, writes what came of it.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use config::{Code, Loaded, Problem, Problems};

use super::files::{read, read_from};
use super::{Disk, Given, Imported, Source, import};

/// `-`: standard input or output.
const STANDARD: &str = "-";

/// What to import, and where to.
#[derive(Args, Clone, Debug)]
#[group(id = "what", required = true, multiple = true, args = ["keepalived", "haproxy", "nginx"])]
pub struct Options {
    /// A keepalived.conf; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub keepalived: Option<PathBuf>,

    /// The name by which keepalived.conf calls this node, in lines such as `@NAME priority 100`
    #[arg(long, value_name = "NAME", requires = "keepalived")]
    pub config_id: Option<String>,

    /// A haproxy.cfg; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub haproxy: Option<PathBuf>,

    /// An nginx.conf with `stream`, or a file that it includes there; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub nginx: Option<PathBuf>,

    /// Where to write the configuration
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    pub output: PathBuf,

    /// Write it even though some of it is not supported
    #[arg(long)]
    pub lossy: bool,

    /// Show what was translated, and what has no effect here, as well
    #[arg(long)]
    pub all: bool,
}

/// What `vipd check` finds in a configuration beyond the text: programs that are not on this host, or that
/// may not be run.
pub type Look = fn(Loaded) -> Result<Loaded, Problems>;

/// Imports; `look` looks at the programs of what was made. Exit codes: 0 all of it is written, 2 something is
/// not supported or cannot be read.
#[expect(clippy::print_stderr, reason = "this is the command's answer")]
#[must_use]
pub fn run(options: &Options, look: Look) -> ExitCode {
    let given = match given(options) {
        Ok(given) => given,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let Imported { toml, report } = import(&given, &Disk);
    eprint!("{}", report.shown(options.all));
    let Some(toml) = toml else {
        eprintln!("nothing is written");
        return ExitCode::from(2);
    };
    if report.loses() && !options.lossy {
        eprintln!(
            "nothing is written, for some of it is not supported; write it without that with --lossy"
        );
        return ExitCode::from(2);
    }
    if let Err(error) = write(&options.output, &toml) {
        eprintln!("error: cannot write {}: {error}", options.output.display());
        return ExitCode::from(2);
    }
    eprint!("{}", of_programs(&options.output, &toml, look));
    ExitCode::SUCCESS
}

/// What `vipd check` says of the programs in it, on this host.
fn of_programs(output: &Path, toml: &str, look: Look) -> String {
    let name = match output == Path::new(STANDARD) {
        true => "what is written".to_owned(),
        false => output.display().to_string(),
    };
    // That the text is right is known already, and what it warns of was said.
    let Ok(loaded) = config::parse(&name, toml) else { return String::new() };
    let found = match look(loaded) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let of_program =
        |problem: &&Problem| [Code::ProgramUnusable, Code::HookUnusable].contains(&problem.code);
    let lines: Vec<String> = found
        .found()
        .iter()
        .filter(of_program)
        .map(|problem| {
            let place = found.place(problem);
            format!("  {}:{}: {} ({})\n", place.file, place.line, problem.title, problem.code)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "on this host `vipd check` says what follows; put the programs where they run first:\n{}",
        lines.concat()
    )
}

fn given(options: &Options) -> anyhow::Result<Given> {
    let files = [&options.keepalived, &options.haproxy, &options.nginx];
    let standard = |path: &&&Option<PathBuf>| path.as_deref() == Some(Path::new(STANDARD));
    anyhow::ensure!(files.iter().filter(standard).count() < 2, "only one file can be `-`");
    let [keepalived, haproxy, nginx] = files.map(|path| path.as_deref().map(source).transpose());
    let config_id = options.config_id.clone();
    Ok(Given { keepalived: keepalived?, config_id, haproxy: haproxy?, nginx: nginx? })
}

fn source(path: &Path) -> anyhow::Result<Arc<Source>> {
    let read = if path == Path::new(STANDARD) {
        read_from("standard input", io::stdin().lock())
    } else {
        read(path)
    };
    read.map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))
}

/// It may hold a password: others cannot read a new file.
fn write(output: &Path, toml: &str) -> io::Result<()> {
    if output == Path::new(STANDARD) {
        return io::stdout().lock().write_all(toml.as_bytes());
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(output)?;
    file.write_all(toml.as_bytes())
}
