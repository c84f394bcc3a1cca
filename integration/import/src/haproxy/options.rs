//! What a `server` or a `default-server` line may say: each option with its arity and its effect.

use std::net::IpAddr;
use std::time::Duration;

use self::Effect::{Says, Sets};
use super::time::time;
use crate::report::{Kind, Report};
use crate::source::{Mistake, Statement, Word};

/// What options a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) check: bool,
    pub(super) check_ssl: bool,
    pub(super) verify_none: bool,
    pub(super) ca: Option<String>,
    pub(super) check_sni: Option<String>,
    pub(super) check_port: Option<u16>,
    pub(super) interval: Option<Duration>,
    pub(super) fast_interval: Option<Duration>,
    pub(super) down_interval: Option<Duration>,
    pub(super) slow_start: Option<Duration>,
    pub(super) user_timeout: Option<Duration>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
    observe: bool,
    error_limit: Option<u32>,
    /// The version of the PROXY header that it is sent.
    pub(super) send_proxy: Option<&'static str>,
    pub(super) weight: Option<u32>,
    pub(super) source: Option<IpAddr>,
    pub(super) max_connections: Option<u32>,
    pub(super) ends_sessions: bool,
    pub(super) agent: bool,
    pub(super) agent_port: Option<u16>,
    pub(super) agent_interval: Option<Duration>,
    /// `[BACKEND/]SERVER`.
    pub(super) track: Option<String>,
    pub(super) backup: bool,
    pub(super) disabled: bool,
}

impl Options {
    /// Failed connections that count as a failed check: HAProxy's default is 10.
    pub(super) fn error_limit(&self) -> Option<u32> {
        self.observe.then(|| self.error_limit.unwrap_or(10))
    }
}

