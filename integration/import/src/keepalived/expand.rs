//! What makes one line into others: definitions, `~SEQ` and `~LST`, and lines for one node only.

use std::collections::BTreeMap;
use std::ops::Range;

/// Longest text that definitions may make of one line, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;

/// As many definitions may stand in one line, those within their values included.
const REPLACE_LIMIT: usize = 256;

/// Sequences within sequences, and what they are made of.
const DEPTH_LIMIT: usize = 32;

/// As many lines may come of one.
const LINES_LIMIT: usize = 1000;

/// Definitions by their names; a value may have several lines.
pub(super) type Definitions = BTreeMap<String, String>;

/// `$NAME=VALUE`: the name and the beginning of the value.
pub(super) fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().strip_prefix('$')?.split_once('=')?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some((name, value))
}

/// A line of a definition, and whether another follows.
pub(super) fn continued(line: &str) -> (&str, bool) {
    match line.trim_end().strip_suffix('\\') {
        Some(more) => (more.trim(), true),
        None => (line.trim(), false),
    }
}

/// The name and the rest of `@NAME …` or `@^NAME …`, and whether the first is meant.
pub(super) fn conditional(line: &str) -> Option<(&str, &str, bool)> {
    let marked = line.trim_start().strip_prefix('@')?;
    let (name, only) = marked.strip_prefix('^').map_or((marked, true), |name| (name, false));
    let end = name.find(char::is_whitespace).unwrap_or(name.len());
    (end > 0).then(|| (&name[..end], &name[end..], only))
}

/// The lines that come of one; none where it stands for itself.
///
/// # Errors
/// It would not end, in words.
pub(super) fn lines(
    line: &str,
    definitions: &Definitions,
) -> Result<Option<Vec<String>>, &'static str> {
    within(line, definitions, 0)
}

fn within(
    line: &str,
    definitions: &Definitions,
    depth: usize,
) -> Result<Option<Vec<String>>, &'static str> {
    if depth > DEPTH_LIMIT {
        return Err("too many sequences within one another");
    }
    let mut lines = Vec::new();
    let mut add = |line: &str, definitions: &Definitions| {
        match within(line, definitions, depth + 1)? {
            Some(several) => lines.extend(several),
            None => lines.push(line.to_owned()),
        }
        if lines.len() > LINES_LIMIT { Err("this comes to too many lines") } else { Ok(()) }
    };
    if let Some(Sequence { name, values, body }) = sequence(line, definitions)? {
        for value in values {
            let mut inner = definitions.clone();
            inner.insert(name.clone(), value);
            add(body, &inner)?;
        }
        return Ok(Some(lines));
    }
    let Some(text) = defined(line, definitions)? else { return Ok(None) };
    for line in text.lines() {
        add(line, definitions)?;
    }
    Ok(Some(lines))
}

/// The line with the values of its definitions; none where it names none.
fn defined(line: &str, definitions: &Definitions) -> Result<Option<String>, &'static str> {
    let mut text = line.to_owned();
    for replaced in 0..REPLACE_LIMIT {
        let Some((span, value)) = reference(&text, definitions) else {
            return Ok((replaced > 0).then_some(text));
        };
        text.replace_range(span, &value);
        if text.len() > TEXT_LIMIT {
            break;
        }
    }
    Err("the definitions in this line stand for one another")
}

/// The first `$NAME` or `${NAME}` that is defined, and its value.
fn reference(text: &str, definitions: &Definitions) -> Option<(Range<usize>, String)> {
    named(text).find_map(|(span, name)| Some((span, definitions.get(name)?.clone())))
}

/// The names in each `$NAME` and `${NAME}`.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    named(text).map(|(_, name)| name)
}

/// Each `$NAME` and `${NAME}`: where it stands, and the name.
fn named(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices('$').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(braced) => {
                let end = braced.find('}')?;
                (&braced[..end], end + 3)
            }
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let end = end.unwrap_or(rest.len());
                (&rest[..end], end + 1)
            }
        };
        Some((at..at + length, name))
    })
}

/// From arguments to values.
type Counting = fn(&[&str]) -> Option<Vec<String>>;

/// A line that stands for several.
struct Sequence<'a> {
    name: String,
    values: Vec<String>,
    body: &'a str,
}

