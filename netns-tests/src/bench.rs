//! What the benchmarks share: the program that they measure, and how they end.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::binary;

/// The program that was given; otherwise builds it, so that it is never an old one.
///
/// # Errors
/// It does not build, or cargo is not there to do it.
pub fn program(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(program) = given {
        return Ok(program.to_owned());
    }
    let cargo = std::env::var_os("CARGO").context("run it with `cargo bench`, or give --ours")?;
    let build = ["build", "--release", "--package", "vipd", "--bin", "vipd"];
    if !Command::new(cargo).args(build).status().context("run cargo")?.success() {
        bail!("vipd does not build");
    }
    Ok(binary("vipd"))
}

/// The exit code of a benchmark that measured whether a bar was missed, or could not measure.
#[expect(clippy::print_stderr, reason = "this is the command's answer")]
#[must_use]
pub fn exit_code(missed: anyhow::Result<bool>, strict: bool) -> ExitCode {
    match missed {
        Ok(missed) if strict && missed => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
