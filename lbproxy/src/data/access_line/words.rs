//! The access line in words: `proxy=… client=… end=…`.

use std::fmt::{self, Write};
use std::time::Duration;

use super::AccessRecord;
use crate::data::route::{Asked, Routed};

/// Writes the line.
pub(super) fn write(text: &mut String, record: &AccessRecord) -> fmt::Result {
    write!(text, "proxy={} client={} listen={}", record.proxy, record.client, record.listen)?;
    if let Some(Routed { proxy, asked }) = record.routed.as_deref() {
        match proxy {
            Some(proxy) => write!(text, " route={proxy}")?,
            None => text.write_str(" route=-")?,
        }
        match asked {
            Asked::Name(name) => write!(text, " server_name={name}")?,
            Asked::NotLooked | Asked::Nothing | Asked::Late => text.write_str(" server_name=-")?,
        }
    }
    match &record.server {
        Some(server) => write!(text, " server={} server_addr={}", server.name, server.located)?,
        None => text.write_str(" server=- server_addr=-")?,
    }
    match record.connect {
        Some(time) => write!(text, " connect_ms={}", Millis(time))?,
        None => text.write_str(" connect_ms=-")?,
    }
    write!(
        text,
        " duration_ms={} bytes_up={} bytes_down={} attempts={} end={}",
        Millis(record.duration),
        record.up,
        record.down,
        record.attempts,
        record.outcome()
    )
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::Name;

    use super::*;
    use crate::data::access_line::tests::served;
    use crate::plan::end::End;

    fn line(record: &AccessRecord) -> String {
        let mut text = String::new();
        write(&mut text, record).unwrap();
        text
    }

    #[test]
    fn a_line_looks_like_this() {
        let mut record = served();
        assert_eq!(
            line(&record),
            "proxy=apiserver client=192.0.2.1:50000 listen=192.0.2.100:6443 server=cp1 \
             server_addr=10.0.0.1:6443 connect_ms=0.412 duration_ms=61000.007 bytes_up=10 \
             bytes_down=20 attempts=2 end=client_closed"
        );
        let name = Asked::Name("api.example.com".to_owned());
        let proxy = Some(Name::try_from("api").unwrap());
        record.routed = Some(Box::new(Routed { proxy, asked: name }));
        let text = line(&record);
        let told = " listen=192.0.2.100:6443 route=api server_name=api.example.com server=cp1 ";
        assert!(text.contains(told), "{text}");
        record.routed = Some(Box::default());
        assert!(line(&record).contains(" route=- server_name=- server=cp1 "));
        record.server = None;
        record.connect = None;
        record.end = Some(End::NoBackend);
        let text = line(&record);
        assert!(text.contains(" server=- server_addr=- connect_ms=- "), "{text}");
    }
}
