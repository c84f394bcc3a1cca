//! keepalived.conf's grammar, as its `lib/parser.c` has it: lines of words, blocks in braces,
//! comments from `!` or `#` on (within a word as well), quotes, definitions and includes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::import::Files;
use crate::import::source::{Mistake, Place, Source, Statement, Word};

/// Blocks within blocks: more is no configuration.
const DEPTH_LIMIT: usize = 32;

/// Files that include files.
const INCLUDE_LIMIT: usize = 8;

/// Longest text that definitions may make of one line, in bytes.
const LINE_LIMIT: usize = 64 * 1024;

/// As many definitions may stand in one line, those within their values included.
const REPLACE_LIMIT: usize = 256;

const INCLUDES: [&str; 5] = ["include", "includer", "includem", "includew", "includeb"];

/// The statements of `source` and of what it includes.
///
/// # Errors
/// What cannot be read, at its place.
pub(super) fn read(source: &Arc<Source>, files: &dyn Files) -> Result<Vec<Statement>, Mistake> {
    let mut definitions = BTreeMap::new();
    read_file(source, files, &mut definitions, 0)
}

fn read_file(
    source: &Arc<Source>,
    files: &dyn Files,
    definitions: &mut BTreeMap<String, String>,
    depth: usize,
) -> Result<Vec<Statement>, Mistake> {
    let mut reader = Reader { source, definitions, open: vec![], current: vec![], fresh: true };
    for (number, start, line) in source.lines() {
        reader.line(number, start, line)?;
        reader.include(files, depth)?;
    }
    match reader.open.pop() {
        Some(blocks) => {
            let title = "this block is not closed";
            let opener = blocks.last().map(|statement| statement.place().clone());
            Err(Mistake { place: opener, title: title.to_owned(), help: "add a `}`".to_owned() })
        }
        None => Ok(reader.current),
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    definitions: &'a mut BTreeMap<String, String>,
    /// The statements around the block that is read, outermost first; each list ends with the
    /// statement whose block is open.
    open: Vec<Vec<Statement>>,
    /// The statements of the block that is read.
    current: Vec<Statement>,
    /// The next word begins a statement.
    fresh: bool,
}

/// What a line consists of.
enum Token {
    Word(Word),
    Open(Place),
    Close(Place),
}

impl Reader<'_> {
    fn line(&mut self, number: usize, start: usize, line: &str) -> Result<(), Mistake> {
        let place = |span| Place { source: Arc::clone(self.source), line: number, span };
        let kept = uncommented(line);
        let whole = place(start..start + kept.len());
        self.fresh = true;
        if let Some((name, value)) = definition(kept) {
            if value.ends_with('\\') {
                let title = "a definition of several lines cannot be imported";
                return Err(Mistake::at(&whole, title, "write its value where it is used"));
            }
            self.definitions.insert(name.to_owned(), value.to_owned());
            let word = Word { text: kept.trim().to_owned(), place: whole };
            self.current.push(Statement::new(word));
            return Ok(());
        }
        let expanded = self.expanded(kept, &whole)?;
        let tokens = match &expanded {
            // Columns of the expanded line are nowhere in the file: the whole line is shown.
            Some(expanded) => tokens(expanded, |_| whole.clone())?,
            None => tokens(kept, |span| place(start + span.start..start + span.end))?,
        };
        for token in tokens {
            self.token(token)?;
        }
        Ok(())
    }

    fn token(&mut self, token: Token) -> Result<(), Mistake> {
        match token {
            Token::Word(word) if self.fresh => {
                self.fresh = false;
                self.current.push(Statement::new(word));
            }
            Token::Word(word) => {
                if let Some(statement) = self.current.last_mut() {
                    statement.words.push(word);
                }
            }
            Token::Open(place) => {
                let takes = self.current.last().is_some_and(|last| last.block.is_none());
                if !takes {
                    let title = "this block belongs to nothing";
                    return Err(Mistake::at(&place, title, "write its keyword before the `{`"));
                }
                if self.open.len() == DEPTH_LIMIT {
                    return Err(Mistake::at(&place, "too many blocks within blocks", ""));
                }
                self.open.push(std::mem::take(&mut self.current));
                self.fresh = true;
            }
            Token::Close(place) => {
                let Some(mut around) = self.open.pop() else {
                    return Err(Mistake::at(&place, "this `}` closes nothing", "remove it"));
                };
                if let Some(statement) = around.last_mut() {
                    statement.end = place.line;
                    statement.block = Some(std::mem::take(&mut self.current));
                }
                self.current = around;
                self.fresh = true;
            }
        }
        Ok(())
    }

    /// If the line that was just read includes files, reads them.
    fn include(&mut self, files: &dyn Files, depth: usize) -> Result<(), Mistake> {
        let Some(statement) = self.current.last() else { return Ok(()) };
        let new = !self.fresh && INCLUDES.contains(&statement.name());
        let (true, Some(pattern)) = (new, statement.words.get(1)) else { return Ok(()) };
        let pattern = pattern.clone();
        if depth == INCLUDE_LIMIT {
            return Err(Mistake::at(&pattern.place, "too many files that include files", ""));
        }
        let found = files.matching(self.source, &pattern.text).map_err(|error| {
            Mistake::at(&pattern.place, format!("cannot include {}: {error}", pattern.text), "")
        })?;
        for file in found {
            let read = read_file(&file, files, self.definitions, depth + 1)?;
            self.current.extend(read);
        }
        Ok(())
    }

    /// The line with the values of its definitions; none where it names none.
    fn expanded(&self, line: &str, whole: &Place) -> Result<Option<String>, Mistake> {
        let mut text = line.to_owned();
        for replaced in 0..REPLACE_LIMIT {
            let Some((span, value)) = reference(&text, self.definitions) else {
                return Ok((replaced > 0).then_some(text));
            };
            text.replace_range(span, &value);
            if text.len() > LINE_LIMIT {
                break;
            }
        }
        Err(Mistake::at(whole, "the definitions in this line stand for one another", ""))
    }
}

