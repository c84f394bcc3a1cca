//! `${NAME}` in texts: variables of the environment.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Span;

/// A text that cannot be filled in: where it stands, and why.
pub(super) type Unfilled = (Span, String);

/// Puts the environment's values into every text of `table`; returns those that name none.
pub(super) fn fill(
    table: &mut DeTable<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<Unfilled> {
    let mut unfilled = Vec::new();
    for (_, value) in table {
        fill_value(value, variable, &mut unfilled);
    }
    unfilled
}

fn fill_value(
    value: &mut Spanned<DeValue<'_>>,
    variable: &dyn Fn(&str) -> Option<String>,
    unfilled: &mut Vec<Unfilled>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => match expand(text, variable) {
            Ok(expanded) => *text = Cow::Owned(expanded),
            Err(words) => unfilled.push((span, words)),
        },
        DeValue::Table(table) => unfilled.extend(fill(table, variable)),
        DeValue::Array(array) => {
            array.iter_mut().for_each(|element| fill_value(element, variable, unfilled));
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// `$${` is `${` itself.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &found[2..];
            continue;
        }
        let end = found.find('}').ok_or("`${` has no `}`")?;
        let name = &found[2..end];
        if !is_name(name) {
            return Err(format!("{name:?} cannot be a variable's name"));
        }
        let value =
            variable(name).ok_or_else(|| format!("the environment has no variable {name}"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = &found[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_in() {
        let variable = |name: &str| (name == "NODE").then(|| "lb1".to_owned());
        let filled = |text| expand(text, &variable);
        assert_eq!(filled("${NODE}-api-${NODE}"), Ok("lb1-api-lb1".to_owned()));
        // Nothing else is special.
        assert_eq!(filled("$NODE $ {} $$"), Ok("$NODE $ {} $$".to_owned()));
        assert_eq!(filled("$${NODE}"), Ok("${NODE}".to_owned()));
        assert_eq!(filled("${NODE"), Err("`${` has no `}`".to_owned()));
        assert_eq!(filled("${PEER}"), Err("the environment has no variable PEER".to_owned()));
        assert_eq!(filled("${}"), Err("\"\" cannot be a variable's name".to_owned()));
        assert!(filled("${NODE:-x}").is_err());
    }
}
