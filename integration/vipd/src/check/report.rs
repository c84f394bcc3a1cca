//! What `vipd check --json` prints.

use config::{Place, Problem, Problems, Severity};
use serde::Serialize;

use super::Checked;
use super::forecast::Row;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    files: Vec<File>,
    /// What each fault costs a pair's clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    downtime: Option<&'a [Row]>,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    /// Whether it can be used.
    right: bool,
    problems: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    severity: &'static str,
    code: &'static str,
    title: String,
    help: Option<String>,
    /// The file itself, or one that it includes.
    file: String,
    line: usize,
    column: usize,
}

impl<'a> Report<'a> {
    pub(super) fn of(checked: &[Checked], downtime: Option<&'a [Row]>) -> Self {
        let file = |checked: &Checked| File {
            path: checked.path.display().to_string(),
            right: checked.outcome.is_ok(),
            problems: findings(checked.problems()),
        };
        Self { files: checked.iter().map(file).collect(), downtime }
    }
}

fn findings(problems: &Problems) -> Vec<Finding> {
    problems.found().iter().map(|problem| finding(problem, problems.place(problem))).collect()
}

fn finding(problem: &Problem, Place { file, line, column }: Place) -> Finding {
    let severity = match problem.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let (title, help) = (problem.title.clone(), problem.help.clone());
    Finding { severity, code: problem.code.text(), title, help, file, line, column }
}
