//! How far a server's clock is from this node's.

use std::time::{Duration, SystemTime};

use super::super::report::Finding;
use super::Seen;

const ITEM: &str = "clock";

/// HTTP tells whole seconds, and an answer takes its time.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Compares, where the server tells its time.
pub(super) fn look(seen: &Seen<'_>) -> Option<Finding> {
    let date = seen.examination.as_ref().ok()?.date.as_ref()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    Some(judge(&seen.subject(), theirs, seen.now))
}

fn judge(subject: &str, theirs: SystemTime, ours: SystemTime) -> Finding {
    let (skew, word) = match theirs.duration_since(ours) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if skew <= TOLERANCE {
        return Finding::ok(ITEM, subject, "as this node's, within 5 s");
    }
    let skew = humantime::format_duration(Duration::from_secs(skew.as_secs()));
    let seen = format!("its clock is {skew} {word} this node's");
    let why = "certificates and tokens are valid by the clock; vipd itself does not go by it";
    Finding::warning(ITEM, subject, seen, why)
        .remedy("timedatectl timesync-status || chronyc tracking")
        .remedy("sudo timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_with_its_direction() {
        let ours = httpdate::parse_http_date("Sat, 21 Nov 2026 14:00:00 GMT").unwrap();
        for (theirs, expected) in [
            ("Sat, 21 Nov 2026 14:00:05 GMT", "as this node's, within 5 s"),
            ("Sat, 21 Nov 2026 13:59:55 GMT", "as this node's, within 5 s"),
            ("Sat, 21 Nov 2026 14:01:10 GMT", "its clock is 1m 10s ahead of this node's"),
            ("Sat, 21 Nov 2026 12:00:00 GMT", "its clock is 2h behind this node's"),
        ] {
            let theirs = httpdate::parse_http_date(theirs).unwrap();
            assert_eq!(judge("a/b", theirs, ours).seen, expected);
        }
    }
}
