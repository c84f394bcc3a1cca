//! keepalived.conf's grammar, as its `lib/parser.c` has it: lines of words, blocks in braces,
//! comments from `!` or `#` on (within a word as well), quotes, definitions and includes.

use std::mem;
use std::sync::Arc;

use super::expand::{Definitions, conditional, continued, definition, lines};
use crate::Files;
use crate::source::{Mistake, Place, Source, Statement, Word};

/// Blocks within blocks: more is no configuration.
const DEPTH_LIMIT: usize = 32;

/// Files that include files.
const INCLUDE_LIMIT: usize = 8;

const INCLUDES: [&str; 5] = ["include", "includer", "includem", "includew", "includeb"];

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    /// The blocks and keywords.
    pub(super) statements: Vec<Statement>,
    /// Definitions and includes, which have done their work.
    pub(super) done: Vec<Statement>,
    /// Lines that are for a node of another name.
    pub(super) elsewhere: Vec<Statement>,
}

/// What `source` and what it includes say to the node that is called `id`, if it is called anything.
///
/// # Errors
/// What cannot be read, at its place.
pub(super) fn read(
    source: &Arc<Source>,
    id: Option<&str>,
    files: &dyn Files,
) -> Result<Read, Mistake> {
    let mut whole = Whole { id, files, definitions: Definitions::new(), read: Read::default() };
    whole.read.statements = whole.file(source, 0)?;
    Ok(whole.read)
}

/// What all files share.
struct Whole<'a> {
    id: Option<&'a str>,
    files: &'a dyn Files,
    definitions: Definitions,
    read: Read,
}

impl Whole<'_> {
    fn file(&mut self, source: &Arc<Source>, depth: usize) -> Result<Vec<Statement>, Mistake> {
        let (open, current) = (vec![], vec![]);
        let (fresh, unfinished, skipped) = (true, None, 0);
        let mut reader =
            Reader { source, whole: self, depth, open, current, fresh, unfinished, skipped };
        for (number, start, line) in source.lines() {
            reader.line(number, start, line)?;
        }
        reader.define();
        match reader.open.pop() {
            Some(blocks) => {
                let title = "this block is not closed";
                let opener = blocks.last().map(|statement| statement.place().clone());
                let help = "add a `}`".to_owned();
                Err(Mistake { place: opener, title: title.to_owned(), help })
            }
            None => Ok(reader.current),
        }
    }
}

struct Reader<'a, 'b> {
    source: &'a Arc<Source>,
    whole: &'a mut Whole<'b>,
    depth: usize,
    /// The statements around the block that is read, outermost first; each list ends with the
    /// statement whose block is open.
    open: Vec<Vec<Statement>>,
    /// The statements of the block that is read.
    current: Vec<Statement>,
    /// The next word begins a statement.
    fresh: bool,
    /// A definition whose value goes on.
    unfinished: Option<(String, String, Statement)>,
    /// Blocks that are open and for another node.
    skipped: usize,
}

/// Whether a line says anything but where a block ends.
fn telling(line: &str) -> bool {
    !line.trim_matches(|c: char| c.is_whitespace() || "{}".contains(c)).is_empty()
}

/// What a line consists of.
enum Token {
    Word(Word),
    Open(Place),
    Close(Place),
}

impl Reader<'_, '_> {
    fn line(&mut self, number: usize, start: usize, line: &str) -> Result<(), Mistake> {
        let place = |span| Place { source: Arc::clone(self.source), line: number, span };
        let mut kept = uncommented(line);
        let whole = place(start..start + kept.len());
        if let Some((_, value, statement)) = &mut self.unfinished {
            let (text, more) = continued(kept);
            value.push('\n');
            value.push_str(text);
            statement.end = number;
            if !more {
                self.define();
            }
            return Ok(());
        }
        let alone = || Statement::new(Word { text: kept.trim().to_owned(), place: whole.clone() });
        if self.skipped > 0 {
            self.skip(kept);
            self.whole.read.elsewhere.extend(telling(kept).then(alone));
            return Ok(());
        }
        if let Some((id, rest, only)) = conditional(kept) {
            let this = alone();
            if (self.whole.id == Some(id)) != only {
                self.skip(kept);
                self.whole.read.elsewhere.push(this);
                return Ok(());
            }
            self.whole.read.done.push(this);
            kept = rest;
        }
        // What is left of the line, from where it begins.
        let from = start + (whole.span.len() - kept.len());
        if let Some((name, value)) = definition(kept) {
            let (value, more) = continued(value);
            let mut this = alone();
            // Reports never show a secret.
            if name.to_ascii_lowercase().contains("pass") {
                this.words[0].text = format!("${name}=******");
            }
            self.unfinished = Some((name.to_owned(), value.to_owned(), this));
            if !more {
                self.define();
            }
            return Ok(());
        }
        let wrong = |words| Mistake::at(&whole, words, "");
        let Some(several) = lines(kept, &self.whole.definitions).map_err(wrong)? else {
            let tokens = tokens(kept, |span| place(from + span.start..from + span.end))?;
            return self.statements(tokens);
        };
        for line in several {
            // Columns of such a line are nowhere in the file: the whole line is shown.
            self.statements(tokens(&line, |_| whole.clone())?)?;
        }
        Ok(())
    }

    /// Passes a line for another node: a block that begins there is for it as well.
    fn skip(&mut self, line: &str) {
        let count = |brace| line.matches(brace).count();
        self.skipped = (self.skipped + count('{')).saturating_sub(count('}'));
    }

    /// Takes a definition over whose value is complete.
    fn define(&mut self) {
        if let Some((name, value, statement)) = self.unfinished.take() {
            self.whole.definitions.insert(name, value.trim_start_matches('\n').to_owned());
            self.whole.read.done.push(statement);
        }
    }

    /// Reads one line.
    fn statements(&mut self, tokens: Vec<Token>) -> Result<(), Mistake> {
        self.fresh = true;
        for token in tokens {
            self.token(token)?;
        }
        self.include()
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
                self.open.push(mem::take(&mut self.current));
                self.fresh = true;
            }
            Token::Close(place) => {
                let Some(mut around) = self.open.pop() else {
                    return Err(Mistake::at(&place, "this `}` closes nothing", "remove it"));
                };
                if let Some(statement) = around.last_mut() {
                    statement.end = place.line;
                    statement.block = Some(mem::take(&mut self.current));
                }
                self.current = around;
                self.fresh = true;
            }
        }
        Ok(())
    }

    /// If the line that was just read includes files, reads them.
    fn include(&mut self) -> Result<(), Mistake> {
        let includes = |last: &mut Statement| INCLUDES.contains(&last.name());
        let new = !mem::replace(&mut self.fresh, true);
        let Some(statement) = self.current.pop_if(|last| new && includes(last)) else {
            return Ok(());
        };
        let pattern = statement.words.get(1).cloned();
        self.whole.read.done.push(statement);
        let Some(pattern) = pattern else { return Ok(()) };
        if self.depth == INCLUDE_LIMIT {
            return Err(Mistake::at(&pattern.place, "too many files that include files", ""));
        }
        let found = self.whole.files.matching(self.source, &pattern.text).map_err(|error| {
            Mistake::at(&pattern.place, format!("cannot include {}: {error}", pattern.text), "")
        })?;
        for file in found {
            let read = self.whole.file(&file, self.depth + 1)?;
            self.current.extend(read);
        }
        Ok(())
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
