//! Values of logfmt: bare where every parser takes them so, else in quotes, with what a terminal or a parser
//! would act on escaped.

use std::fmt::{self, Write as _};

/// Bytes of a value that are written; a line stays below what the journal splits (48 KiB).
const LIMIT: usize = 8 * 1024;

/// A value, to be written after `key=`.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(pub &'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0;
        let text = &whole[..whole.floor_char_boundary(LIMIT)];
        let cut = text.len() < whole.len();
        if !cut && !text.is_empty() && text.chars().all(is_bare) {
            return f.write_str(text);
        }
        f.write_char('"')?;
        text.chars().try_for_each(|char| escaped(f, char))?;
        f.write_str(if cut { "…\"" } else { "\"" })
    }
}

fn is_bare(char: char) -> bool {
    !char.is_whitespace()
        && !matches!(char, '"' | '=' | '\\' | char::REPLACEMENT_CHARACTER)
        && !acts(char)
}

/// As in a string of JSON, which is what parsers of logfmt undo.
fn escaped(f: &mut fmt::Formatter<'_>, char: char) -> fmt::Result {
    match char {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        _ if acts(char) => write!(f, "\\u{:04x}", u32::from(char)),
        _ => f.write_char(char),
    }
}

/// What moves a cursor, ends a line, or turns the direction of writing.
fn acts(char: char) -> bool {
    let marks = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}');
    let turns = marks || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_bare_or_quoted() {
        let table = [
            ("api", "api"),
            ("10.77.0.100/24", "10.77.0.100/24"),
            ("[2001:db8::1]:6443", "[2001:db8::1]:6443"),
            ("1.5µs", "1.5µs"),
            ("up→down", "up→down"),
            ("", r#""""#),
            ("became Active", r#""became Active""#),
            ("a=b", r#""a=b""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"C:\x", r#""C:\\x""#),
            ("one\ntwo\r\n", r#""one\ntwo\r\n""#),
            ("x\ty", r#""x\ty""#),
            ("\0", r#""\u0000""#),
            ("\x1b[2J\x07", r#""\u001b[2J\u0007""#),
            ("\x7f", r#""\u007f""#),
            ("\u{9b}31m", r#""\u009b31m""#),
            ("a\u{a0}b", "\"a\u{a0}b\""),
            ("\u{202e}gnp.exe", r#""\u202egnp.exe""#),
            ("a\u{2028}b", r#""a\u2028b""#),
            ("eth\u{fffd}", "\"eth\u{fffd}\""),
            ("x\" level=error msg=\"y", r#""x\" level=error msg=\"y""#),
        ];
        for (value, written) in table {
            assert_eq!(Value(value).to_string(), written, "{value:?}");
        }
    }

    #[test]
    fn a_long_value_is_cut_between_two_characters() {
        let written = Value(&"ä".repeat(10_000)).to_string();
        assert_eq!((written.len(), written.chars().count()), (8_192 + 2 + 3, 4_096 + 2 + 1));
        assert!(written.starts_with("\"ä") && written.ends_with("ä…\""));
        assert_eq!(Value(&"a".repeat(8_192)).to_string().len(), 8_192);
        assert_eq!(Value(&"\n".repeat(9_000)).to_string().len(), 2 * 8_192 + 2 + 3);
    }
}
