//! From TOML text to the raw file, past every mistake: what is wrong is noted, cut out, and the rest
//! is read again.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::code::Code;
use super::include::{self, Included, Surroundings};
use super::problem::Problems;
use super::raw::RawFile;
use super::variables;

/// Mistakes after which reading stops: a file with more is not a configuration.
const MISTAKE_LIMIT: usize = 100;

/// The key whose value is never shown.
const SECRET: &str = "auth_pass";

/// A file that was read, and the keys that had to be cut out of it.
pub(super) struct Read {
    pub(super) file: RawFile,
    pub(super) cut: Vec<Cut>,
    /// The names of the files that it includes.
    pub(super) included: Vec<String>,
}

/// A key that was there and is not in the raw file, for it or its value is wrong.
pub(super) struct Cut {
    /// The key, or the one it was probably meant to be.
    pub(super) key: String,
    /// Where it stands, in bytes.
    pub(super) at: usize,
}

/// Reads `source` and what it includes; none where nothing useful can be said about what is not syntax.
pub(super) fn read(
    source: &str,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Read> {
    let mut main = table(source, 0, problems)?;
    let mut cut = Vec::new();
    fill(&mut main, surroundings, &mut cut, problems);
    let files = include::included(&main, surroundings, problems);
    // From here on it borrows from them.
    let mut table = main;
    let mut is_toml = true;
    for Included { name, text } in &files {
        let start = problems.add_text(name, text);
        match self::table(text, start, problems) {
            Some(mut more) => {
                fill(&mut more, surroundings, &mut cut, problems);
                include::merge(&mut table, more, problems);
            }
            None => is_toml = false,
        }
    }
    let included = files.iter().map(|file| file.name.clone()).collect();
    if is_toml { raw(table, cut, included, problems) } else { None }
}

/// A file whose text begins at `start` among all.
fn table<'a>(text: &'a str, start: usize, problems: &mut Problems) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let span = span.start + start..span.end + start;
        problems.tell(Code::NotToml, span, syntax_title(error.message()), "");
    }
    errors.is_empty().then(|| include::moved(table.into_inner(), start))
}

/// A text that names no variable is told, and cut out.
fn fill(
    table: &mut DeTable<'_>,
    surroundings: &Surroundings<'_>,
    cut: &mut Vec<Cut>,
    problems: &mut Problems,
) {
    for (span, words) in variables::fill(table, surroundings.variable) {
        let help = "set it where vipd is started, as with Environment= in its unit; `$${` stands for `${` itself";
        let key = cut_from_table(table, &span);
        if key.as_deref() == Some(SECRET) {
            problems.hide(span.clone());
            let title = "this names no variable of the environment";
            problems.tell(Code::NoVariable, span.clone(), title, help);
        } else {
            problems.tell(Code::NoVariable, span.clone(), words, help);
        }
        cut.extend(key.map(|key| Cut { key, at: span.start }));
    }
}

/// The structs, past every mistake.
fn raw(
    mut table: DeTable<'_>,
    mut cut: Vec<Cut>,
    included: Vec<String>,
    problems: &mut Problems,
) -> Option<Read> {
    for _ in 0..MISTAKE_LIMIT {
        let error = match RawFile::deserialize(deserializer(&table)) {
            Ok(file) => return Some(Read { file, cut, included }),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let Explained { code, title, help, meant } = explain(error.message());
        let Some(key) = cut_from_table(&mut table, &span) else {
            problems.tell(code, span, title, &help);
            return None;
        };
        if key == SECRET {
            problems.hide(span.clone());
            problems.tell(Code::WrongType, span.clone(), "this must be a text in quotes", "");
        } else {
            problems.tell(code, span.clone(), title, &help);
        }
        cut.push(Cut { key: meant.unwrap_or(key), at: span.start });
    }
    None
}

fn deserializer<'a>(table: &DeTable<'a>) -> Deserializer<'a> {
    // The place of the whole is asked by nobody.
    Deserializer::from(Spanned::new(0..0, table.clone()))
}

fn syntax_title(message: &str) -> String {
    format!("this is not TOML: {message}")
}

/// serde's words in ours.
struct Explained {
    code: Code,
    title: String,
    help: String,
    /// For an unknown key, the one that was probably meant.
    meant: Option<String>,
}

