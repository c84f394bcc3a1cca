//! A connection's line in the access log, in the form that is configured.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use config::LogFormat;
use serde::Serialize;

use crate::data::report::{End, Report};
use crate::data::route::Asked;

/// Writes the line of a connection that ended at `wall`, without its end.
pub(crate) fn write(text: &mut String, report: &Report, format: LogFormat, wall: SystemTime) {
    let written = match format {
        LogFormat::Words => write!(text, "{report}"),
        LogFormat::Json => write!(text, "{}", json(report, wall)),
        LogFormat::Haproxy => haproxy(text, report, wall),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
}

/// The keys of a line in JSON. Times are in milliseconds.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    proxy: &'a str,
    client: SocketAddr,
    listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
    server: Option<&'a str>,
    server_addr: Option<String>,
    connect_ms: Option<f64>,
    duration_ms: f64,
    bytes_up: u64,
    bytes_down: u64,
    attempts: u32,
    open: u64,
    end: String,
    haproxy_code: &'static str,
}

fn json(report: &Report, wall: SystemTime) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let routed = report.routed.as_deref();
    let line = Line {
        time: humantime::format_rfc3339_millis(wall).to_string(),
        proxy: report.proxy.as_str(),
        client: report.client,
        listen: report.listen,
        route: routed.and_then(|routed| routed.proxy.as_ref()).map(vocabulary::Name::as_str),
        server_name: routed.and_then(|routed| match &routed.asked {
            Asked::Name(name) => Some(name.as_str()),
            Asked::NotLooked | Asked::Nothing | Asked::Late => None,
        }),
        server: report.server.as_ref().map(|server| server.name.as_str()),
        server_addr: report.server.as_ref().map(|server| server.located.to_string()),
        connect_ms: report.connect.map(millis),
        duration_ms: millis(report.duration),
        bytes_up: report.up,
        bytes_down: report.down,
        attempts: report.attempts,
        open: report.open,
        end: report.outcome(),
        haproxy_code: report.end.map_or("--", End::code),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// HAProxy's configuration manual, 8.2.2: `CLIENT [ACCEPTED] FRONTEND BACKEND/SERVER Tw/Tc/Tt BYTES CODE
/// actconn/feconn/beconn/srv_conn/retries srv_queue/backend_queue`. Time in a queue is part of Tc, and
/// places in queues are not told; the process's connections are those of the proxy. Of a connection that
/// goes on time and bytes have a `+`, as with `option logasap`.
fn haproxy(text: &mut String, report: &Report, wall: SystemTime) -> fmt::Result {
    let accepted = Accepted(wall.checked_sub(report.duration).unwrap_or(wall));
    let routed = report.routed.as_deref().and_then(|routed| routed.proxy.as_ref());
    let (frontend, backend) = (&report.proxy, routed.unwrap_or(&report.proxy));
    let server = report.server.as_ref().map_or("<NOSRV>", |server| server.name.as_str());
    write!(text, "{} [{accepted}] {frontend} {backend}/{server}", report.client)?;
    match report.connect {
        Some(time) => write!(text, " 0/{}", time.as_millis())?,
        None if matches!(report.end, Some(End::QueueFull | End::QueueTimeout)) => {
            text.push_str(" -1/-1")
        }
        None => text.push_str(" 0/-1"),
    }
    let at_server =
        report.server.as_ref().map_or(0, |server| server.counters.live.load(Ordering::Relaxed));
    // Another attempt always goes to another server, which HAProxy marks so.
    let retries = report.attempts.saturating_sub(1);
    let redispatched = if retries > 0 { "+" } else { "" };
    let growing = if report.end.is_none() { "+" } else { "" };
    write!(
        text,
        "/{growing}{} {growing}{} {} {open}/{open}/{others}/{at_server}/{redispatched}{retries} 0/0",
        report.duration.as_millis(),
        report.down,
        report.end.map_or("--", End::code),
        open = report.open,
        others = report.open.saturating_sub(1),
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
    use crate::data::report::tests::served;
    use crate::data::route::Routed;

    /// 2026-11-21T19:28:23.443Z
    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_289_303_443)
    }

    fn report() -> Report {
        Report {
            connect: Some(Duration::from_micros(2_500)),
            duration: Duration::from_micros(5_000_250),
            down: 212,
            attempts: 1,
            open: 3,
            ..served()
        }
    }

    fn line(report: &Report, format: LogFormat) -> String {
        let mut text = String::new();
        write(&mut text, report, format, wall());
        text
    }

    #[test]
    fn as_haproxy_writes_it() {
        let mut report = report();
        assert_eq!(
            line(&report, LogFormat::Haproxy),
            "192.0.2.1:50000 [21/Nov/2026:19:28:18.442] apiserver apiserver/cp1 0/2/5000 212 -- \
             3/3/2/0/0 0/0"
        );
        report.attempts = 2;
        report.end = None;
        assert!(
            line(&report, LogFormat::Haproxy)
                .ends_with(" apiserver/cp1 0/2/+5000 +212 -- 3/3/2/0/+1 0/0")
        );
        report.end = Some(End::ServerReset);
        let proxy = Some(Name::try_from("api").unwrap());
        report.routed = Some(Box::new(Routed { proxy, asked: Asked::Nothing }));
        assert_eq!(
            line(&report, LogFormat::Haproxy),
            "192.0.2.1:50000 [21/Nov/2026:19:28:18.442] apiserver api/cp1 0/2/5000 212 SD \
             3/3/2/0/+1 0/0"
        );
        let nobody = |end, attempts| {
            let (server, connect, down) = (None, None, 0);
            Report {
                server,
                connect,
                down,
                end: Some(end),
                attempts,
                routed: None,
                ..self::report()
            }
        };
        assert!(
            line(&nobody(End::ConnectFailed, 1), LogFormat::Haproxy)
                .ends_with(" apiserver/<NOSRV> 0/-1/5000 0 SC 3/3/2/0/0 0/0")
        );
        assert!(
            line(&nobody(End::QueueTimeout, 0), LogFormat::Haproxy)
                .ends_with(" apiserver/<NOSRV> -1/-1/5000 0 sQ 3/3/2/0/0 0/0")
        );
    }

    #[test]
    fn as_json() {
        let mut report = report();
        assert_eq!(
            line(&report, LogFormat::Json),
            "{\"time\":\"2026-11-21T19:28:23.443Z\",\"proxy\":\"apiserver\",\
             \"client\":\"192.0.2.1:50000\",\"listen\":\"192.0.2.100:6443\",\"server\":\"cp1\",\
             \"server_addr\":\"10.0.0.1:6443\",\"connect_ms\":2.5,\"duration_ms\":5000.25,\
             \"bytes_up\":10,\"bytes_down\":212,\"attempts\":1,\"open\":3,\
             \"end\":\"client_closed\",\"haproxy_code\":\"--\"}"
        );
        let asked = Asked::Name("api.example.com".to_owned());
        let proxy = Some(Name::try_from("api").unwrap());
        report.routed = Some(Box::new(Routed { proxy, asked }));
        let text = line(&report, LogFormat::Json);
        report.end = None;
        assert!(line(&report, LogFormat::Json).contains("\"end\":\"open\""));
        assert!(text.contains("\"route\":\"api\",\"server_name\":\"api.example.com\""), "{text}");
    }
}
