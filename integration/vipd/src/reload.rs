//! `vipd reload`: has the node that runs go over to what its file says now, and tells how that went.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use process::messages::line;

use crate::supervisor::requests::{Outcome, Request, SOCKET};

/// What a reload may take: one that is under way, an upgrade before it, and the answers of all programs.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit codes: 0 taken, 1 nobody runs there or it did not come to that, 2 refused: nothing has changed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
pub(crate) fn run(runtime_dir: &Path) -> ExitCode {
    match ask(runtime_dir) {
        Ok(Outcome::Taken) => {
            println!("reloaded");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Refused(problems)) => {
            eprint!("{problems}");
            eprintln!("reload refused, everything stays as it was");
            ExitCode::from(2)
        }
        Ok(Outcome::Failed(why)) => {
            eprintln!("error: not reloaded: {why}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: cannot ask for a reload in {}: {error}", runtime_dir.display());
            ExitCode::FAILURE
        }
    }
}

fn ask(runtime_dir: &Path) -> io::Result<Outcome> {
    let mut stream = UnixStream::connect(runtime_dir.join(SOCKET)).map_err(|error| {
        let words = if error.kind() == io::ErrorKind::PermissionDenied {
            "only root may".to_owned()
        } else if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused]
            .contains(&error.kind())
        {
            "no vipd runs there".to_owned()
        } else {
            error.to_string()
        };
        io::Error::new(error.kind(), words)
    })?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&line(&Request::Reload))?;
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text)?;
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"));
    }
    Ok(serde_json::from_str(&text)?)
}
