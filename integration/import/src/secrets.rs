//! What reports never show: passwords, tokens, and whatever else a line says to prove who one is.
//!
//! Rather too much is left out than too little: from where the first secret of a line begins, all of it.

/// What stands in the place of a secret.
pub(super) const MASK: &str = "******";

/// Names that stand before a secret, or parts of such names.
const NAMES: [&str; 14] = [
    "passwd",
    "password",
    "passphrase",
    "auth_pass",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "authorization",
    "x-auth",
    "credential",
    "cookie-key",
    "pwd",
];

/// The same where only `NAME: VALUE` and `NAME=VALUE` are meant.
const ASSIGNED: [&str; 4] = ["pass", "cookie", "auth", "key"];

/// Words of HAProxy's checks and statistics before what is sent or must be known, each after another word.
const AFTER: [(&str, &str, usize); 10] = [
    ("stats", "auth", 1),
    ("tcp-check", "send", 1),
    ("tcp-check", "send-lf", 1),
    ("tcp-check", "send-binary", 1),
    ("tcp-check", "send-binary-lf", 1),
    ("http-check", "hdr", 2),
    ("http-check", "hdr-lf", 2),
    ("http-check", "body", 1),
    ("http-check", "body-lf", 1),
    ("server", "agent-send", 1),
];

/// Options of programs that scripts run; what they say stands behind them, or in the same word.
const OPTIONS: [(&str, &[&str]); 8] = [
    ("curl", &["-u", "--user", "-U", "--proxy-user", "-b", "--cookie"]),
    ("wget", &["--user", "--http-user"]),
    ("mysql", &["-p"]),
    ("mariadb", &["-p"]),
    ("redis-cli", &["-a", "--pass"]),
    ("valkey-cli", &["-a", "--pass"]),
    ("sshpass", &["-p"]),
    ("ldapsearch", &["-w"]),
];

/// The text without what is secret in it.
pub(super) fn masked(text: &str) -> String {
    match start(text) {
        Some(at) => format!("{}{MASK}", &text[..at]),
        None => text.to_owned(),
    }
}

/// The same, with as many bytes as before: what stands at a place still does.
pub(super) fn blotted(text: &str) -> String {
    let lines = text.split('\n').map(|line| match start(line) {
        Some(at) => format!("{}{}", &line[..at], "*".repeat(line.len() - at)),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the first secret of a line begins.
pub(super) fn start(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let words = words(&lower);
    let found = [
        named(&lower, &words),
        assigned(&lower),
        after(&words),
        option(&lower, &words),
        url(&lower),
        scheme(&lower),
    ];
    found.into_iter().flatten().filter(|at| *at < text.len()).min()
}

/// The words of a line and where they begin.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split(char::is_whitespace) {
        if !word.is_empty() {
            words.push((at, word));
        }
        // All that `is_whitespace` splits by in such files is a byte long; another only begins later.
        at += word.len() + text[at + word.len()..].chars().next().map_or(0, char::len_utf8);
    }
    words
}

/// A name alone: the next word is the secret.
fn named(text: &str, words: &[(usize, &str)]) -> Option<usize> {
    let is = |word: &str| {
        let name = word.trim_matches(|c: char| "\"'-:$".contains(c));
        !name.contains(['/', '=', ':', '.']) && NAMES.iter().any(|secret| name.contains(secret))
    };
    let at = words.iter().position(|(_, word)| is(word))?;
    words.get(at + 1).map(|(start, _)| *start).filter(|start| *start < text.len())
}

/// `NAME=VALUE` and `NAME: VALUE`.
fn assigned(text: &str) -> Option<usize> {
    text.match_indices(['=', ':']).find_map(|(at, sign)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let name = text[..at].rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        let secret = NAMES.iter().chain(&ASSIGNED).any(|secret| name.contains(secret));
        let value = &text[at + 1..];
        // `key:` in an address or a path says nothing.
        let begins = sign == "=" || value.starts_with([' ', '\\']);
        let blank = value.len() - value.trim_start_matches([' ', '\\']).len();
        (secret && begins).then_some(at + 1 + blank)
    })
}

fn after(words: &[(usize, &str)]) -> Option<usize> {
    let (_, first) = words.first()?;
    words.iter().enumerate().find_map(|(at, (_, word))| {
        let (.., skip) = AFTER.iter().find(|(begins, name, _)| first == begins && word == name)?;
        words.get(at + skip).map(|(start, _)| *start)
    })
}

