//! haproxy.cfg's grammar: sections of lines of words; `#` comments, both kinds of quotes, and
//! backslashes.

use std::ops::Range;
use std::sync::Arc;

use crate::source::{Mistake, Place, Source, Statement, Word};

/// Every keyword that begins a section.
const SECTIONS: [&str; 20] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "mailers",
    "userlist",
    "program",
    "cache",
    "fcgi-app",
    "http-errors",
    "ring",
    "log-forward",
    "crt-store",
    "traces",
    "acme",
    "log-profile",
    "ssl-f-use",
];

/// The sections of `source`, the lines of each as its block.
///
/// # Errors
/// What cannot be read, at its place.
pub(super) fn read(source: &Arc<Source>) -> Result<Vec<Statement>, Mistake> {
    let mut sections: Vec<Statement> = Vec::new();
    for (number, start, line) in source.lines() {
        let place = |span: Range<usize>| Place {
            source: Arc::clone(source),
            line: number,
            span: start + span.start..start + span.end,
        };
        let mut words = words(line, place)?.into_iter();
        let Some(first) = words.next() else { continue };
        let mut statement = Statement::new(first);
        statement.words.extend(words);
        if SECTIONS.contains(&statement.name()) {
            statement.block = Some(Vec::new());
            sections.push(statement);
            continue;
        }
        let Some(section) = sections.last_mut() else {
            let title = format!("`{}` stands before any section", statement.name());
            return Err(Mistake::at(statement.place(), title, "begin with `global` or `defaults`"));
        };
        section.end = number;
        section.block.get_or_insert_default().push(statement);
    }
    Ok(sections)
}

fn words(line: &str, place: impl Fn(Range<usize>) -> Place) -> Result<Vec<Word>, Mistake> {
    let mut words = Vec::new();
    // The word that is read: where it began, and its text.
    let mut word: Option<(usize, String)> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut escaped = false;
    let mut end = line.len();
    for (at, c) in line.char_indices() {
        if !escaped && quote.is_none() {
            if c == '#' {
                end = at;
                break;
            }
            if c.is_whitespace() {
                if let Some((from, text)) = word.take() {
                    words.push(Word { text, place: place(from..at) });
                }
                continue;
            }
        }
        let (_, text) = word.get_or_insert_with(|| (at, String::new()));
        match (c, quote) {
            _ if escaped => {
                escaped = false;
                text.push(c);
            }
            ('\\', None | Some(('"', _))) => escaped = true,
            ('"' | '\'', None) => quote = Some((c, at)),
            (_, Some((mark, _))) if c == mark => quote = None,
            _ => text.push(c),
        }
    }
    if let Some((mark, at)) = quote {
        let help = format!("add a `{mark}`");
        return Err(Mistake::at(&place(at..at + 1), "this quote is not closed", &help));
    }
    if let Some((from, text)) = word {
        words.push(Word { text, place: place(from..end) });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(text: &str) -> Vec<Vec<Vec<String>>> {
        let words = |s: &Statement| s.words.iter().map(|w| w.text.clone()).collect::<Vec<_>>();
        let read = read(&Source::new("h.cfg", text)).unwrap();
        let lines = |s: &Statement| std::iter::once(s).chain(s.inner()).map(words).collect();
        read.iter().map(lines).collect()
    }

    #[test]
    fn quotes_backslashes_and_comments() {
        let text = "listen a # b\n  stats realm Ha\\ Proxy\n x \"a # b\\\"\" 'c\\d' e\\#f#g\n";
        assert_eq!(
            sections(text),
            [vec![
                vec!["listen", "a"],
                vec!["stats", "realm", "Ha Proxy"],
                vec!["x", "a # b\"", "c\\d", "e#f"],
            ]]
        );
    }

    #[test]
    fn what_cannot_be_read_is_shown() {
        let wrong = read(&Source::new("h.cfg", "defaults\n mode \"tcp\n")).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "\
error: this quote is not closed
 --> h.cfg:2:7
  |
2 |  mode \"tcp
  |       ^
  |
  = help: add a `\"`
"
        );
        assert!(read(&Source::new("h.cfg", "mode tcp\n")).is_err());
    }
}