/// The line without its comment.
fn uncommented(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '!' | '#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

/// `$NAME=VALUE`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().strip_prefix('$')?.split_once('=')?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some((name, value.trim()))
}

/// The first `$NAME` or `${NAME}` that is defined, and its value.
fn reference(
    text: &str,
    definitions: &BTreeMap<String, String>,
) -> Option<(std::ops::Range<usize>, String)> {
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(braced) => {
                let Some(end) = braced.find('}') else { continue };
                (&braced[..end], end + 3)
            }
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let end = end.unwrap_or(rest.len());
                (&rest[..end], end + 1)
            }
        };
        if let Some(value) = definitions.get(name) {
            return Some((at..at + length, value.clone()));
        }
    }
    None
}

fn tokens(
    line: &str,
    place: impl Fn(std::ops::Range<usize>) -> Place,
) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some(&(at, c)) = rest.peek() {
        match c {
            _ if c.is_whitespace() => {
                rest.next();
            }
            '{' | '}' => {
                rest.next();
                let here = place(at..at + 1);
                tokens.push(if c == '{' { Token::Open(here) } else { Token::Close(here) });
            }
            _ => {
                let (text, end) = word(line, at).ok_or_else(|| {
                    Mistake::at(&place(at..line.len()), "this quote is not closed", "add a `\"`")
                })?;
                while rest.next_if(|(position, _)| *position < end).is_some() {}
                tokens.push(Token::Word(Word { text, place: place(at..end) }));
            }
        }
    }
    Ok(tokens)
}

/// The word at `start` without its quotes, and where it ends; none where a quote is not closed.
fn word(line: &str, start: usize) -> Option<(String, usize)> {
    let (mut text, mut quoted, mut escaped) = (String::new(), false, false);
    let mut reference = false;
    for (at, c) in line[start..].char_indices() {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            // `${NAME}` of an unknown name is one word, to be complained of as such.
            '{' if text.ends_with('$') => {
                reference = true;
                text.push(c);
            }
            '}' if reference => {
                reference = false;
                text.push(c);
            }
            '{' | '}' if !quoted => return Some((text, start + at)),
            _ if !quoted && c.is_whitespace() => return Some((text, start + at)),
            _ => text.push(c),
        }
    }
    (!quoted).then_some((text, line.len()))
}
