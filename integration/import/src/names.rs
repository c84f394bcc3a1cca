//! Other programs' regular expressions for server names, as patterns of ours.

/// Patterns that a name fits exactly, or nearly, when the expression does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) patterns: Vec<String>,
    /// They fit nearly the same names: what stands for some characters stands for any.
    pub(super) nearly: bool,
}

/// What one expression may become at most.
const MOST: usize = 64;

/// What stands for characters, the longest first, and whether it stands for just those of a `*`.
const RUNS: [(&str, bool); 8] = [
    (".*", true),
    (".+", false),
    ("[^.]+", false),
    ("[^.]*", false),
    ("[^\\.]+", false),
    ("[a-z0-9-]+", false),
    ("[a-z]+", false),
    ("\\w+", false),
];

/// Makes patterns of an expression of letters, dots, runs of any characters and alternatives; none of
/// others.
pub(super) fn of_regex(expression: &str) -> Option<Patterns> {
    let (start, rest) = match expression.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => ("*", expression),
    };
    let (rest, end) = match rest.strip_suffix('$') {
        Some(rest) => (rest, ""),
        None => (rest, "*"),
    };
    let mut nearly = false;
    let mut patterns = vec![start.to_owned()];
    let mut rest = rest;
    while !rest.is_empty() {
        let (choices, after) = piece(rest, &mut nearly)?;
        let product = patterns
            .iter()
            .flat_map(|before| choices.iter().map(move |choice| format!("{before}{choice}")));
        patterns = product.collect();
        if patterns.len() > MOST {
            return None;
        }
        rest = after;
    }
    for pattern in &mut patterns {
        pattern.push_str(end);
        while pattern.contains("**") {
            *pattern = pattern.replace("**", "*");
        }
    }
    Some(Patterns { patterns, nearly })
}

/// Whether a pattern can be written into a configuration.
pub(super) fn can_be_written(pattern: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
    (1..=253).contains(&pattern.len()) && pattern.chars().all(known)
}

/// The first piece of an expression: what it may be, and what follows it.
fn piece<'a>(text: &'a str, nearly: &mut bool) -> Option<(Vec<String>, &'a str)> {
    if let Some((run, exactly)) = RUNS.iter().find(|(run, _)| text.starts_with(run)) {
        *nearly |= !exactly;
        return Some((vec!["*".to_owned()], &text[run.len()..]));
    }
    if let Some(group) = text.strip_prefix("(?:").or_else(|| text.strip_prefix('(')) {
        let (inner, after) = group.split_once(')')?;
        let alone = |choice: &str| {
            let choice = of_regex(&format!("^{choice}$"))?;
            *nearly |= choice.nearly;
            Some(choice.patterns)
        };
        let choices: Option<Vec<Vec<String>>> = inner.split('|').map(alone).collect();
        return plain(after).then_some((choices?.concat(), after));
    }
    let mut letters = text.strip_prefix('\\').unwrap_or(text).chars();
    let (letter, after) = (letters.next()?, letters.as_str());
    let known = letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    // A letter behind a backslash is a class of them.
    let class = text.starts_with('\\') && letter.is_ascii_alphanumeric();
    (known && !class && plain(after)).then(|| (vec![letter.to_string()], after))
}

/// Whether no repetition stands here.
fn plain(after: &str) -> bool {
    !after.starts_with(['?', '*', '+', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_guides_have_become_patterns() {
        for (expression, patterns, nearly) in [
            (r"^api\.example\.com$", vec!["api.example.com"], false),
            (r"\.example\.com$", vec!["*.example.com"], false),
            (r"^.*\.example\.com$", vec!["*.example.com"], false),
            (r"^.+\.example\.com$", vec!["*.example.com"], true),
            (r"^[^.]+\.apps\.example\.com$", vec!["*.apps.example.com"], true),
            ("^api.", vec!["api.*"], false),
            (
                r"^(www|api)\.example\.(com|org)$",
                vec!["www.example.com", "www.example.org", "api.example.com", "api.example.org"],
                false,
            ),
            ("foo", vec!["*foo*"], false),
        ] {
            let patterns = patterns.into_iter().map(str::to_owned).collect();
            assert_eq!(of_regex(expression), Some(Patterns { patterns, nearly }), "{expression}");
        }
    }

    #[test]
    fn others_become_none() {
        for expression in ["a?b", "(a|b", "a{2}", r"\d+x", "[ab]", "a|b", "(a|b)?c", "((a)b)", "é"]
        {
            assert_eq!(of_regex(expression), None, "{expression}");
        }
        assert_eq!(of_regex(&"(a|b)".repeat(7)), None, "128 of them");
    }
}
