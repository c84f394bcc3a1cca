//! What became of every line of what was imported.

use std::collections::BTreeMap;
use std::fmt;

use super::source::{Mistake, Statement};

/// What became of a statement, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It means the same here.
    Translated,
    /// It has no effect here, and nobody misses it.
    Ignored,
    /// It is done here, but not quite alike.
    Different,
    /// It cannot be done here.
    NotSupported,
}

/// One statement and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file's name.
    pub file: String,
    /// Its first line.
    pub line: usize,
    /// Its last line, where the whole block shares its fate.
    pub end: usize,
    /// The statement, secrets left out.
    pub text: String,
    /// The worst that is to be said of it.
    pub kind: Kind,
    /// All that is to be said of it.
    pub notes: Vec<String>,
}

/// File, byte and text: statements on one line are told apart by where they stand, those of a line
/// that a definition was put into by their text.
type Key = (String, usize, String);

/// Everything an import has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    entries: BTreeMap<Key, Entry>,
    /// What was wrong all along.
    pub lints: Vec<String>,
    /// What could not be read: nothing is imported then.
    pub mistakes: Vec<Mistake>,
}

impl Report {
    /// It means the same here.
    pub(super) fn translated(&mut self, statement: &Statement) {
        self.note(statement, Kind::Translated, None);
    }

    /// It has no effect here: `why`.
    pub(super) fn ignored(&mut self, statement: &Statement, why: impl Into<String>) {
        self.note(statement, Kind::Ignored, Some(why.into()));
    }

    /// It is done here, but `how` it differs.
    pub(super) fn different(&mut self, statement: &Statement, how: impl Into<String>) {
        self.note(statement, Kind::Different, Some(how.into()));
    }

    /// It cannot be done here: `why`.
    pub(super) fn unsupported(&mut self, statement: &Statement, why: impl Into<String>) {
        self.note(statement, Kind::NotSupported, Some(why.into()));
    }

    /// `kind` became of it: `words`.
    pub(super) fn say(&mut self, statement: &Statement, kind: Kind, words: impl Into<String>) {
        self.note(statement, kind, Some(words.into()));
    }

    /// The same for the statement and everything in its block.
    pub(super) fn whole(&mut self, statement: &Statement, kind: Kind, why: impl Into<String>) {
        self.note(statement, kind, Some(why.into()));
        if let Some(entry) = self.entries.get_mut(&key(statement)) {
            entry.end = statement.end;
        }
    }

    /// A file that cannot be read that way.
    pub(super) fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// What was wrong all along.
    pub(super) fn lint(&mut self, lint: impl Into<String>) {
        let lint = lint.into();
        if !self.lints.contains(&lint) {
            self.lints.push(lint);
        }
    }

    /// Whether anything cannot be done here.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.entries().any(|entry| entry.kind == Kind::NotSupported)
    }

    /// What became of each statement, in the order of the files' lines.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether anything was said of the statement.
    pub(super) fn knows(&self, statement: &Statement) -> bool {
        self.entries.contains_key(&key(statement))
    }

    /// What was said of the statement.
    pub(super) fn kind(&self, statement: &Statement) -> Option<Kind> {
        self.entries.get(&key(statement)).map(|entry| entry.kind)
    }

    fn note(&mut self, statement: &Statement, kind: Kind, note: Option<String>) {
        let place = statement.place();
        let entry = self.entries.entry(key(statement)).or_insert_with(|| Entry {
            file: place.source.name.clone(),
            line: place.line,
            end: if statement.block.is_none() { statement.end } else { place.line },
            text: statement.shown(),
            kind,
            notes: Vec::new(),
        });
        entry.kind = entry.kind.max(kind);
        entry.notes.extend(note.filter(|note| !entry.notes.contains(note)));
    }

    /// As people read it: what needs a look first; what is right only with `all`.
    #[must_use]
    pub fn shown(&self, all: bool) -> Shown<'_> {
        Shown { report: self, all }
    }
}

/// A report in words.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    report: &'a Report,
    all: bool,
}

impl Shown<'_> {
    fn section(&self, kind: Kind, title: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries = self.report.entries().filter(|entry| entry.kind == kind).peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        writeln!(f, "{title}:")?;
        for entry in entries {
            write!(f, "  {}:{}", entry.file, entry.line)?;
            if entry.end > entry.line {
                write!(f, "-{}", entry.end)?;
            }
            writeln!(f, ": {}", entry.text)?;
            for note in &entry.notes {
                writeln!(f, "      {note}")?;
            }
        }
        Ok(())
    }
}

fn key(statement: &Statement) -> Key {
    let place = statement.place();
    (place.source.name.clone(), place.span.start, statement.shown())
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.report.mistakes {
            write!(f, "{mistake}")?;
        }
        self.section(Kind::NotSupported, "not supported", f)?;
        self.section(Kind::Different, "translated with a difference", f)?;
        if !self.report.lints.is_empty() {
            writeln!(f, "worth knowing:")?;
        }
        for lint in &self.report.lints {
            writeln!(f, "  {lint}")?;
        }
        if self.all {
            self.section(Kind::Ignored, "ignored, for it has no effect here", f)?;
            return self.section(Kind::Translated, "translated", f);
        }
        let count = |kind| self.report.entries().filter(|entry| entry.kind == kind).count();
        let (translated, ignored) = (count(Kind::Translated), count(Kind::Ignored));
        if translated + ignored == 0 {
            return Ok(());
        }
        writeln!(f, "translated: {translated}; without effect here: {ignored} (--all shows them)")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(false).fmt(f)
    }
}
