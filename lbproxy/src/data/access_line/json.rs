//! The access line as a JSON object.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::AccessRecord;
use crate::data::route::Asked;
use crate::plan::end::End;

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
    end: &'static str,
    haproxy_code: &'static str,
}

/// The line, without its end, of a connection that ended at `wall`.
pub(super) fn line(record: &AccessRecord, wall: SystemTime) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let routed = record.routed.as_deref();
    let line = Line {
        time: humantime::format_rfc3339_millis(wall).to_string(),
        proxy: record.proxy.as_str(),
        client: record.client,
        listen: record.listen,
        route: routed.and_then(|routed| routed.proxy.as_ref()).map(vocabulary::Name::as_str),
        server_name: routed.and_then(|routed| match &routed.asked {
            Asked::Name(name) => Some(name.as_str()),
            Asked::NotLooked | Asked::Nothing | Asked::Late => None,
        }),
        server: record.server.as_ref().map(|server| server.name.as_str()),
        server_addr: record.server.as_ref().map(|server| server.located.to_string()),
        connect_ms: record.connect.map(millis),
        duration_ms: millis(record.duration),
        bytes_up: record.up,
        bytes_down: record.down,
        attempts: record.attempts,
        open: record.open,
        end: record.outcome(),
        haproxy_code: record.end.map_or("--", End::code),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use vocabulary::Name;

    use super::*;
    use crate::data::access_line::tests::{long, wall};
    use crate::data::route::Routed;

    #[test]
    fn as_json() {
        let mut record = long();
        assert_eq!(
            line(&record, wall()),
            "{\"time\":\"2026-11-21T19:28:23.443Z\",\"proxy\":\"apiserver\",\
             \"client\":\"192.0.2.1:50000\",\"listen\":\"192.0.2.100:6443\",\"server\":\"cp1\",\
             \"server_addr\":\"10.0.0.1:6443\",\"connect_ms\":2.5,\"duration_ms\":5000.25,\
             \"bytes_up\":10,\"bytes_down\":212,\"attempts\":1,\"open\":3,\
             \"end\":\"client_closed\",\"haproxy_code\":\"--\"}"
        );
        let asked = Asked::Name("api.example.com".to_owned());
        let proxy = Some(Name::try_from("api").unwrap());
        record.routed = Some(Box::new(Routed { proxy, asked }));
        let text = line(&record, wall());
        record.end = None;
        assert!(line(&record, wall()).contains("\"end\":\"open\""));
        assert!(text.contains("\"route\":\"api\",\"server_name\":\"api.example.com\""), "{text}");
    }
}
