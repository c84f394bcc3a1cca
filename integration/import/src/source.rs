//! Foreign configuration text: where every word of it stands, and what cannot be read in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::secrets;

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is called in reports.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// A file of this name and text.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Arc<Self> {
        // The name becomes part of comments, which a line break would end.
        let name = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        Arc::new(Self { name, text: text.to_owned() })
    }

    /// The lines with their number, from 1, and the byte at which each starts.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let mut start = 0;
        self.text.split('\n').enumerate().map(move |(index, line)| {
            let at = start;
            start += line.len() + 1;
            (index + 1, at, line.strip_suffix('\r').unwrap_or(line))
        })
    }
}

/// Some text within a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The line, from 1.
    pub line: usize,
    /// Where, in bytes from the file's start.
    pub span: Range<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A word, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Place,
}

/// A directive: its words, and the block that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// At least one.
    pub(super) words: Vec<Word>,
    /// What stands between its braces, or in its section.
    pub(super) block: Option<Vec<Self>>,
    /// The last line that belongs to it.
    pub(super) end: usize,
}

impl Statement {
    /// A statement that begins with `word`.
    pub(super) fn new(word: Word) -> Self {
        Self { end: word.place.line, words: vec![word], block: None }
    }

    /// Its keyword.
    pub(super) fn name(&self) -> &str {
        self.text(0)
    }

    /// The word at `index`, empty where there is none.
    pub(super) fn text(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.text.as_str())
    }

    /// The words after the keyword.
    pub(super) fn args(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// What stands in its block.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.words[0].place
    }

    /// As it is shown: its words, secrets left out.
    pub(super) fn shown(&self) -> String {
        secrets::masked(&self.said())
    }

    /// Whether it says something that is not to be shown.
    pub(super) fn is_secret(&self) -> bool {
        secrets::start(&self.said()).is_some()
    }

    fn said(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

/// Something that cannot be read, shown at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where; none where a file could not be opened.
    pub place: Option<Place>,
    /// What is wrong.
    pub title: String,
    /// What to write instead; may be empty.
    pub help: String,
}

impl Mistake {
    /// `title` at `place`.
    pub(super) fn at(place: &Place, title: impl Into<String>, help: &str) -> Self {
        Self { place: Some(place.clone()), title: title.into(), help: help.to_owned() }
    }

    /// A value that is not what its keyword takes.
    pub(super) fn value(statement: &Statement, word: &Word, must: &str) -> Self {
        let value = if statement.is_secret() { secrets::MASK } else { &word.text };
        let title = format!("`{}` is {value:?}, but {must}", statement.name());
        Self::at(&word.place, title, "")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = Level::ERROR.primary_title(&self.title);
        let text = self.place.as_ref().map(|place| secrets::blotted(&place.source.text));
        let group = match &self.place {
            Some(place) => title.element(
                Snippet::source(text.unwrap_or_default())
                    .path(&place.source.name)
                    .annotation(AnnotationKind::Primary.span(place.span.clone())),
            ),
            None => title.elements(std::iter::empty::<annotate_snippets::Message<'_>>()),
        };
        let group = if self.help.is_empty() {
            group
        } else {
            group.element(Level::HELP.message(&self.help))
        };
        writeln!(f, "{}", Renderer::plain().render(&[group]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_line_with_a_caret() {
        let source = Source::new("k.conf", "a {\n  priority x\n}\n");
        let place = Place { source, line: 2, span: 15..16 };
        let expected = "\
error: `priority` is \"x\", but must be 1 to 255
 --> k.conf:2:12
  |
2 |   priority x
  |            ^
";
        let mistake = Mistake::at(&place, "`priority` is \"x\", but must be 1 to 255", "");
        assert_eq!(mistake.to_string(), expected);
    }

    #[test]
    fn lines_know_where_they_start() {
        let source = Source::new("x", "ab\r\nc\n");
        let lines: Vec<_> = source.lines().collect();
        assert_eq!(lines, [(1, 0, "ab"), (2, 4, "c"), (3, 6, "")]);
    }
}
