//! keepalived.conf's grammar, as its `lib/parser.c` has it: lines of words, blocks in braces,
//! comments from `!` or `#` on (within a word as well), quotes, definitions and includes.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use super::expand::{Definitions, conditional, continued, definition, lines, references};
use super::words::{Token, tokens, uncommented};
use crate::Files;
use crate::secrets;
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
    /// Braces without their counterparts, each with what keepalived makes of it.
    pub(super) odd: Vec<(Statement, &'static str)>,
    /// Definitions whose values are secrets.
    secrets: BTreeSet<String>,
}

const SURPLUS: &str = "this `}` closes nothing; keepalived reads on behind it, and so does this";
const NOTHING: &str = "this `{` belongs to nothing; keepalived takes what follows as if it were not there, and so does this";
const UNCLOSED: &str =
    "its block is not closed; keepalived ends it with the file, and so does this";

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
    let Read { done, secrets, .. } = &mut whole.read;
    for line in done {
        let name = definition(line.name()).map(|(name, _)| name.to_owned());
        if let Some(name) = name.filter(|name| secrets.contains(name)) {
            line.words[0].text = format!("${name}={}", secrets::MASK);
        }
    }
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
        reader.end()
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
            self.unfinished = Some((name.to_owned(), value.to_owned(), alone()));
            if !more {
                self.define();
            }
            return Ok(());
        }
        if let Some(secret) = secrets::start(kept) {
            self.whole.read.secrets.extend(references(&kept[secret..]).map(str::to_owned));
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
                    self.odd(place, "{", NOTHING);
                    return Ok(());
                }
                if self.open.len() == DEPTH_LIMIT {
                    return Err(Mistake::at(&place, "too many blocks within blocks", ""));
                }
                self.open.push(mem::take(&mut self.current));
                self.fresh = true;
            }
            Token::Close(place) => match self.open.pop() {
                Some(around) => self.close(around, place.line),
                None => self.odd(place, "}", SURPLUS),
            },
        }
        Ok(())
    }

    /// Ends the block that is read, at `line`; `around` are the statements that it stands in.
    fn close(&mut self, mut around: Vec<Statement>, line: usize) {
        if let Some(statement) = around.last_mut() {
            statement.end = line;
            statement.block = Some(mem::take(&mut self.current));
        }
        self.current = around;
        self.fresh = true;
    }

    fn odd(&mut self, place: Place, text: &str, what: &'static str) {
        let brace = Statement::new(Word { text: text.to_owned(), place });
        self.whole.read.odd.push((brace, what));
        self.fresh = true;
    }

    /// Ends the file, and what is open in it.
    fn end(mut self) -> Result<Vec<Statement>, Mistake> {
        let last = self.source.text.lines().count();
        while let Some(around) = self.open.pop() {
            if let Some(opener) = around.last() {
                // What an included file leaves open goes on behind it.
                if self.depth > 0 {
                    let title = "this block is not closed in its file";
                    return Err(Mistake::at(opener.place(), title, "add a `}`"));
                }
                self.whole.read.odd.push((opener.clone(), UNCLOSED));
            }
            self.close(around, last);
        }
        Ok(self.current)
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