fn option(text: &str, words: &[(usize, &str)]) -> Option<usize> {
    let known = OPTIONS.iter().filter(|(program, _)| text.contains(program));
    let options: Vec<&str> = known.flat_map(|(_, options)| *options).copied().collect();
    words.iter().enumerate().find_map(|(at, (start, word))| {
        let option = options.iter().find(|option| {
            let rest = word.strip_prefix(**option);
            rest.is_some_and(|rest| rest.is_empty() || !option.starts_with("--"))
        })?;
        match word.len() == option.len() {
            true => words.get(at + 1).map(|(start, _)| *start),
            false => Some(start + option.len()),
        }
    })
}

/// `SCHEME://USER:PASSWORD@HOST`.
fn url(text: &str) -> Option<usize> {
    text.match_indices("://").find_map(|(at, sign)| {
        let host = &text[at + sign.len()..];
        let end = host.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(host.len());
        host[..end].contains('@').then_some(at + sign.len())
    })
}

/// `Basic …` and `Bearer …`.
fn scheme(text: &str) -> Option<usize> {
    ["basic ", "bearer ", "basic\\ ", "bearer\\ "]
        .iter()
        .filter_map(|scheme| text.find(scheme).map(|at| at + scheme.len()))
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_secret_is_left_out() {
        for (line, shown) in [
            ("auth_pass 42", "auth_pass ******"),
            ("auth_type PASS", "auth_type PASS"),
            ("$VRRP_PASS=geheim", "$VRRP_PASS=******"),
            ("$AUTH=geheim", "$AUTH=******"),
            ("$IF=eth0", "$IF=eth0"),
            ("stats auth admin:geheim", "stats auth ******"),
            ("stats uri /stats", "stats uri /stats"),
            ("user x insecure-password y", "user x insecure-password ******"),
            ("setenv REDIS_PASSWORD geheim", "setenv REDIS_PASSWORD ******"),
            ("tcp-check send AUTH geheim\\r\\n", "tcp-check send ******"),
            ("tcp-check send-binary 0a0b", "tcp-check send-binary ******"),
            ("tcp-check expect string +OK", "tcp-check expect string +OK"),
            (
                "http-check send meth GET uri /h hdr Authorization Basic Zm9v",
                "http-check send meth GET uri /h hdr Authorization ******",
            ),
            ("http-check send hdr X-Vault-Key abc", "http-check send hdr X-Vault-Key ******"),
            ("http-check send meth POST body a=b", "http-check send meth POST body ******"),
            (
                "option httpchk GET / HTTP/1.1\r\nAuthorization: Basic Zm9v",
                "option httpchk GET / HTTP/1.1\r\nAuthorization: ******",
            ),
            ("option httpchk GET /h?token=abc", "option httpchk GET /h?token=******"),
            ("option httpchk GET /healthz", "option httpchk GET /healthz"),
            ("server a 10.0.0.1:80 agent-send abc", "server a 10.0.0.1:80 agent-send ******"),
            ("cookie SRV insert dynamic", "cookie SRV insert dynamic"),
            ("dynamic-cookie-key geheim", "dynamic-cookie-key ******"),
            ("script curl -sk -u admin:geheim https://h/", "script curl -sk -u ******"),
            ("script curl -uadmin:geheim https://h/", "script curl -u******"),
            ("script curl https://a:b@h/", "script curl https://******"),
            (
                "script curl -H 'Authorization: Bearer abc' h",
                "script curl -H 'Authorization: ******",
            ),
            ("script curl -H 'Cookie: id=abc' h", "script curl -H 'Cookie: ******"),
            ("script mysql -uroot -pgeheim -e x", "script mysql -uroot -p******"),
            ("script redis-cli -a geheim ping", "script redis-cli -a ******"),
            ("script /x.sh --password=geheim", "script /x.sh --password=******"),
            ("script /x.sh --token geheim", "script /x.sh --token ******"),
            ("script env PGPASSWORD=geheim psql", "script env PGPASSWORD=******"),
            ("script nc -z -w 2 10.0.0.1 80", "script nc -z -w 2 10.0.0.1 80"),
            ("notify /etc/check_password.sh a", "notify /etc/check_password.sh a"),
            ("proxy_set_header X-Api-Key abc", "proxy_set_header X-Api-Key ******"),
        ] {
            assert_eq!(masked(line), shown, "{line}");
        }
    }

    #[test]
    fn what_is_left_out_leaves_its_room() {
        assert_eq!(blotted("a\n auth_pass 4ü\nb"), "a\n auth_pass ***\nb");
    }
}
