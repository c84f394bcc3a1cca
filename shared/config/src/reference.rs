//! The page of every key, from the schema and with that from the code's own documentation.

use std::fmt::Write;

use serde_json::Value;

use super::schema::schema;

const HEAD: &str = "\
# Every key of the configuration

Made from the code by `vipd schema --markdown`. A key that stands in no table is at the top of the file.
What is wrong with a value is told by `vipd check`; [codes.md](codes.md) explains each kind of mistake.
";

/// The page, as Markdown.
#[must_use]
pub fn reference() -> String {
    let schema = schema();
    let mut page = HEAD.to_owned();
    table(&schema, &schema, "", &mut page);
    page
}

/// A table's keys, then the tables within it; `path` is how TOML names it.
fn table(schema: &Value, root: &Value, path: &str, page: &mut String) {
    let mut tables = Vec::new();
    let mut rows = String::new();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let within = join(path, key);
        if let Some((inner, many)) = inner(property, root) {
            tables.push((within, inner, many));
            continue;
        }
        let kind = kind(property);
        // Writing to a String cannot fail.
        writeln!(rows, "| `{key}` | {kind} | {} |", sentence(property)).ok();
    }
    if !rows.is_empty() {
        write!(page, "\n| key | type | what |\n|---|---|---|\n{rows}").ok();
    }
    for (path, inner, many) in tables {
        let heading = if many { format!("[[{path}]]") } else { format!("[{path}]") };
        let about = sentence(inner);
        // Documentation names the table first, as the heading does.
        let about = about.split_once("`: ").map_or(about.as_str(), |(_, about)| about);
        writeln!(page, "\n## `{heading}`\n\n{about}").ok();
        table(inner, root, &path, page);
    }
}

/// The table or tables that a key holds.
fn inner<'a>(property: &'a Value, root: &'a Value) -> Option<(&'a Value, bool)> {
    let one = property["allOf"][0]["$ref"].as_str().or(property["$ref"].as_str());
    let many = property["items"]["$ref"].as_str();
    let reference = many.or(one)?;
    let pointer = reference.strip_prefix('#')?;
    Some((root.pointer(pointer)?, many.is_some()))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn kind(property: &Value) -> String {
    let words = property["enum"].as_array().or(property["anyOf"][0]["enum"].as_array());
    if let Some(words) = words {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let kind = match property["type"].as_str() {
        Some("integer") => "number",
        Some("boolean") => "`true` or `false`",
        Some("array") if property["items"]["type"] == "integer" => "list of numbers",
        Some("array") => "list of texts",
        _ => "text",
    };
    match (&property["minimum"], &property["maximum"]) {
        (Value::Null, _) | (_, Value::Null) => kind.to_owned(),
        (least, most) => format!("{kind}, {least} to {most}"),
    }
}

/// The documentation on one line.
fn sentence(documented: &Value) -> String {
    let text = documented["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
