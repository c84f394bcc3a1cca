//! What is wrong with a configuration file, shown at its place.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use tracing::{error, warn};

use super::code::Code;

/// A place in the files, in bytes from the start of the first.
pub(super) type Span = Range<usize>;

/// Findings that stand in the log; a file that is as doubtful as that is looked at by its owner.
const LOG_LIMIT: usize = 20;

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
    /// Its kind, and with that how bad it is.
    pub code: Code,
    /// What is wrong, in one sentence.
    pub title: String,
    /// What to write instead, or why it matters.
    pub help: Option<String>,
    /// None where the file could not be read.
    pub(super) span: Option<Span>,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters from 1.
    pub column: usize,
}

/// Everything found in a file and in what it includes, in the order of their lines.
///
/// [`Display`](fmt::Display) shows each with file, line, column, the source line and a caret.
#[derive(Clone, Debug)]
pub struct Problems {
    texts: Vec<Text>,
    found: Vec<Problem>,
    allowed: Vec<Allowed>,
}

/// A file's text, and where it begins among all.
#[derive(Clone, Debug)]
struct Text {
    path: String,
    source: String,
    start: usize,
}

/// A warning that the file allows.
#[derive(Clone, Debug)]
struct Allowed {
    code: Code,
    span: Span,
    arose: bool,
}

impl Problems {
    pub(super) fn new(path: &str, source: &str) -> Self {
        let mut problems = Self { texts: Vec::new(), found: Vec::new(), allowed: Vec::new() };
        problems.add_text(path, source);
        problems
    }

    /// One more file; returns where its text begins.
    pub(super) fn add_text(&mut self, path: &str, source: &str) -> usize {
        // One byte between two texts: the end of the one is not the beginning of the other.
        let start = self.texts.last().map_or(0, |last| last.start + last.source.len() + 1);
        self.texts.push(Text { path: path.to_owned(), source: source.to_owned(), start });
        start
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &[Problem] {
        &self.found
    }

    /// Whether anything makes the file unusable.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.found.iter().any(|problem| problem.code.severity() == Severity::Error)
    }

    /// Where it stands; a file that could not be read has no other place than its beginning.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> Place {
        let (text, span) = self.locate(problem.span.as_ref().unwrap_or(&(0..0)));
        let before = &text.source[..visible(&text.source, &span).start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: text.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Tells the first of it in the log.
    pub fn log(&self) {
        for problem in self.found.iter().take(LOG_LIMIT) {
            let Place { file, line, column } = self.place(problem);
            let (title, help) = (&problem.title, problem.help.as_deref());
            let (code, at) = (problem.code, format_args!("{file}:{line}:{column}"));
            match code.severity() {
                Severity::Error => error!(%code, %at, problem = title, help, "configuration error"),
                Severity::Warning => {
                    warn!(%code, %at, problem = title, help, "configuration warning")
                }
            }
        }
        let count = self.found.len().saturating_sub(LOG_LIMIT);
        if count > 0 {
            warn!(count, "more problems than are logged: `vipd check` tells them all");
        }
    }

    pub(super) fn tell(&mut self, code: Code, span: Span, title: impl Into<String>, help: &str) {
        let mut allowed = false;
        for allows in self.allowed.iter_mut().filter(|allowed| allowed.code == code) {
            (allows.arose, allowed) = (true, true);
        }
        if !allowed {
            self.push(code, Some(span), title.into(), help);
        }
    }

    /// The same of no place in particular.
    pub(super) fn tell_of_file(&mut self, code: Code, title: impl Into<String>, help: &str) {
        if !self.allows(code) {
            self.push(code, None, title.into(), help);
        }
    }

    pub(super) fn unreadable(&mut self, title: impl Into<String>, help: &str) {
        self.push(Code::Unreadable, None, title.into(), help);
    }

    /// Whether the file allows such a warning.
    #[must_use]
    pub fn allows(&self, code: Code) -> bool {
        self.allowed.iter().any(|allowed| allowed.code == code)
    }

    /// From here on this warning is not told.
    pub(super) fn allow(&mut self, code: Code, span: Span) {
        self.allowed.push(Allowed { code, span, arose: false });
    }

    /// Tells of what was allowed and did not arise.
    pub(super) fn tell_unused(&mut self) {
        let idle = |allowed: &&Allowed| !allowed.arose && allowed.code.is_of_one_file();
        for Allowed { code, span, .. } in
            self.allowed.iter().filter(idle).cloned().collect::<Vec<_>>()
        {
            let title = format!("nothing here is {code}");
            let help = "remove it, so that it does not hide what comes later";
            self.push(Code::AllowsNothing, Some(span), title, help);
        }
    }

    /// Keeps a secret out of what is shown: its characters become asterisks.
    pub(super) fn hide(&mut self, secret: Span) {
        let Some(text) = self.texts.iter_mut().rfind(|text| text.start <= secret.start) else {
            return;
        };
        let secret = secret.start - text.start..secret.end - text.start;
        if let Some(shown) = text.source.get(secret.clone()) {
            let stars = shown.chars().map(|c| if c == '"' || c == '\'' { c } else { '*' });
            // As many bytes as before: spans shall still fit.
            let stars: String = stars.filter(char::is_ascii).collect();
            let stars = format!("{stars:*<width$}", width = shown.len());
            text.source.replace_range(secret, &stars);
        }
    }

    pub(super) fn sort(&mut self) {
        self.found.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    }

    fn push(&mut self, code: Code, span: Option<Span>, title: String, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.found.push(Problem { code, title, help, span });
    }

    /// The file that a span lies in, and the span within it.
    fn locate(&self, span: &Span) -> (&Text, Span) {
        let text = self.texts.iter().rfind(|text| text.start <= span.start);
        let text = text.unwrap_or(&self.texts[0]);
        (text, span.start - text.start..span.end.max(span.start) - text.start)
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.code.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&problem.title).id(problem.code.text());
        let group = match &problem.span {
            Some(span) => {
                let (text, span) = self.locate(span);
                title.element(
                    Snippet::source(&text.source)
                        .path(&text.path)
                        .annotation(AnnotationKind::Primary.span(visible(&text.source, &span))),
                )
            }
            None => title.element(annotate_snippets::Origin::path(&self.texts[0].path)),
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
        problems.tell(
            Code::Number,
            16..19,
            "`vrid` is 300, but must be 1 to 255",
            "peers of one virtual router share it",
        );
        let expected = "\
error[E0101]: `vrid` is 300, but must be 1 to 255
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
        problems.tell(Code::LongPassword, 12..22, "too long", "");
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
