//! What is wrong with a configuration file, shown at its place.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A place in the file, in bytes.
pub(super) type Span = Range<usize>;

/// Whether the file can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and probably does not do what was meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Where, in bytes from the file's start; none where the file could not be read.
    pub span: Option<Span>,
    /// What to write instead, or why it matters.
    pub help: Option<String>,
}

/// Everything found in one file, in the order of its lines.
///
/// [`Display`](fmt::Display) shows each with file, line, column, the source line and a caret.
#[derive(Clone, Debug)]
pub struct Problems {
    path: String,
    source: String,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(path: &str, source: &str) -> Self {
        Self { path: path.to_owned(), source: source.to_owned(), found: Vec::new() }
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &[Problem] {
        &self.found
    }

    /// Whether anything makes the file unusable.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn error(&mut self, span: Span, title: impl Into<String>, help: &str) {
        self.push(Severity::Error, Some(span), title.into(), help);
    }

    pub(super) fn warning(&mut self, span: Span, title: impl Into<String>, help: &str) {
        self.push(Severity::Warning, Some(span), title.into(), help);
    }

    pub(super) fn unreadable(&mut self, title: impl Into<String>, help: &str) {
        self.push(Severity::Error, None, title.into(), help);
    }

    /// Keeps a secret out of what is shown: its characters become asterisks.
    pub(super) fn hide(&mut self, secret: Span) {
        if let Some(text) = self.source.get(secret.clone()) {
            let stars = text.chars().map(|c| if c == '"' || c == '\'' { c } else { '*' });
            // As many bytes as before: spans shall still fit.
            let stars: String = stars.filter(char::is_ascii).collect();
            let stars = format!("{stars:*<width$}", width = text.len());
            self.source.replace_range(secret, &stars);
        }
    }

    pub(super) fn sort(&mut self) {
        self.found.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    }

    fn push(&mut self, severity: Severity, span: Option<Span>, title: String, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.found.push(Problem { severity, title, span, help });
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&problem.title);
        let group = match &problem.span {
            Some(span) => title.element(
                Snippet::source(&self.source)
                    .path(&self.path)
                    .annotation(AnnotationKind::Primary.span(visible(&self.source, span))),
            ),
            None => title.element(annotate_snippets::Origin::path(&self.path)),
        };
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

/// A span that a caret can stand under: within the text, on whole characters, on one line.
fn visible(source: &str, span: &Span) -> Span {
    let boundary = |mut at: usize| {
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start.min(source.len()));
    let line_end = source[start..].find('\n').map_or(source.len(), |length| start + length);
    start..boundary(span.end.min(line_end)).max(start)
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain();
        for (position, problem) in self.found.iter().enumerate() {
            let gap = if position == 0 { "" } else { "\n" };
            writeln!(f, "{gap}{}", renderer.render(&[self.group(problem)]))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_with_a_caret() {
        let mut problems = Problems::new("lb.toml", "[[vrrp]]\nvrid = 300\n");
        problems.error(
            16..19,
            "`vrid` is 300, but must be 1 to 255",
            "peers of one virtual router share it",
        );
        let expected = "\
error: `vrid` is 300, but must be 1 to 255
 --> lb.toml:2:8
  |
2 | vrid = 300
  |        ^^^
  |
  = help: peers of one virtual router share it
";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let mut problems = Problems::new("lb.toml", "auth_pass = \"geheim\u{e4}\" # x\n");
        problems.error(12..22, "too long", "");
        problems.hide(12..22);
        let shown = problems.to_string();
        assert!(shown.contains("auth_pass = \"******"), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn a_span_that_fits_nowhere_is_drawn_where_it_can() {
        let text = "a = \"ä\"\nb";
        assert_eq!(visible(text, &(6..100)), 5..8);
        assert_eq!(visible(text, &(50..60)), text.len()..text.len());
        assert_eq!(visible("", &(0..1)), 0..0);
    }
}
