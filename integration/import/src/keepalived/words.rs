//! From a line to its words, as keepalived splits it: plainly, and for commands with quotes and escapes.

use std::ops::Range;

use crate::source::{Mistake, Place, Word};

/// What a line consists of.
pub(super) enum Token {
    Word(Word),
    Open(Place),
    Close(Place),
}

/// Keywords behind which keepalived reads a line a second time, as a shell would.
fn is_command(keyword: &str) -> bool {
    const COMMANDS: [&str; 6] =
        ["script", "misc_path", "quorum_up", "quorum_down", "startup_script", "shutdown_script"];
    let notifies = keyword.starts_with("notify") && !keyword.ends_with("_fifo");
    notifies || keyword.ends_with("notify_fifo_script") || COMMANDS.contains(&keyword)
}

/// The line without its comment.
pub(super) fn uncommented(line: &str) -> &str {
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

/// The tokens of a line; `place` says where a part of it stands.
///
/// # Errors
/// A quote that is not closed, at its place.
pub(super) fn tokens(
    line: &str,
    place: impl Fn(Range<usize>) -> Place,
) -> Result<Vec<Token>, Mistake> {
    let unclosed = |at: usize, quote: char| {
        let help = format!("add a `{quote}`");
        Mistake::at(&place(at..line.len()), "this quote is not closed", &help)
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut command = false;
    let mut first = true;
    while let Some(c) = line[at..].chars().next() {
        match c {
            _ if c.is_whitespace() => at += c.len_utf8(),
            '{' | '}' => {
                let here = place(at..at + 1);
                tokens.push(if c == '{' { Token::Open(here) } else { Token::Close(here) });
                at += 1;
                first = true;
            }
            _ => {
                let read = if command && !first {
                    escaped(&line[at..segment(line, at)])
                } else {
                    plain(&line[at..])
                };
                let (text, length) = read.map_err(|quote| unclosed(at, quote))?;
                if first {
                    command = is_command(&text);
                }
                first = false;
                tokens.push(Token::Word(Word { text, place: place(at..at + length) }));
                at += length;
            }
        }
    }
    Ok(tokens)
}

/// Where the part of the line ends that begins at `start`: braces count unless they stand in double quotes.
fn segment(line: &str, start: usize) -> usize {
    let mut quoted = false;
    for (at, c) in line[start..].char_indices() {
        match c {
            '"' => quoted = !quoted,
            '{' | '}' if !quoted && !line[..start + at].ends_with('$') => return start + at,
            _ => {}
        }
    }
    line.len()
}

/// The first word of `text` and its length: it ends at a blank, a brace or a quote, and there are no escapes.
///
/// # Errors
/// The quote that is not closed.
fn plain(text: &str) -> Result<(String, usize), char> {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').ok_or('"')?;
        return Ok((quoted[..end].to_owned(), end + 2));
    }
    // `${NAME}` of an unknown name is one word, to be complained of as such.
    let mut reference = false;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => reference = true,
            '}' if reference => reference = false,
            '{' | '}' | '"' => return Ok((text[..at].to_owned(), at)),
            _ if c.is_whitespace() => return Ok((text[..at].to_owned(), at)),
            _ => {}
        }
    }
    Ok((text.to_owned(), text.len()))
}

/// The words of a command, as keepalived's `alloc_strvec_quoted_escaped` has them: quotes of both kinds, and
/// C's escapes in and out of them.
///
/// # Errors
/// The quote that is not closed; a backslash for one that nothing follows.
pub(super) fn split(text: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, length) = escaped(rest)?;
        words.push(word);
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

/// The first word of `text` and its length.
fn escaped(text: &str) -> Result<(String, usize), char> {
    let mut word = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match quote {
            _ if c == '\\' => {
                let (byte, length) = escape(&text[at + 1..]).ok_or('\\')?;
                word.extend(byte);
                at += length;
            }
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => break,
            _ => word.extend_from_slice(&text.as_bytes()[at..at + c.len_utf8()]),
        }
        at += c.len_utf8();
    }
    match quote {
        Some(open) => Err(open),
        None => Ok((String::from_utf8_lossy(&word).into_owned(), at)),
    }
}