fn explain(message: &str) -> Explained {
    // serde's words for an unknown key: "unknown field `x`, expected one of `a`, `b`".
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut words = rest.split('`').skip(1).step_by(2);
        let unknown = words.next().unwrap_or_default();
        let known: Vec<&str> = words.collect();
        let meant = nearest(unknown, &known);
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("here can stand: {}", known.join(", ")),
        };
        let title = format!("there is no key `{unknown}` here");
        let meant = meant.map(str::to_owned);
        return Explained { code: Code::UnknownKey, title, help, meant };
    }
    let title = wrong_type(message);
    Explained { code: Code::WrongType, title, help: String::new(), meant: None }
}

/// serde's "invalid type: string "x", expected i64" in words that do not need Rust.
fn wrong_type(message: &str) -> String {
    let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "i64" => "a whole number",
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in [ ]",
        other if other.starts_with("struct") => "a table",
        other => other,
    };
    format!("this is {found}, but must be {expected}")
}

/// The known word closest to `word`, if any is close.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let closeness = |candidate: &&&str| (strsim::jaro_winkler(word, candidate) * 1000.0).round();
    known
        .iter()
        .filter(|candidate| closeness(candidate) >= 800.0)
        .max_by(|a, b| closeness(a).total_cmp(&closeness(b)))
        .copied()
}

/// Removes the key or value that stands at `span`; returns the key.
fn cut_from_table(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let found = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    if let Some((key, _)) = found {
        let key = key.clone();
        table.remove(&key);
        return Some(key.into_inner().into_owned());
    }
    table.iter_mut().find_map(|(key, value)| cut_from_value(key.get_ref(), value, span))
}

fn cut_from_value(
    key: &str,
    value: &mut Spanned<DeValue<'_>>,
    span: &Range<usize>,
) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => cut_from_table(table, span),
        DeValue::Array(array) => cut_from_array(key, array, span),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

fn cut_from_array(key: &str, array: &mut DeArray<'_>, span: &Range<usize>) -> Option<String> {
    if let Some(position) = array.iter().position(|element| element.span() == *span) {
        let kept: Vec<_> = array
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != position)
            .map(|(_, e)| e.clone())
            .collect();
        *array = DeArray::new();
        kept.into_iter().for_each(|element| array.push(element));
        return Some(key.to_owned());
    }
    array.iter_mut().find_map(|element| cut_from_value(key, element, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(source: &str) -> Vec<String> {
        let mut problems = Problems::new("t", source);
        read(source, &Surroundings::NONE, &mut problems);
        problems.found().iter().map(|problem| problem.title.clone()).collect()
    }

    #[test]
    fn every_mistake_is_found_in_one_go() {
        let source = "\
[[vrrp]]
vird = 51
priority = \"high\"
addresses = [\"10.0.0.1\", 7]
[[proxy]]
check = { https = \"/readyz\", fal = 3 }
colour = 'red'
";
        let mut found = titles(source);
        found.sort();
        assert_eq!(
            found,
            [
                "there is no key `colour` here",
                "there is no key `fal` here",
                "there is no key `vird` here",
                "this is integer `7`, but must be a text in quotes",
                "this is string \"high\", but must be a whole number",
            ]
        );
    }

    #[test]
    fn what_is_right_survives_what_is_wrong() {
        let source = "[[vrrp]]\nvird = 51\nname = \"a\"\naddresses = [\"10.0.0.1\", 7]\n";
        let read = read(source, &Surroundings::NONE, &mut Problems::new("t", source)).unwrap();
        let router = read.file.vrrp[0].get_ref();
        assert_eq!(router.name.as_ref().unwrap().get_ref(), "a");
        assert_eq!(router.addresses.as_ref().unwrap().get_ref().len(), 1);
        // `vird` was meant to be `vrid`: nobody shall be told that `vrid` is missing as well.
        let mut cut: Vec<_> = read.cut.iter().map(|cut| cut.key.as_str()).collect();
        cut.sort_unstable();
        assert_eq!(cut, ["addresses", "vrid"]);
    }

    #[test]
    fn several_syntax_errors_are_told_at_once() {
        assert_eq!(titles("a = \nb = 'x\n").len(), 2);
    }

    #[test]
    fn near_words_are_near() {
        assert_eq!(nearest("vird", &["name", "vrid", "version"]), Some("vrid"));
        assert_eq!(nearest("leastconn", &["round_robin", "least_conn"]), Some("least_conn"));
        assert_eq!(nearest("colour", &["name", "vrid"]), None);
    }
}
