//! `include = ["conf.d/*.toml"]`: tables of other files count as this file's.

use std::net::IpAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::code::Code;
use super::problem::{Problems, Span};

/// Files that one may include.
const MOST: usize = 100;

/// The key at the top of a file.
const KEY: &str = "include";

/// What a configuration may refer to beyond its text.
pub struct Surroundings<'a> {
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The files that a pattern names, or why there are none.
    pub files: &'a dyn Fn(&str) -> Result<Vec<Included>, String>,
    /// The addresses of the host, if it is the node that the configuration is for.
    pub own: &'a [IpAddr],
}

impl Surroundings<'_> {
    /// No environment, no other file, and no host.
    pub(super) const NONE: Self = Self {
        variable: &|_| None,
        files: &|_| Err("nothing can be included here".to_owned()),
        own: &[],
    };
}

/// A file that is included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    /// Stands for it in what is reported.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// The files that `pattern` names from `folder`, in the order of their names.
pub(super) fn matching(folder: &Path, pattern: &str) -> Result<Vec<Included>, String> {
    let absolute = Path::new(pattern).is_absolute();
    let beside = Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(pattern);
    let whole = if absolute { pattern.into() } else { beside.to_string_lossy() };
    let paths = glob::glob(&whole).map_err(|error| format!("this is no pattern: {}", error.msg))?;
    let mut files = Vec::new();
    for path in paths.take(MOST + 1) {
        let path = path.map_err(|error| format!("cannot look there: {error}"))?;
        let name = path.display().to_string();
        let text = super::read_limited(&path);
        let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
        files.push(Included { name, text });
    }
    if files.is_empty() && !pattern.contains(['*', '?', '[']) {
        return Err(format!("there is no file {whole}"));
    }
    Ok(files)
}

/// What `table` includes.
pub(super) fn included(
    table: &DeTable<'_>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> Vec<Included> {
    let mut files = Vec::new();
    // What is no list of texts is told where types are.
    let patterns = table.get(KEY).and_then(|value| value.get_ref().as_array());
    for pattern in patterns.into_iter().flatten() {
        let Some(text) = pattern.get_ref().as_str() else { continue };
        match (surroundings.files)(text) {
            Ok(found) => files.extend(found),
            Err(words) => {
                let help = "a pattern such as \"conf.d/*.toml\", from this file's directory";
                problems.tell(Code::NotIncluded, pattern.span(), words, help);
            }
        }
        if files.len() > MOST {
            let title = format!("more than {MOST} files are included");
            problems.tell(Code::NotIncluded, pattern.span(), title, "a directory by mistake?");
            return Vec::new();
        }
    }
    files
}

/// Brings another file's table in; its places have been moved to where its text begins.
pub(super) fn merge<'a>(into: &mut DeTable<'a>, from: DeTable<'a>, problems: &mut Problems) {
    for (key, value) in from {
        let name = key.get_ref().as_ref();
        if name == KEY {
            let title = "an included file includes no others";
            problems.tell(Code::NotIncluded, key.span(), title, "write it into the file itself");
            continue;
        }
        match (into.get_mut(&key).map(Spanned::get_mut), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(DeValue::Array(there)), value) if value.get_ref().is_array() => {
                if let DeValue::Array(more) = value.into_inner() {
                    more.into_iter().for_each(|element| there.push(element));
                }
            }
            (Some(_), _) => {
                let title = format!("there is a `{name}` in another file already");
                problems.tell(Code::StandsTwice, key.span(), title, "keep one of the two");
            }
        }
    }
}

/// The table with every place moved by `by` bytes.
pub(super) fn moved(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let entry = |(key, value): (Spanned<_>, Spanned<_>)| {
        (Spanned::new(shift(key.span(), by), key.into_inner()), moved_value(value, by))
    };
    table.into_iter().map(entry).collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = shift(value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(array) => {
            DeValue::Array(array.into_iter().map(|element| moved_value(element, by)).collect())
        }
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(span, value)
}

fn shift(span: Span, by: usize) -> Span {
    span.start + by..span.end + by
}
