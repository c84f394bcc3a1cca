//! What an HTTP answer to a check means. Pure.

use config::HttpCheck;

use super::outcome::{Outcome, Verdict};

/// Of what was read so much is shown, in bytes.
const EXCERPT: usize = 100;

/// What an HTTP answer means.
pub(super) fn judge(check: &HttpCheck, status: u16, body: &[u8]) -> Outcome {
    let mut words = format!("GET {} answered {status}", check.path);
    let holds = |text: &String| body.windows(text.len().max(1)).any(|part| part == text.as_bytes());
    let lacking = check.expect_body.as_ref().filter(|text| !text.is_empty() && !holds(text));
    if check.expect.contains(status) && lacking.is_none() {
        return Outcome::new(Verdict::Pass, words);
    }
    let excerpt = excerpt(body);
    if !excerpt.is_empty() {
        words = format!("{words} {excerpt:?}");
    }
    if let (true, Some(text)) = (check.expect.contains(status), lacking) {
        words = format!("{words} without {text:?}");
        return Outcome::new(Verdict::NotReady, words);
    }
    // The server works; it only does not tell strangers how it is (`--anonymous-auth=false`).
    let denied = matches!(status, 401 | 403);
    let verdict = if denied { Verdict::Pass } else { Verdict::NotReady };
    Outcome { denied, ..Outcome::new(verdict, words) }
}

/// The beginning of a body as printable text.
fn excerpt(body: &[u8]) -> String {
    let text: String = body
        .iter()
        .take(EXCERPT)
        .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use config::Statuses;

    use super::*;

    fn http(path: &str, expect: u16) -> HttpCheck {
        let expect = Statuses::new(vec![expect..=expect]);
        HttpCheck { path: path.to_owned(), expect, expect_body: None, token_file: None }
    }

    #[test]
    fn several_statuses_may_be_expected() {
        let expect = Statuses::new(vec![200..=399, 429..=429]);
        let check = HttpCheck { expect, ..http("/", 200) };
        for (status, verdict) in [
            (199, Verdict::NotReady),
            (200, Verdict::Pass),
            (399, Verdict::Pass),
            (400, Verdict::NotReady),
            (429, Verdict::Pass),
        ] {
            assert_eq!(judge(&check, status, b"").verdict, verdict, "{status}");
        }
    }

    #[test]
    fn a_body_may_have_to_hold_a_text() {
        let check = HttpCheck { expect_body: Some("ok".to_owned()), ..http("/", 200) };
        let table = [
            (200, "all is ok here", Verdict::Pass, "GET / answered 200"),
            (200, "", Verdict::NotReady, "GET / answered 200 without \"ok\""),
            (200, "o k", Verdict::NotReady, "GET / answered 200 \"o k\" without \"ok\""),
            (500, "ok", Verdict::NotReady, "GET / answered 500 \"ok\""),
        ];
        for (status, body, verdict, words) in table {
            let outcome = judge(&check, status, body.as_bytes());
            assert_eq!(outcome, Outcome::new(verdict, words));
        }
    }

    #[test]
    fn statuses_and_what_they_mean() {
        let check = http("/readyz", 200);
        let table = [
            (200, Verdict::Pass, false, "GET /readyz answered 200"),
            (401, Verdict::Pass, true, "GET /readyz answered 401 \"[-]etcd failed\""),
            (403, Verdict::Pass, true, "GET /readyz answered 403 \"[-]etcd failed\""),
            (500, Verdict::NotReady, false, "GET /readyz answered 500 \"[-]etcd failed\""),
            (301, Verdict::NotReady, false, "GET /readyz answered 301 \"[-]etcd failed\""),
        ];
        for (status, verdict, denied, words) in table {
            let outcome = judge(&check, status, b"[-]etcd\x1b failed\n");
            assert_eq!(outcome, Outcome { denied, ..Outcome::new(verdict, words) });
        }
        let expects_401 = http("/", 401);
        assert!(!judge(&expects_401, 401, b"").denied);
    }

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt(&[b'x'; 5000]).len(), 100);
        assert_eq!(excerpt(b"a\r\n\x00b\xff"), "a b");
    }
}
