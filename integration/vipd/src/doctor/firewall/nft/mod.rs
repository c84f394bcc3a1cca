//! Reads `nft -j list ruleset` (libnftables-json), as far as a VRRP packet is concerned.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::rules::{Chain, Holds, Packet, Place, Rule, Ruleset, Verdict, Way};

/// The chains, compared with `packet`.
pub(super) fn ruleset(json: &Value, packet: &Packet) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let all = json["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sets: Vec<&Value> =
        all.iter().flat_map(|item| [item.get("set"), item.get("map")]).flatten().collect();
    for item in all {
        if let Some(chain) = item.get("chain").filter(|chain| concerns(chain, packet)) {
            ruleset.0.entry(place(chain, "name")).or_default().base = base(chain, packet);
        } else if let Some(rule) = item.get("rule").filter(|rule| concerns(rule, packet)) {
            let place = place(rule, "chain");
            let reader = Reader { packet, sets: &sets, place: &place };
            let rules =
                reader.rules(rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default());
            let chain: &mut Chain = ruleset.0.entry(place).or_default();
            chain.rules.extend(rules);
        }
    }
    ruleset
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn place(value: &Value, chain: &str) -> Place {
    Place { family: text(value, "family"), table: text(value, "table"), chain: text(value, chain) }
}

fn concerns(value: &Value, packet: &Packet) -> bool {
    match value["family"].as_str() {
        Some("ip") => packet.destination.is_ipv4(),
        Some("ip6") => packet.destination.is_ipv6(),
        Some("inet") => true,
        Some("netdev") => packet.way == Way::In,
        _ => false,
    }
}

/// Whether the end of a base chain drops; none for a chain that the packet does not come to by itself.
fn base(chain: &Value, packet: &Packet) -> Option<bool> {
    let hooks: &[&str] = match packet.way {
        Way::In => &["ingress", "prerouting", "input"],
        Way::Out => &["output", "postrouting"],
    };
    let called = hooks.contains(&chain["hook"].as_str()?);
    let device = chain["dev"].as_str().is_none_or(|device| device == packet.interface);
    // Of a `nat` chain only new connections' first packets see something, and they are not dropped there.
    let filters = chain["type"].as_str() != Some("nat");
    (called && device && filters).then(|| chain["policy"].as_str() == Some("drop"))
}

struct Reader<'a> {
    packet: &'a Packet,
    sets: &'a [&'a Value],
    place: &'a Place,
}

impl Reader<'_> {
    /// A rule; one with a verdict map is as many as the map has verdicts.
    fn rules(&self, expressions: &[Value]) -> Vec<Rule> {
        let mut holds = Holds::Yes;
        for expression in expressions {
            if let Some(condition) = expression.get("match") {
                holds = holds.and(self.condition(condition));
            } else if let Some(map) = expression.get("vmap") {
                return self.verdict_map(map, holds);
            } else if expression.get("limit").is_some() || expression.get("xt").is_some() {
                holds = holds.and(Holds::Unknown);
            } else if let Some(verdict) = verdict(expression) {
                return vec![Rule { holds, verdict }];
            }
        }
        vec![Rule { holds, verdict: Verdict::Nothing }]
    }

    fn verdict_map(&self, map: &Value, before: Holds) -> Vec<Rule> {
        let elements = self.elements(&map["data"]);
        let Some(elements) = elements else {
            return vec![Rule { holds: before.and(Holds::Unknown), verdict: Verdict::Drop }];
        };
        let rule = |element: &Value| {
            let verdict = verdict(element.get(1)?)?;
            let holds = self.compare(&map["key"], element.get(0)?);
            Some(Rule { holds: before.and(holds), verdict })
        };
        elements.iter().filter_map(rule).collect()
    }

    fn condition(&self, condition: &Value) -> Holds {
        let holds = self.compare(&condition["left"], &condition["right"]);
        match condition["op"].as_str() {
            Some("==" | "in") => holds,
            Some("!=") => holds.negated(true),
            _ => Holds::Unknown,
        }
    }

    /// Whether the packet's `key` is `value`, or one of it.
    fn compare(&self, key: &Value, value: &Value) -> Holds {
        if let Some(elements) = self.elements(value) {
            return any(elements.iter().map(|element| self.compare(key, element)));
        }
        if let Some(list) = value.as_array() {
            return any(list.iter().map(|element| self.compare(key, element)));
        }
        // With a timeout, a counter or a comment.
        if let Some(element) = value.get("elem") {
            return self.compare(key, &element["val"]);
        }
        let (meta, payload) = (&key["meta"]["key"], &key["payload"]);
        match (meta.as_str(), payload["protocol"].as_str(), payload["field"].as_str()) {
            (Some("l4proto"), ..)
            | (_, Some("ip"), Some("protocol"))
            | (_, Some("ip6"), Some("nexthdr")) => protocol(value),
            (Some("iifname" | "iif"), ..) => self.interface(value, Way::In),
            (Some("oifname" | "oif"), ..) => self.interface(value, Way::Out),
            (Some("nfproto" | "protocol"), ..) => self.family(value),
            (Some("pkttype"), ..) => self.packet_type(value),
            (_, Some("ip" | "ip6"), Some("daddr")) => address(Some(self.packet.destination), value),
            (_, Some("ip" | "ip6"), Some("saddr")) => address(self.packet.source, value),
            (_, Some("ip"), Some("ttl")) | (_, Some("ip6"), Some("hoplimit")) => number(value, 255),
            // Another protocol than ours.
            (_, Some("tcp" | "udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "th" | "igmp"), _) => {
                Holds::No
            }
            // Nobody has marked it yet.
            (Some("mark"), ..) => number(value, 0),
            _ if key["&"][0]["meta"]["key"] == "mark" => number(value, 0),
            _ if key["ct"]["key"] == "state" => state(value),
            _ if key.get("fib").is_some() => self.route(&key["fib"], value),
            _ => Holds::Unknown,
        }
    }

    /// The elements of a set that stands in the rule, or that it names.
    fn elements(&self, value: &Value) -> Option<Vec<Value>> {
        if let Some(set) = value["set"].as_array() {
            return Some(set.clone());
        }
        let name = value.as_str()?.strip_prefix('@')?;
        let named = self.sets.iter().find(|set| {
            text(set, "name") == name
                && text(set, "table") == self.place.table
                && text(set, "family") == self.place.family
        })?;
        // An empty one has no such field.
        Some(named["elem"].as_array().cloned().unwrap_or_default())
    }

    fn interface(&self, value: &Value, way: Way) -> Holds {
        if self.packet.way != way {
            // `oifname` of what comes in is empty.
            return Holds::No;
        }
        let Some(name) = value.as_str() else { return Holds::Unknown };
        Holds::of(match name.strip_suffix('*') {
            Some(prefix) => self.packet.interface.starts_with(prefix),
            None => self.packet.interface == name,
        })
    }

    fn family(&self, value: &Value) -> Holds {
        match value.as_str() {
            Some("ipv4" | "ip") => Holds::of(self.packet.destination.is_ipv4()),
            Some("ipv6" | "ip6") => Holds::of(self.packet.destination.is_ipv6()),
            Some(_) => Holds::No,
            None => Holds::Unknown,
        }
    }

    /// What the routing table says: there is a way back, as `rp_filter` is another item, and the
    /// destination is a group's or ours.
    fn route(&self, fib: &Value, value: &Value) -> Holds {
        let to_group = self.packet.destination.is_multicast();
        match (fib["result"].as_str(), value) {
            (Some("oif"), Value::Bool(there)) => Holds::of(*there),
            (Some("type"), Value::String(kind)) if fib["flags"].to_string().contains("daddr") => {
                Holds::of(kind == if to_group { "multicast" } else { "local" })
            }
            _ => Holds::Unknown,
        }
    }

    fn packet_type(&self, value: &Value) -> Holds {
        let multicast = self.packet.destination.is_multicast();
        match value.as_str() {
            Some("multicast") => Holds::of(multicast),
            Some("host" | "unicast") => Holds::of(!multicast),
            Some("broadcast") => Holds::No,
            _ => Holds::Unknown,
        }
    }
}

