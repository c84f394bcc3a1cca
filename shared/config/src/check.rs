//! From raw values to typed ones: each wrong value becomes a problem at its place.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::code::Code;
use super::command::NamedProgram;
use super::fault::Fault;
use super::problem::{Problems, Span};
use super::raw::{Given, List, RawFile};
use super::read::{Cut, nearest};
use super::spanned::Spanned;
use ipnet::IpNet;

/// Checks values and remembers what is wrong.
pub(super) struct Check<'a> {
    pub(super) problems: &'a mut Problems,
    /// The programs named so far.
    pub(super) programs: Vec<NamedProgram>,
    cut: Vec<Cut>,
    /// Where each top-level table starts, in bytes, ascending.
    tables: Vec<usize>,
}

impl<'a> Check<'a> {
    pub(super) fn new(file: &RawFile, cut: Vec<Cut>, problems: &'a mut Problems) -> Self {
        let routers = file.vrrp.iter().map(|table| table.span().start);
        let proxies = file.proxy.iter().map(|table| table.span().start);
        let trackers = file.track.iter().map(|table| table.span().start);
        let mut tables: Vec<usize> = routers.chain(proxies).chain(trackers).collect();
        tables.sort_unstable();
        Self { problems, programs: Vec::new(), cut, tables }
    }

    /// A value that must be there.
    pub(super) fn required<T: Debug, U, E: Into<Fault>>(
        &mut self,
        table: &Span,
        key: &str,
        raw: &Given<T>,
        help: &str,
        parse: impl FnOnce(&T) -> Result<U, E>,
    ) -> Option<U> {
        match raw {
            Some(value) => self.value(key, value, help, parse),
            None => {
                self.missing(table, key, help);
                None
            }
        }
    }

    /// A value that may be left out.
    pub(super) fn optional<T: Debug, U, E: Into<Fault>>(
        &mut self,
        key: &str,
        raw: &Given<T>,
        help: &str,
        default: U,
        parse: impl FnOnce(&T) -> Result<U, E>,
    ) -> Option<U> {
        match raw {
            Some(value) => self.value(key, value, help, parse),
            None => Some(default),
        }
    }

    /// The elements of a list, each with its place; those that are wrong are left out.
    pub(super) fn each<U, E: Into<Fault>>(
        &mut self,
        key: &str,
        list: &List,
        help: &str,
        parse: impl Fn(&str) -> Result<U, E>,
    ) -> Vec<Spanned<U>> {
        let elements = list.as_ref().map(|list| list.get_ref().as_slice()).unwrap_or_default();
        let mut good = Vec::new();
        for element in elements {
            match parse(element.get_ref()) {
                Ok(parsed) => good.push(Spanned::new(element.span(), parsed)),
                Err(error) => {
                    let fault = error.into();
                    let title = format!("`{key}` has {:?}, but each {fault}", element.get_ref());
                    self.problems.tell(fault.code, element.span(), title, help);
                }
            }
        }
        good
    }

    /// Says that `key` is missing from `table`, unless it was there and cut out for another mistake.
    pub(super) fn missing(&mut self, table: &Span, key: &str, help: &str) {
        let end =
            self.tables.iter().copied().find(|start| *start > table.start).unwrap_or(usize::MAX);
        let known =
            self.cut.iter().any(|cut| cut.key == key && (table.start..end).contains(&cut.at));
        if !known {
            self.problems.tell(
                Code::MissingKey,
                table.clone(),
                format!("`{key}` is missing"),
                help,
            );
        }
    }

    fn value<T: Debug, U, E: Into<Fault>>(
        &mut self,
        key: &str,
        value: &Spanned<T>,
        help: &str,
        parse: impl FnOnce(&T) -> Result<U, E>,
    ) -> Option<U> {
        match parse(value.get_ref()) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let fault = error.into();
                let title = format!("`{key}` is {:?}, but {fault}", value.get_ref());
                self.problems.tell(fault.code, value.span(), title, help);
                None
            }
        }
    }
}

/// A time such as `100ms` or `1m 30s`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let wrong = "must be a time such as \"100ms\", \"1s\" or \"10m\"";
    humantime::parse_duration(text).map_err(|_| Fault::new(Code::Time, wrong))
}

/// A time within `limits`.
pub(super) fn duration_in(
    limits: RangeInclusive<Duration>,
) -> impl Fn(&String) -> Result<Duration, Fault> {
    move |text| {
        let time = duration(text)?;
        if limits.contains(&time) {
            return Ok(time);
        }
        let [least, most] = [limits.start(), limits.end()]
            .map(|limit| humantime::format_duration(*limit).to_string());
        Err(Fault::new(Code::Time, format!("must be {least} to {most}")))
    }
}

/// A whole number within `limits`.
pub(super) fn count_in(limits: RangeInclusive<u32>) -> impl Fn(&i64) -> Result<u32, Fault> {
    move |number| {
        u32::try_from(*number).ok().filter(|count| limits.contains(count)).ok_or_else(|| {
            let words = format!("must be {} to {}", limits.start(), limits.end());
            Fault::new(Code::Number, words)
        })
    }
}

/// `IP:PORT`.
pub(super) fn endpoint(text: &str) -> Result<SocketAddr, Fault> {
    let wrong = "must be IP:PORT, such as \"192.168.1.1:6443\" or \"[2001:db8::1]:6443\"";
    text.parse::<SocketAddr>()
        .ok()
        .filter(|endpoint| endpoint.port() != 0 && !endpoint.ip().is_multicast())
        .ok_or_else(|| Fault::new(Code::Address, wrong))
}

/// `IP` or `IP/PREFIX`.
pub(super) fn network(text: &str) -> Result<IpNet, Fault> {
    let host = text.parse::<IpAddr>().map(IpNet::from);
    host.or_else(|_| text.parse::<IpNet>())
        .map(|network| network.trunc())
        .map_err(|_| Fault::new(Code::Address, "must be a network, IP or IP/PREFIX"))
}

/// One of a few words.
pub(super) fn word<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&String) -> Result<T, Fault> {
    move |text| {
        if let Some((_, choice)) = choices.iter().find(|(word, _)| word == text) {
            return Ok(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let meant = nearest(text, &words)
            .map(|word| format!("; did you mean \"{word}\"?"))
            .unwrap_or_default();
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        Err(Fault::new(Code::Word, format!("must be {}{meant}", quoted.join(" or "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_limits() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(duration("100").is_err());
        let limited = duration_in(Duration::from_millis(10)..=Duration::from_secs(60));
        assert_eq!(limited(&"10ms".to_owned()), Ok(Duration::from_millis(10)));
        assert_eq!(limited(&"5ms".to_owned()), Err(Fault::new(Code::Time, "must be 10ms to 1m")));
    }

    #[test]
    fn endpoints_have_a_port() {
        assert!(endpoint("[2001:db8::1]:6443").is_ok());
        for wrong in ["192.168.1.1", "192.168.1.1:0", "*:6443", "lb:6443", "224.0.0.18:6443"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_lose_their_host_part() {
        assert_eq!(network("192.168.1.7/24").unwrap().to_string(), "192.168.1.0/24");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert!(network("192.168.1.0/33").is_err());
    }

    #[test]
    fn a_wrong_word_names_the_right_ones() {
        let version = word(&[("auto", 1), ("off", 2)]);
        assert_eq!(version(&"off".to_owned()), Ok(2));
        assert_eq!(
            version(&"of".to_owned()),
            Err(Fault::new(Code::Word, "must be \"auto\" or \"off\"; did you mean \"off\"?"))
        );
    }
}