/// `~SEQ(NAME, FIRST, STEP, LAST) …`, `~SEQx(…) …` or `~LST(NAME, VALUE…) …`.
fn sequence<'a>(
    line: &'a str,
    definitions: &Definitions,
) -> Result<Option<Sequence<'a>>, &'static str> {
    let begins = |start: &str| line.trim_start().strip_prefix(start);
    let kinds: [(&str, Counting); 3] =
        [("~SEQ(", decimal), ("~SEQx(", hexadecimal), ("~LST(", list)];
    let found = kinds.iter().find_map(|(start, values)| Some((begins(start)?, values)));
    let Some((rest, values)) = found else { return Ok(None) };
    let (arguments, body) = rest.split_once(')').ok_or("this `(` is not closed")?;
    let defined = defined(arguments, definitions)?;
    let arguments = defined.as_deref().unwrap_or(arguments).split(',').map(str::trim);
    let arguments: Vec<&str> = arguments.collect();
    let (name, arguments) = arguments.split_first().ok_or("it names no variable")?;
    let values = values(arguments).ok_or("it cannot be counted through")?;
    Ok(Some(Sequence { name: (*name).to_owned(), values, body }))
}

fn decimal(arguments: &[&str]) -> Option<Vec<String>> {
    Some(count(arguments)?.iter().map(i64::to_string).collect())
}

fn hexadecimal(arguments: &[&str]) -> Option<Vec<String>> {
    Some(count(arguments)?.iter().map(|number| format!("{number:x}")).collect())
}

/// Some values; several variables at once are not counted through.
fn list(arguments: &[&str]) -> Option<Vec<String>> {
    let plain = !arguments.is_empty() && !arguments.iter().any(|value| value.contains(['{', '}']));
    plain.then(|| arguments.iter().map(|value| (*value).to_owned()).collect())
}

/// `LAST`, `FIRST, LAST` or `FIRST, STEP, LAST`.
fn count(arguments: &[&str]) -> Option<Vec<i64>> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok(),
    };
    let numbers: Vec<i64> = arguments.iter().map(|text| number(text)).collect::<Option<_>>()?;
    let (first, step, last) = match numbers[..] {
        [last] => (last.signum(), None, last),
        [first, last] => (first, None, last),
        [first, step, last] => (first, Some(step), last),
        _ => return None,
    };
    let step = step.unwrap_or(if last < first { -1 } else { 1 });
    if step == 0 {
        return None;
    }
    let mut counted = Vec::new();
    let mut next = first;
    while (step > 0 && next <= last) || (step < 0 && next >= last) {
        counted.push(next);
        if counted.len() > LINES_LIMIT {
            return None;
        }
        next = next.checked_add(step)?;
    }
    Some(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<String> {
        let definitions = Definitions::from([
            ("NET".to_owned(), "10.0".to_owned()),
            ("BLOCK".to_owned(), "one ${I}\ntwo ${I}".to_owned()),
        ]);
        lines(line, &definitions).unwrap().unwrap_or_else(|| vec![line.to_owned()])
    }

    /// Expected lines are those of keepalived.conf(5), and those that keepalived 2.2 dumps.
    #[test]
    fn lines_are_counted_through_as_keepalived_does() {
        let cases = [
            ("plain", "plain"),
            ("~SEQ(I, 0, 3) $NET.${I}.1", " 10.0.0.1| 10.0.1.1| 10.0.2.1| 10.0.3.1"),
            ("~SEQ(I, 2) a$I", " a1| a2"),
            ("~SEQ(I, -2) a$I", " a-1| a-2"),
            ("~SEQ(I, 3, 1) a$I", " a3| a2| a1"),
            (
                "~SEQx(I, 144, 16, 192) fe80::$I:1",
                " fe80::90:1| fe80::a0:1| fe80::b0:1| fe80::c0:1",
            ),
            ("~SEQ(A, 1, 2) ~LST(B, x, y) $A${B}", " 1x| 1y| 2x| 2y"),
            ("~LST(I, 7) $BLOCK", " one 7|two 7"),
        ];
        for (line, expected) in cases {
            assert_eq!(of(line).join("|").replace("  ", " "), expected, "{line}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        let loops = Definitions::from([("A".to_owned(), "$A".to_owned())]);
        assert!(lines("$A", &loops).is_err());
        assert!(lines(&"~SEQ(I, 1) ".repeat(100_000), &Definitions::new()).is_err());
        for line in
            ["~SEQ(I, 0, 0, 1) x", "~SEQ(I, 0, 9999999) x", "~SEQ(I", "~SEQ(I, x) y", "~LST() x"]
        {
            assert!(lines(line, &Definitions::new()).is_err(), "{line}");
        }
    }

    #[test]
    fn lines_for_one_node() {
        assert_eq!(conditional(" @main priority 1"), Some(("main", " priority 1", true)));
        assert_eq!(conditional("@^main x"), Some(("main", " x", false)));
        assert_eq!(conditional("priority 1"), None);
    }
}