fn any(all: impl Iterator<Item = Holds>) -> Holds {
    all.fold(Holds::No, |sum, one| match (sum, one) {
        (Holds::Yes, _) | (_, Holds::Yes) => Holds::Yes,
        (Holds::No, Holds::No) => Holds::No,
        _ => Holds::Unknown,
    })
}

fn verdict(expression: &Value) -> Option<Verdict> {
    let verdicts = [
        ("accept", Verdict::Accept),
        ("drop", Verdict::Drop),
        ("reject", Verdict::Drop),
        ("return", Verdict::Return),
    ];
    for (word, verdict) in verdicts {
        if expression.get(word).is_some() {
            return Some(verdict);
        }
    }
    let target = |word: &str| Some(expression.get(word)?["target"].as_str()?.to_owned());
    target("jump").map(Verdict::Jump).or_else(|| target("goto").map(Verdict::Goto))
}

fn protocol(value: &Value) -> Holds {
    match value.as_str() {
        Some(name) => Holds::of(name == "vrrp"),
        None => number(value, 112),
    }
}

fn number(value: &Value, ours: u64) -> Holds {
    let at = |index: usize| value["range"].get(index).and_then(Value::as_u64);
    match (value.as_u64(), at(0), at(1)) {
        (Some(number), ..) => Holds::of(number == ours),
        (_, Some(first), Some(last)) => Holds::of((first..=last).contains(&ours)),
        _ => Holds::Unknown,
    }
}

/// An advert belongs to no connection that was seen before.
fn state(value: &Value) -> Holds {
    value.as_str().map_or(Holds::Unknown, |state| Holds::of(state == "new"))
}

fn address(ours: Option<IpAddr>, value: &Value) -> Holds {
    let Some(ours) = ours else { return Holds::Unknown };
    let ip = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(single) = ip(value) {
        return Holds::of(single == ours);
    }
    if let Some(prefix) = value.get("prefix") {
        let length = prefix["len"].as_u64().and_then(|length| u8::try_from(length).ok());
        let net =
            ip(&prefix["addr"]).zip(length).and_then(|(ip, length)| IpNet::new(ip, length).ok());
        return net.map_or(Holds::Unknown, |net| Holds::of(net.contains(&ours)));
    }
    let at = |index: usize| value["range"].get(index).and_then(ip);
    match at(0).zip(at(1)) {
        Some((first, last)) => Holds::of((first..=last).contains(&ours)),
        None => Holds::Unknown,
    }
}

#[cfg(test)]
mod tests;