/// Why a value is not taken over as it is.
enum Fault {
    /// It must be something else.
    Must(&'static str),
    /// It is done, but otherwise.
    Different(&'static str),
    /// It cannot be done.
    Unsupported(&'static str),
}

type Outcome = Result<(), Fault>;

/// What an option does.
enum Effect {
    /// It changes what is known of the server, by its value if it has one.
    Sets(fn(&mut Options, &str) -> Outcome),
    /// It is only spoken of.
    Says(Kind, &'static str),
}

const TIME: Fault = Fault::Must("a time");
const PORT: Fault = Fault::Must("a port");
const NUMBER: Fault = Fault::Must("a whole number");
const WEIGHT: Fault = Fault::Must("a whole number of 0 to 256");
const SOURCE: Fault = Fault::Unsupported("it is one address, without a port");
const ON_ERROR: Fault =
    Fault::Different("too many errors count as one failed check, and the next comes at once");
const OBSERVES: Fault = Fault::Unsupported("only connections are observed: `layer4`");

const HTTP: &str = "it is for HTTP only";
const LOOKED_UP: &str = "names are looked up as the system does it";
const ANYWAY: &str = "it is what a server is anyway";
const SPARES: &str = "it only spares time";
const NO_CHECK: &str = "a check has no such thing";
const NO_SERVER: &str = "a server has no such thing";

/// Keyword, how many words follow it, effect.
const OPTIONS: [(&str, usize, Effect); 73] = [
    ("addr", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("agent-addr", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("agent-check", 0, Sets(|own, _| set(&mut own.agent, true))),
    ("agent-inter", 1, Sets(|own, value| some(&mut own.agent_interval, time(value), TIME))),
    ("agent-port", 1, Sets(|own, value| some(&mut own.agent_port, port(value), PORT))),
    ("agent-send", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("allow-0rtt", 0, Says(Kind::Ignored, SPARES)),
    ("alpn", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("backup", 0, Sets(|own, _| set(&mut own.backup, true))),
    ("ca-file", 1, Sets(|own, value| set(&mut own.ca, Some(value.to_owned())))),
    ("check", 0, Sets(|own, _| set(&mut own.check, true))),
    ("check-alpn", 1, Says(Kind::NotSupported, NO_CHECK)),
    ("check-proto", 1, Says(Kind::NotSupported, NO_CHECK)),
    ("check-send-proxy", 0, Says(Kind::NotSupported, NO_CHECK)),
    ("check-sni", 1, Sets(|own, value| set(&mut own.check_sni, Some(value.to_owned())))),
    ("check-ssl", 0, Sets(|own, _| set(&mut own.check_ssl, true))),
    ("check-via-socks4", 0, Says(Kind::NotSupported, NO_CHECK)),
    ("cookie", 1, Says(Kind::Ignored, HTTP)),
    ("crt", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("disabled", 0, Sets(|own, _| set(&mut own.disabled, true))),
    ("downinter", 1, Sets(|own, value| some(&mut own.down_interval, time(value), TIME))),
    ("enabled", 0, Sets(|own, _| set(&mut own.disabled, false))),
    ("error-limit", 1, Sets(|own, value| some(&mut own.error_limit, errors(value), NUMBER))),
    ("fall", 1, Sets(|own, value| some(&mut own.fall, value.parse().ok(), NUMBER))),
    ("fastinter", 1, Sets(|own, value| some(&mut own.fast_interval, time(value), TIME))),
    ("force-sslv3", 0, Says(Kind::Ignored, "TLS is passed through")),
    ("force-tlsv12", 0, Says(Kind::Ignored, "TLS is passed through")),
    ("force-tlsv13", 0, Says(Kind::Ignored, "TLS is passed through")),
    ("id", 1, Says(Kind::Ignored, "names are enough")),
    ("init-addr", 1, Says(Kind::Ignored, "a server is down until its name is found")),
    ("inter", 1, Sets(|own, value| some(&mut own.interval, time(value), TIME))),
    ("log-proto", 1, Says(Kind::Ignored, HTTP)),
    ("maxconn", 1, Sets(|own, value| limit(&mut own.max_connections, value))),
    ("maxqueue", 1, Says(Kind::Different, "1024 connections may wait for the servers of a proxy")),
    ("minconn", 1, Says(Kind::Different, "the limit does not depend on the load")),
    ("namespace", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("no-agent-check", 0, Sets(|own, _| set(&mut own.agent, false))),
    ("no-backup", 0, Sets(|own, _| set(&mut own.backup, false))),
    ("no-check", 0, Sets(|own, _| set(&mut own.check, false))),
    ("no-check-ssl", 0, Sets(|own, _| set(&mut own.check_ssl, false))),
    ("no-send-proxy", 0, Sets(|own, _| set(&mut own.send_proxy, None))),
    ("no-send-proxy-v2", 0, Sets(|own, _| set(&mut own.send_proxy, None))),
    ("no-ssl", 0, Says(Kind::Ignored, ANYWAY)),
    ("no-verifyhost", 0, Says(Kind::Ignored, "names are compared only where a check asks for it")),
    ("non-stick", 0, Says(Kind::Ignored, "nothing is kept")),
    ("observe", 1, Sets(|own, value| one_of(value, "layer4", &mut own.observe, OBSERVES))),
    ("on-error", 1, Sets(|_, value| if value == "fail-check" { Ok(()) } else { Err(ON_ERROR) })),
    ("on-marked-down", 1, Sets(|own, value| set(&mut own.ends_sessions, value == SHUTDOWN))),
    (
        "on-marked-up",
        1,
        Says(Kind::NotSupported, "connections to a backup server last: nobody ends them"),
    ),
    ("pool-max-conn", 1, Says(Kind::Ignored, HTTP)),
    ("pool-purge-delay", 1, Says(Kind::Ignored, HTTP)),
    ("port", 1, Sets(|own, value| some(&mut own.check_port, port(value), PORT))),
    ("proto", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("redir", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("resolve-net", 1, Says(Kind::Ignored, LOOKED_UP)),
    ("resolve-opts", 1, Says(Kind::Ignored, LOOKED_UP)),
    ("resolve-prefer", 1, Says(Kind::Ignored, LOOKED_UP)),
    ("resolvers", 1, Says(Kind::Ignored, LOOKED_UP)),
    ("rise", 1, Sets(|own, value| some(&mut own.rise, value.parse().ok(), NUMBER))),
    ("send-proxy", 0, Sets(|own, _| set(&mut own.send_proxy, Some("v1")))),
    ("send-proxy-v2", 0, Sets(|own, _| set(&mut own.send_proxy, Some("v2")))),
    ("send-proxy-v2-ssl", 0, Says(Kind::NotSupported, OF_TLS)),
    ("send-proxy-v2-ssl-cn", 0, Says(Kind::NotSupported, OF_TLS)),
    ("slowstart", 1, Sets(|own, value| nonzero(&mut own.slow_start, time(value)))),
    ("sni", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("socks4", 1, Says(Kind::NotSupported, NO_SERVER)),
    ("source", 1, Sets(|own, value| some(&mut own.source, value.parse().ok(), SOURCE))),
    ("ssl", 0, Says(Kind::NotSupported, "TLS is passed through, not begun here")),
    ("tcp-ut", 1, Sets(|own, value| nonzero(&mut own.user_timeout, time(value)))),
    ("tfo", 0, Says(Kind::Ignored, SPARES)),
    ("track", 1, Sets(|own, value| set(&mut own.track, Some(value.to_owned())))),
    ("verify", 1, Sets(|own, value| set(&mut own.verify_none, value == "none"))),
    ("weight", 1, Sets(weight)),
];

const SHUTDOWN: &str = "shutdown-sessions";
const OF_TLS: &str = "the header says nothing of TLS: write `send-proxy-v2`";

fn set<T>(field: &mut T, value: T) -> Outcome {
    *field = value;
    Ok(())
}

fn some<T>(field: &mut Option<T>, value: Option<T>, fault: Fault) -> Outcome {
    *field = Some(value.ok_or(fault)?);
    Ok(())
}

/// A time of which zero is none.
fn nonzero(field: &mut Option<Duration>, value: Option<Duration>) -> Outcome {
    *field = Some(value.ok_or(TIME)?).filter(|time| !time.is_zero());
    Ok(())
}

fn one_of(value: &str, known: &str, field: &mut bool, fault: Fault) -> Outcome {
    *field = value == known;
    if *field { Ok(()) } else { Err(fault) }
}

fn port(value: &str) -> Option<u16> {
    value.parse().ok()
}

fn errors(value: &str) -> Option<u32> {
    value.parse::<u32>().ok().map(|count| count.clamp(1, 1000))
}

/// Zero is no limit.
fn limit(field: &mut Option<u32>, value: &str) -> Outcome {
    let count: u32 = value.parse().map_err(|_| NUMBER)?;
    *field = Some(count.min(1_000_000)).filter(|limit| *limit != 0);
    Ok(())
}

fn weight(own: &mut Options, value: &str) -> Outcome {
    let weight = value.parse::<u32>().ok().filter(|weight| *weight <= 256).ok_or(WEIGHT)?;
    own.weight = Some(weight).filter(|weight| *weight != 1);
    Ok(())
}

/// Reads the options in `words` into `own`.
pub(super) fn read(line: &Statement, words: &[Word], own: &mut Options, report: &mut Report) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.text.as_str();
        let found = OPTIONS.iter().find(|(known, ..)| *known == name);
        let Some((_, arity, effect)) = found else {
            // Whether a value follows is not known either: most have one.
            words.next();
            report.unsupported(line, format!("`{name}` is not known to `vipd import`"));
            continue;
        };
        let value = if *arity == 0 { Some(word) } else { words.next() };
        let Some(value) = value else {
            let title = format!("`{name}` has no value");
            report.mistake(Mistake::at(&word.place, title, ""));
            continue;
        };
        match effect {
            Says(kind, words) => report.say(line, *kind, format!("`{name}`: {words}")),
            Sets(read) => match read(own, &value.text) {
                Ok(()) => {}
                Err(Fault::Must(must)) => {
                    let title = format!("`{name}` is {:?}, but must be {must}", value.text);
                    report.mistake(Mistake::at(&value.place, title, ""));
                }
                Err(Fault::Different(how)) => report.different(line, format!("`{name}`: {how}")),
                Err(Fault::Unsupported(why)) => {
                    report.unsupported(line, format!("`{name}`: {why}"))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_stands_there_once() {
        let names: Vec<&str> = OPTIONS.iter().map(|(name, ..)| *name).collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
    }
}
