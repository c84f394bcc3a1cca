//! Reads lines of logfmt as strictly as any parser does.

/// The pairs of a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = line;
    loop {
        let (key, after) = rest.split_once('=').ok_or_else(|| format!("no value: {rest:?}"))?;
        let is_known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if key.is_empty() || !key.bytes().all(is_known) {
            return Err(format!("not a key: {key:?}"));
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => bare_value(after)?,
        };
        pairs.push((key.to_owned(), value));
        match after.strip_prefix(' ') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(pairs),
            None => return Err(format!("no space after {key}: {after:?}")),
        }
    }
}

/// The value, and what comes after it.
fn bare_value(text: &str) -> Result<(String, &str), String> {
    let (value, after) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let is_bare = |char: char| !char.is_control() && !"\"=\\".contains(char);
    if value.is_empty() || !value.chars().all(is_bare) {
        return Err(format!("not a bare value: {value:?}"));
    }
    Ok((value.to_owned(), after))
}

fn quoted_value(text: &str) -> Result<(String, &str), String> {
    let mut escape = false;
    let end = text.find(|char: char| {
        let ends = char == '"' && !escape;
        escape = char == '\\' && !escape;
        ends
    });
    let end = end.ok_or_else(|| format!("no end of {text:?}"))?;
    // Quoted values are strings of JSON.
    let value = serde_json::from_str(&format!("\"{}\"", &text[..end]))
        .map_err(|error| format!("{error}: {:?}", &text[..end]))?;
    Ok((value, &text[end + 1..]))
}

/// Makes sure that every line of a program's output can be read, and that each of its log (not of its access
/// log) has a level and a message.
///
/// # Panics
/// One cannot, or has not.
pub fn check(log: &str) {
    for line in log.lines() {
        let pairs = parse(line).unwrap_or_else(|wrong| panic!("{wrong}\nin {line}"));
        let value =
            |key| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        if value("end").is_none() {
            let level = value("level").unwrap_or_default();
            assert!(["error", "warn", "info"].contains(&level), "{line}");
            assert!(value("msg").is_some_and(|words| !words.is_empty()), "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        parse(line).unwrap()
    }

    #[test]
    fn bare_and_quoted_values() {
        let expected =
            [("level", "warn"), ("router", "api/ipv4"), ("msg", "say \"hi\" \u{1b}[2J\nÄ = \\")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let line = r#"level=warn router=api/ipv4 msg="say \"hi\" \u001b[2J\nÄ = \\""#;
        assert_eq!(pairs(line), expected);
        assert_eq!(pairs(r#"error="""#), [("error".to_owned(), String::new())]);
    }

    #[test]
    fn what_no_parser_takes() {
        let wrong = [
            "",
            "word",
            "=x",
            "a=",
            "a=b ",
            "a=b  c=d",
            " a=b",
            "a=\"b",
            "a=\"b\"c=d",
            "a=b\"c",
            "a=b=c",
            "a=\"\\x\"",
            "a=\"\u{1b}\"",
            "a=b\tc",
            "A=b",
            "a.b=c",
            "2026-11-30T17:23:49Z a=b",
        ];
        for line in wrong {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }
}
