//! `authentication`.

use crate::draft::{Got, Router};
use crate::report::Report;
use crate::source::Statement;

/// Of a password, as many bytes are sent.
const PASSWORD_BYTES: usize = 8;

const STRICT: &str =
    "keepalived's strict mode has no authentication and sends none, and so does this";

/// `authentication`; `strict` mode drops it.
pub(super) fn authentication(
    statement: &Statement,
    strict: bool,
    router: &mut Router,
    report: &mut Report,
) {
    report.translated(statement);
    let kind = statement.inner().iter().find(|line| line.name() == "auth_type");
    let pass = kind.is_some_and(|kind| kind.text(1) == "PASS");
    for line in statement.inner() {
        match line.name() {
            _ if router.version.value == 3 => {
                report.ignored(line, "version 3 has no authentication");
            }
            _ if strict => report.different(line, STRICT),
            "auth_type" if pass => report.translated(line),
            "auth_type" if line.text(1) == "AH" => {
                report.unsupported(
                    line,
                    "there is no IPsec authentication; the peer must do without",
                );
            }
            "auth_type" => {
                let how = format!(
                    "keepalived does not know {:?} and runs without a password",
                    line.text(1)
                );
                report.different(line, how);
            }
            "auth_pass" if !pass => report.ignored(line, "the type is not PASS"),
            "auth_pass" => password(line, router, report),
            _ => report.unsupported(line, super::UNKNOWN),
        }
    }
}

fn password(line: &Statement, router: &mut Router, report: &mut Report) {
    let Some(word) = report.argument(line) else { return };
    if word.text.is_empty() {
        return report.different(line, "keepalived runs without a password where it is empty");
    }
    let mut end = PASSWORD_BYTES.min(word.text.len());
    while !word.text.is_char_boundary(end) {
        end -= 1;
    }
    report.translated(line);
    if end < word.text.len() {
        report.lint(format!("{}: only the first 8 bytes of the password count", line.place()));
    }
    let text = &word.place.source.text;
    if text[word.place.span.end..].starts_with(['#', '!']) {
        let lint =
            "the password ends before the `#` or `!`: keepalived takes the rest as a comment";
        report.lint(format!("{}: {lint}", line.place()));
    }
    router.auth_pass = Some(Got::from(line.place(), word.text[..end].to_owned()));
}
