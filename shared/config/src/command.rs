//! Programs that are run for the operator, and how the file names them.

use std::path::PathBuf;

use super::check::Check;
use super::code::Code;
use super::fault::Fault;
use super::problem::Span;
use super::raw::{Given, List};

const HELP: &str = "the absolute path of a program and its arguments, such as [\"/etc/vipd/notify.sh\", \"primary\"]; no shell reads them";
const USER_HELP: &str = "the name of a user, such as \"root\"";

/// A program, run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Its absolute path.
    pub program: PathBuf,
    /// What it is given before what is to be told.
    pub arguments: Vec<String>,
}

/// A program, and where the file names it.
#[derive(Clone, Debug)]
pub struct NamedProgram {
    /// Its absolute path.
    pub program: PathBuf,
    /// The user it runs as; none: the hooks' own.
    pub user: Option<String>,
    /// Without it a router cannot do what the file says.
    pub is_needed: bool,
    pub(super) span: Span,
}

/// The program under `key`, if it is given and right; it runs as `user`, if that is right.
pub(super) fn command(
    key: &str,
    list: &List,
    user: Option<&Option<String>>,
    is_needed: bool,
    check: &mut Check<'_>,
) -> Option<CommandLine> {
    let list = list.as_ref()?;
    let Some((program, arguments)) = list.get_ref().split_first() else {
        check.problems.tell(Code::EmptyList, list.span(), format!("`{key}` is empty"), HELP);
        return None;
    };
    let span = program.span();
    let given = Some(program.clone());
    let program = check.optional(key, &given, HELP, None, |text| absolute(text).map(Some))??;
    if let Some(user) = user {
        let (program, user) = (program.clone(), user.clone());
        check.programs.push(NamedProgram { program, user, is_needed, span });
    }
    let arguments = arguments.iter().map(|argument| argument.get_ref().clone()).collect();
    Some(CommandLine { program, arguments })
}

/// The user under `key`; `default` where the file names none.
#[expect(clippy::option_option, reason = "wrong, not named, named")]
pub(super) fn user(
    key: &str,
    raw: &Given<String>,
    default: Option<String>,
    check: &mut Check<'_>,
) -> Option<Option<String>> {
    check.optional(key, raw, USER_HELP, default, |user| {
        if user.is_empty() {
            Err(Fault::new(Code::EmptyText, "must be the name of a user"))
        } else {
            Ok(Some(user.clone()))
        }
    })
}

/// A path from the root.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Fault> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(path)
    } else {
        Err(Fault::new(Code::Path, "must be an absolute path"))
    }
}
