//! nginx.conf's grammar: directives that end with `;` or have a block, `#` comments, quotes.

use std::sync::Arc;

use crate::Files;
use crate::source::{Mistake, Place, Source, Statement, Word};

/// Blocks within blocks: more is no configuration.
const DEPTH_LIMIT: usize = 32;

/// Files that include files.
const INCLUDE_LIMIT: usize = 8;

/// The directives of `source` and of what it includes.
///
/// # Errors
/// What cannot be read, at its place.
pub(super) fn read(source: &Arc<Source>, files: &dyn Files) -> Result<Vec<Statement>, Mistake> {
    read_file(source, files, 0)
}

fn read_file(
    source: &Arc<Source>,
    files: &dyn Files,
    depth: usize,
) -> Result<Vec<Statement>, Mistake> {
    let mut reader = Reader { files, depth, open: vec![], current: vec![], words: vec![] };
    for token in Tokens::new(source) {
        reader.token(token?)?;
    }
    if let Some(word) = reader.words.first() {
        return Err(Mistake::at(&word.place, "this directive does not end", "add a `;`"));
    }
    match reader.open.pop() {
        Some((_, words)) => {
            Err(Mistake::at(&words[0].place, "this block is not closed", "add a `}`"))
        }
        None => Ok(reader.current),
    }
}

enum Token {
    Word(Word),
    End(Place),
    Open(Place),
    Close(Place),
}

struct Reader<'a> {
    files: &'a dyn Files,
    depth: usize,
    /// Around the block that is read: the directives before it, and the words of the one it belongs to.
    open: Vec<(Vec<Statement>, Vec<Word>)>,
    current: Vec<Statement>,
    /// The directive that is read.
    words: Vec<Word>,
}

impl Reader<'_> {
    fn token(&mut self, token: Token) -> Result<(), Mistake> {
        match token {
            Token::Word(word) => self.words.push(word),
            Token::End(place) => {
                let words = std::mem::take(&mut self.words);
                // A `;` alone is no directive, and does no harm.
                let Some(first) = words.first() else { return Ok(()) };
                let include = first.text == "include";
                let pattern = words.get(1).cloned();
                self.current.push(Statement { words, block: None, end: place.line });
                if let (true, Some(pattern)) = (include, pattern) {
                    self.include(&pattern)?;
                }
            }
            Token::Open(place) => {
                if self.words.is_empty() {
                    let title = "this block belongs to nothing";
                    return Err(Mistake::at(&place, title, "write its directive before the `{`"));
                }
                if self.open.len() == DEPTH_LIMIT {
                    return Err(Mistake::at(&place, "too many blocks within blocks", ""));
                }
                let around = std::mem::take(&mut self.current);
                self.open.push((around, std::mem::take(&mut self.words)));
            }
            Token::Close(place) => {
                if let Some(word) = self.words.first() {
                    let title = "this directive does not end";
                    return Err(Mistake::at(&word.place, title, "add a `;`"));
                }
                let Some((around, words)) = self.open.pop() else {
                    return Err(Mistake::at(&place, "this `}` closes nothing", "remove it"));
                };
                let block = Some(std::mem::replace(&mut self.current, around));
                self.current.push(Statement { words, block, end: place.line });
            }
        }
        Ok(())
    }

    fn include(&mut self, pattern: &Word) -> Result<(), Mistake> {
        if self.depth == INCLUDE_LIMIT {
            return Err(Mistake::at(&pattern.place, "too many files that include files", ""));
        }
        // Tables of media types are for HTTP, and are often not at hand.
        if pattern.text.ends_with("mime.types") {
            return Ok(());
        }
        let found = self.files.matching(&pattern.place.source, &pattern.text).map_err(|error| {
            Mistake::at(&pattern.place, format!("cannot include {}: {error}", pattern.text), "")
        })?;
        for file in found {
            self.current.extend(read_file(&file, self.files, self.depth + 1)?);
        }
        Ok(())
    }
}

/// The tokens of a file; the first mistake ends them.
struct Tokens<'a> {
    source: &'a Arc<Source>,
    /// What is not read yet, in bytes from the file's start.
    at: usize,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self { source, at: 0, line: 1 }
    }

    fn place(&self, end: usize, line: usize) -> Place {
        Place { source: Arc::clone(self.source), line, span: self.at..end }
    }

    /// Passes spaces and comments.
    fn skip(&mut self) {
        let mut comment = false;
        for c in self.source.text[self.at..].chars() {
            match c {
                '\n' => {
                    comment = false;
                    self.line += 1;
                }
                '#' => comment = true,
                _ if comment || c.is_whitespace() => {}
                _ => return,
            }
            self.at += c.len_utf8();
        }
    }

    /// The word that begins here, and where it ends.
    fn word(&mut self) -> Result<Word, Mistake> {
        let began = self.line;
        let (mut text, mut quote, mut escaped) = (String::new(), None, false);
        let mut end = self.source.text.len();
        for (offset, c) in self.source.text[self.at..].char_indices() {
            let stops = c.is_whitespace() || matches!(c, ';' | '{' | '}');
            match (c, quote) {
                _ if escaped => {
                    escaped = false;
                    text.push(c);
                }
                ('\\', _) => escaped = true,
                ('"' | '\'', None) if text.is_empty() => quote = Some(c),
                (_, Some(mark)) if c == mark => quote = None,
                // `${name}` is part of the word.
                ('{', None) if text.ends_with('$') => text.push(c),
                ('}', None) if text.contains("${") => text.push(c),
                (_, None) if stops => {
                    end = self.at + offset;
                    break;
                }
                _ => text.push(c),
            }
            self.line += usize::from(c == '\n');
        }
        if let Some(mark) = quote {
            let place = self.place(self.at + 1, began);
            self.at = self.source.text.len();
            let help = format!("add a `{mark}`");
            return Err(Mistake::at(&place, "this quote is not closed", &help));
        }
        let word = Word { text, place: self.place(end, began) };
        self.at = end;
        Ok(word)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Mistake>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip();
        let c = self.source.text[self.at..].chars().next()?;
        let token: fn(Place) -> Token = match c {
            ';' => Token::End,
            '{' => Token::Open,
            '}' => Token::Close,
            _ => return Some(self.word().map(Token::Word)),
        };
        let place = self.place(self.at + 1, self.line);
        self.at += 1;
        Some(Ok(token(place)))
    }
}
