//! The access line as HAProxy's `option tcplog` writes it.

use std::fmt::{self, Write};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::AccessRecord;
use crate::plan::end::End;

/// HAProxy's configuration manual, 8.2.2: `CLIENT [ACCEPTED] FRONTEND BACKEND/SERVER Tw/Tc/Tt BYTES CODE
/// actconn/feconn/beconn/srv_conn/retries srv_queue/backend_queue`. Time in a queue is part of Tc, and
/// places in queues are not told; the process's connections are those of the proxy. Of a connection that
/// goes on time and bytes have a `+`, as with `option logasap`.
pub(super) fn write(text: &mut String, record: &AccessRecord, wall: SystemTime) -> fmt::Result {
    let accepted = Accepted(wall.checked_sub(record.duration).unwrap_or(wall));
    let routed = record.routed.as_deref().and_then(|routed| routed.proxy.as_ref());
    let (frontend, backend) = (&record.proxy, routed.unwrap_or(&record.proxy));
    let server = record.server.as_ref().map_or("<NOSRV>", |server| server.name.as_str());
    write!(text, "{} [{accepted}] {frontend} {backend}/{server}", record.client)?;
    match record.connect {
        Some(time) => write!(text, " 0/{}", time.as_millis())?,
        None if matches!(record.end, Some(End::QueueFull | End::QueueTimeout)) => {
            text.push_str(" -1/-1")
        }
        None => text.push_str(" 0/-1"),
    }
    let at_server =
        record.server.as_ref().map_or(0, |server| server.counters.live.load(Ordering::Relaxed));
    // Another attempt always goes to another server, which HAProxy marks so.
    let retries = record.attempts.saturating_sub(1);
    let redispatched = if retries > 0 { "+" } else { "" };
    let growing = if record.end.is_none() { "+" } else { "" };
    write!(
        text,
        "/{growing}{} {growing}{} {} {open}/{open}/{others}/{at_server}/{redispatched}{retries} 0/0",
        record.duration.as_millis(),
        record.down,
        record.end.map_or("--", End::code),
        open = record.open,
        others = record.open.saturating_sub(1),
    )
}

/// `21/Nov/2026:19:28:23.443`, in UTC.
struct Accepted(SystemTime);

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        // 2026-11-21T19:28:23.443Z
        let stamp = humantime::format_rfc3339_millis(self.0).to_string();
        let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or_default();
        let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1));
        write!(f, "{}/{}/{}:{}", part(8..10), month.unwrap_or(&"-"), part(0..4), part(11..23))
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::Name;

    use super::*;
    use crate::data::access_line::tests::{long, wall};
    use crate::data::route::{Asked, Routed};

    fn line(record: &AccessRecord) -> String {
        let mut text = String::new();
        write(&mut text, record, wall()).unwrap();
        text
    }

    #[test]
    fn as_haproxy_writes_it() {
        let mut record = long();
        assert_eq!(
            line(&record),
            "192.0.2.1:50000 [21/Nov/2026:19:28:18.442] apiserver apiserver/cp1 0/2/5000 212 -- \
             3/3/2/0/0 0/0"
        );
        record.attempts = 2;
        record.end = None;
        assert!(line(&record).ends_with(" apiserver/cp1 0/2/+5000 +212 -- 3/3/2/0/+1 0/0"));
        record.end = Some(End::ServerReset);
        let proxy = Some(Name::try_from("api").unwrap());
        record.routed = Some(Box::new(Routed { proxy, asked: Asked::Nothing }));
        assert_eq!(
            line(&record),
            "192.0.2.1:50000 [21/Nov/2026:19:28:18.442] apiserver api/cp1 0/2/5000 212 SD \
             3/3/2/0/+1 0/0"
        );
        let nobody = |end, attempts| {
            let (server, connect, down) = (None, None, 0);
            AccessRecord { server, connect, down, end: Some(end), attempts, routed: None, ..long() }
        };
        assert!(
            line(&nobody(End::ConnectFailed, 1))
                .ends_with(" apiserver/<NOSRV> 0/-1/5000 0 SC 3/3/2/0/0 0/0")
        );
        assert!(
            line(&nobody(End::QueueTimeout, 0))
                .ends_with(" apiserver/<NOSRV> -1/-1/5000 0 sQ 3/3/2/0/0 0/0")
        );
    }
}