/// What a backslash and `text` behind it stand for, and how much of `text` belongs to it.
fn escape(text: &str) -> Option<(Vec<u8>, usize)> {
    let c = text.chars().next()?;
    // More digits than a byte has are shifted out of it.
    let number = |digits: &str, radix: u32| {
        let value = digits.chars().filter_map(|digit| digit.to_digit(radix));
        value.fold(0_u32, |sum, digit| (sum * radix + digit) & 0xff)
    };
    let run = |from: usize, radix: u32, most: usize| {
        let digits = text[from..].bytes().take(most);
        from + digits.take_while(|byte| char::from(*byte).is_digit(radix)).count()
    };
    let byte = |value: u32| vec![u8::try_from(value).unwrap_or_default()];
    match c {
        'x' if run(1, 16, 1) > 1 => {
            let end = run(1, 16, usize::MAX);
            Some((byte(number(&text[1..end], 16)), end))
        }
        'c' if text.len() > 1 => Some((byte(u32::from(text.as_bytes()[1] & 0x1f)), 2)),
        '0'..='7' => {
            let end = run(0, 8, 3);
            Some((byte(number(&text[..end], 8)), end))
        }
        _ => {
            let named = "abefnrtv".find(c).map(|at| b"\x07\x08\x1b\x0c\n\r\t\x0b"[at]);
            let literal = || text.as_bytes()[..c.len_utf8()].to_vec();
            Some((named.map_or_else(literal, |byte| vec![byte]), c.len_utf8()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Source;

    fn of(line: &str) -> Result<Vec<String>, String> {
        let source = Source::new("k.conf", line);
        let place = |span| Place { source: Arc::clone(&source), line: 1, span };
        let tokens = tokens(uncommented(line), place).map_err(|mistake| mistake.title)?;
        Ok(tokens
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => word.text,
                Token::Open(_) => "{".to_owned(),
                Token::Close(_) => "}".to_owned(),
            })
            .collect())
    }

    /// Expected words are those that keepalived 2.2.7 has in its dump.
    #[test]
    fn lines_are_split_as_keepalived_splits_them() {
        for (line, words) in [
            ("auth_pass \"a b\"", &["auth_pass", "a b"][..]),
            ("auth_pass 'x y'", &["auth_pass", "'x", "y'"]),
            ("auth_pass a\"b\"", &["auth_pass", "a", "b"]),
            (r"auth_pass a\b\\c", &["auth_pass", r"a\b\\c"]),
            ("auth_pass \"a#b!\" # c", &["auth_pass", "a#b!"]),
            ("auth_pass \"a{b\"", &["auth_pass", "a{b"]),
            ("auth_pass ab}", &["auth_pass", "ab", "}"]),
            ("group { a b } x", &["group", "{", "a", "b", "}", "x"]),
            ("interface ${IF}", &["interface", "${IF}"]),
        ] {
            assert_eq!(
                of(line),
                Ok(words.iter().map(|word| (*word).to_owned()).collect()),
                "{line}"
            );
        }
        assert_eq!(of("interface \"eth0"), Err("this quote is not closed".to_owned()));
    }

    /// What keepalived 2.2.7 runs, by its dump: it splits the first word of a line once more.
    #[test]
    fn commands_are_split_twice_as_keepalived_splits_them() {
        for (line, words) in [
            (r#"script "/bin/echo a b""#, &["/bin/echo", "a", "b"][..]),
            (r#"script '/bin/echo a b'"#, &["/bin/echo", "a", "b"]),
            (r#"script "/bin/echo 'a b' c""#, &["/bin/echo", "a b", "c"]),
            (r#"script '/bin/echo "a b" c'"#, &["/bin/echo", "a b", "c"]),
            (r#"script "/bin/echo \"a b\" c""#, &["/bin/echo", "a b", "c"]),
            (r#"script "/bin/echo \\\"a b\\\" c""#, &["/bin/echo", "\"a", "b\"", "c"]),
            (r#"script "/bin/echo a#b !c""#, &["/bin/echo", "a#b", "!c"]),
            (r#"script "/bin/echo a" # comment"#, &["/bin/echo", "a"]),
            (r"script /bin/echo\ a\ b", &["/bin/echo", "a", "b"]),
            (r#"script "/bin/ec"ho" a b""#, &["/bin/echo", "a", "b"]),
            (r#"script /bin/"echo x y""#, &["/bin/echo", "x", "y"]),
            (r#"script "/bin/echo \$HOME ${HOME}""#, &["/bin/echo", "$HOME", "${HOME}"]),
            (r#"script "/bin/echo a\tb""#, &["/bin/echo", "a", "b"]),
            (r#"script "/bin/echo {a} }""#, &["/bin/echo", "{a}", "}"]),
            (r#"script "/bin/echo \x41 \101 \cA\x4141""#, &["/bin/echo", "A", "A", "\u{1}A"]),
            (r#"script "  /bin/echo   a    b  ""#, &["/bin/echo", "a", "b"]),
            (r#"script "/bin/echo '' x""#, &["/bin/echo", "", "x"]),
            (r#"script /bin/echo a b"#, &["/bin/echo"]),
            (r#"notify_master '/bin/echo "a b"' nobody"#, &["/bin/echo", "a b"]),
        ] {
            let first = of(line).unwrap().swap_remove(1);
            assert_eq!(split(&first).unwrap(), words, "{line}");
        }
        for line in ["script '/bin/echo a#b'", "script '/bin/echo {a}'", "script \"/bin/echo"] {
            assert_eq!(of(line), Err("this quote is not closed".to_owned()), "{line}");
        }
        assert_eq!(split("/bin/echo 'a"), Err('\''));
    }
}
