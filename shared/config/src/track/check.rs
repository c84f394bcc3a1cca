//! From `[[track]]` tables to trackers, and from the names in `track` to what they stand for.

use std::collections::BTreeMap;

use super::{Tracked, TrackerConfig, TrackerKind, gateway, script};
use crate::check::Check;
use crate::code::Code;
use crate::command::absolute;
use crate::fault::Fault;
use crate::raw::{RawFile, RawTracker};
use crate::read::nearest;
use crate::spanned::Spanned;
use vocabulary::{InterfaceName, Name};

/// The longest name of a process that the kernel keeps, in bytes.
const COMM_LEN: usize = 15;

const KIND_HELP: &str = "write one of `interface`, `process`, `file`, `script`, `gateway` or `proxy`, and another [[track]] table for another";

/// Every name that `track` may use.
pub(crate) struct Known {
    /// What is to be watched.
    pub(crate) trackers: Vec<TrackerConfig>,
    tracked: BTreeMap<String, Tracked>,
}

/// What one table stands for.
enum Meant {
    Watched(TrackerKind),
    Proxy(Name),
}

impl Known {
    /// What `track = [name]` follows. An unknown name is reported by [`all_exist`].
    pub(crate) fn tracked(&self, name: &str) -> Option<Tracked> {
        self.tracked.get(name).cloned()
    }
}

/// Reads the tables; proxies may be tracked without one.
pub(crate) fn known(file: &RawFile, check: &mut Check<'_>) -> Known {
    let mut known = Known { trackers: Vec::new(), tracked: BTreeMap::new() };
    for name in proxies(file) {
        if let Ok(proxy) = Name::try_from(name) {
            known.tracked.insert(name.to_owned(), Tracked { name: proxy, weight: None });
        }
    }
    for table in &file.track {
        let raw = table.get_ref();
        let help = "any word; `track` of a [[vrrp]] table uses it";
        let name = check
            .required(&table.span(), "name", &raw.name, help, |text| Name::try_from(text.as_str()));
        let meant = meant(table, file, check);
        let weight = weight(raw, check);
        let (Some(name), Some(meant)) = (name, meant) else { continue };
        let source = match meant {
            Meant::Proxy(proxy) => proxy,
            Meant::Watched(kind) => {
                known.trackers.push(TrackerConfig { name: name.clone(), kind });
                name.clone()
            }
        };
        let weight = match (weight, &raw.file) {
            (None, Some(_)) => Some(1),
            (weight, _) => weight,
        };
        let tracked = Tracked { name: source, weight };
        if let (Some(_), Some(given)) = (known.tracked.insert(name.to_string(), tracked), &raw.name)
        {
            let title = format!("there is a [[proxy]] or [[track]] {name} already");
            check.problems.tell(
                Code::NameTaken,
                given.span(),
                title,
                "give one of the two another name",
            );
        }
    }
    known
}

fn proxies(file: &RawFile) -> impl Iterator<Item = &str> {
    let names = file.proxy.iter().filter_map(|proxy| proxy.get_ref().name.as_ref());
    names.map(|name| name.get_ref().as_str())
}

fn meant(table: &Spanned<RawTracker>, file: &RawFile, check: &mut Check<'_>) -> Option<Meant> {
    let raw = table.get_ref();
    // Beside a gateway, the interface is the way to it.
    let interface = raw.interface.as_ref().filter(|_| raw.gateway.is_none());
    let words = [interface, raw.process.as_ref(), raw.file.as_ref(), raw.proxy.as_ref()];
    let given: Vec<_> = words
        .into_iter()
        .chain([raw.gateway.as_ref()])
        .filter_map(|word| word.map(Spanned::span))
        .chain(raw.script.as_ref().map(Spanned::span))
        .collect();
    match given[..] {
        [] => {
            check.problems.tell(
                Code::WatchesNotOne,
                table.span(),
                "the [[track]] table watches nothing",
                KIND_HELP,
            );
            return None;
        }
        [_] if raw.script.is_some() => {
            return script::script(raw, check).map(TrackerKind::Script).map(Meant::Watched);
        }
        [_] => {
            if let Some(given) = &raw.gateway {
                let gateway = gateway::gateway(table, given, file, check);
                return gateway.map(TrackerKind::Gateway).map(Meant::Watched);
            }
            script::has_none(raw, check);
        }
        [_, ref second, ..] => {
            check.problems.tell(
                Code::WatchesNotOne,
                second.clone(),
                "the [[track]] table watches more than one thing",
                KIND_HELP,
            );
            return None;
        }
    }
    if let Some(proxy) = &raw.proxy {
        exists(proxy, &proxies(file).collect::<Vec<_>>(), "[[proxy]]", check);
        return Name::try_from(proxy.get_ref().as_str()).ok().map(Meant::Proxy);
    }
    let watched = |kind: Option<Option<TrackerKind>>| kind.flatten().map(Meant::Watched);
    if raw.interface.is_some() {
        let help = "such as \"eth1\"";
        return watched(check.optional("interface", &raw.interface, help, None, |text| {
            InterfaceName::try_from(text.as_str()).map(|name| Some(TrackerKind::Interface(name)))
        }));
    }
    if raw.process.is_some() {
        let help = "the name that `ps -o comm` shows, such as \"kube-apiserver\"";
        return watched(check.optional("process", &raw.process, help, None, |text| process(text)));
    }
    watched(check.optional("file", &raw.file, "a file that holds one number", None, |text| {
        absolute(text).map(|path| Some(TrackerKind::File(path)))
    }))
}

fn process(text: &str) -> Result<Option<TrackerKind>, Fault> {
    if text.is_empty() || text.contains('/') {
        return Err(Fault::new(Code::NotAName, "must be a process's name without a path"));
    }
    let mut end = COMM_LEN.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Ok(Some(TrackerKind::Process(text[..end].to_owned())))
}

fn weight(raw: &RawTracker, check: &mut Check<'_>) -> Option<i16> {
    let help = "leave it out where a node without it cannot serve at all";
    check
        .optional("weight", &raw.weight, help, None, |number| match i16::try_from(*number) {
            Ok(weight @ (-253..=-1 | 1..=253)) => Ok(Some(weight)),
            _ => Err(Fault::new(Code::Number, "must be -253 to 253, and not 0")),
        })
        .flatten()
}

/// Reports the names in `track` that stand for nothing.
pub(crate) fn all_exist(file: &RawFile, check: &mut Check<'_>) {
    let trackers = file.track.iter().filter_map(|tracker| tracker.get_ref().name.as_ref());
    let names: Vec<&str> =
        proxies(file).chain(trackers.map(|name| name.get_ref().as_str())).collect();
    let tracked = file.vrrp.iter().filter_map(|router| router.get_ref().track.as_ref());
    for name in tracked.flat_map(|list| list.get_ref()) {
        exists(name, &names, "[[proxy]] or [[track]]", check);
    }
}

fn exists(name: &Spanned<String>, names: &[&str], tables: &str, check: &mut Check<'_>) {
    if names.contains(&name.get_ref().as_str()) {
        return;
    }
    let help = match nearest(name.get_ref(), names) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("add a {tables} with this name, or remove it here"),
    };
    check.problems.tell(
        Code::NotTracked,
        name.span(),
        format!("there is no {tables} {:?}", name.get_ref()),
        &help,
    );
}
