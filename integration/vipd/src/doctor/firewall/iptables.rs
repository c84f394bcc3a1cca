//! Reads `iptables-save`, as far as a VRRP packet is concerned.

use std::net::IpAddr;

use ipnet::IpNet;

use super::rules::{Chain, Holds, Packet, Place, Rule, Ruleset, Verdict, Way};

/// The chains, compared with `packet`.
pub(super) fn ruleset(program: &str, text: &str, packet: &Packet) -> Ruleset {
    let mut ruleset = Ruleset::default();
    if program.starts_with("ip6") != packet.destination.is_ipv6() {
        return ruleset;
    }
    // What changes them is called so: where there are two sets of tables, each has a program.
    let family = program.strip_suffix("-save").unwrap_or(program);
    let mut table = String::new();
    let place = |table: &str, chain: &str| {
        let [family, table, chain] = [family, table, chain].map(str::to_owned);
        Place { family, table, chain }
    };
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.trim().clone_into(&mut table);
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (Some(name), Some(policy)) = (words.next(), words.next()) else { continue };
            let base = is_called(&table, name, packet.way).then_some(policy == "DROP");
            ruleset.0.insert(place(&table, name), Chain { rules: Vec::new(), base });
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = shlex::split(rule).unwrap_or_default();
            let Some((chain, conditions)) = words.split_first() else { continue };
            let chain = ruleset.0.entry(place(&table, chain)).or_default();
            chain.rules.push(read(conditions, packet));
        }
    }
    ruleset
}

/// Those of `nat` do not filter.
fn is_called(table: &str, chain: &str, way: Way) -> bool {
    let chains: &[&str] = match way {
        Way::In => &["PREROUTING", "INPUT"],
        Way::Out => &["OUTPUT", "POSTROUTING"],
    };
    table != "nat" && chains.contains(&chain)
}

fn read(words: &[String], packet: &Packet) -> Rule {
    let mut rule = Rule { holds: Holds::Yes, verdict: Verdict::Nothing };
    let mut words = words.iter().map(String::as_str);
    let mut negated = false;
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let holds = match word {
            "-j" | "-g" => {
                rule.verdict = verdict(words.next().unwrap_or_default(), word == "-g");
                continue;
            }
            // The options of a target, which are no conditions.
            _ if rule.verdict != Verdict::Nothing => continue,
            // What follows says more.
            "-m" => {
                let known = ["conntrack", "state", "comment", "mark"];
                let module = words.next().unwrap_or_default();
                let ours = known.contains(&module);
                if ours { Holds::Yes } else { Holds::of(!is_protocol(module)).and(Holds::Unknown) }
            }
            "--comment" => {
                words.next();
                Holds::Yes
            }
            "-p" => protocol(words.next()),
            "-i" => interface(words.next(), packet, Way::In),
            "-o" => interface(words.next(), packet, Way::Out),
            "-s" => address(packet.source, words.next()),
            "-d" => address(Some(packet.destination), words.next()),
            // Nobody has marked it yet.
            "--mark" => Holds::of(
                words.next().is_some_and(|mark| mark.starts_with("0x0/") || mark == "0x0"),
            ),
            "--ctstate" | "--state" => {
                let states = words.next().unwrap_or_default();
                Holds::of(states.split(',').any(|state| state == "NEW"))
            }
            _ => Holds::Unknown,
        };
        rule.holds = rule.holds.and(holds.negated(negated));
        negated = false;
    }
    rule
}

fn verdict(target: &str, goes: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        chain if goes => Verdict::Goto(chain.to_owned()),
        // A chain that is not there, such as LOG, goes on.
        chain => Verdict::Jump(chain.to_owned()),
    }
}

fn is_protocol(module: &str) -> bool {
    ["tcp", "udp", "icmp", "icmp6", "ipv6-icmp", "sctp"].contains(&module)
}

fn protocol(name: Option<&str>) -> Holds {
    Holds::of(matches!(name, Some("vrrp" | "112" | "all" | "0")))
}

fn interface(name: Option<&str>, packet: &Packet, way: Way) -> Holds {
    let name = name.unwrap_or_default();
    let fits = match name.strip_suffix('+') {
        Some(prefix) => packet.interface.starts_with(prefix),
        None => packet.interface == name,
    };
    Holds::of(packet.way == way && fits)
}

fn address(ours: Option<IpAddr>, text: Option<&str>) -> Holds {
    let net = text.and_then(|text| {
        text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    });
    match ours.zip(net) {
        Some((ours, net)) => Holds::of(net.contains(&ours)),
        None => Holds::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::Judgement;
    use super::*;

    fn judge(rules: &str) -> Judgement {
        let packet = Packet {
            way: Way::In,
            interface: "eth0".to_owned(),
            source: None,
            destination: "224.0.0.18".parse().unwrap(),
        };
        let text = format!(
            "# Generated by iptables-save\n*filter\n:INPUT DROP [0:0]\n:LAN - [0:0]\n{rules}COMMIT\n"
        );
        ruleset("iptables-save", &text, &packet).judge()
    }

    #[test]
    fn rules_are_compared_with_an_advert() {
        for (rules, passes) in [
            ("", Some(false)),
            ("-A INPUT -p vrrp -j ACCEPT\n", Some(true)),
            ("-A INPUT -p 112 -j ACCEPT\n", Some(true)),
            ("-A INPUT -d 224.0.0.0/8 -j ACCEPT\n", Some(true)),
            ("-A INPUT ! -p tcp -j ACCEPT\n", Some(true)),
            ("-A INPUT -i lo -j ACCEPT\n", Some(false)),
            ("-A INPUT -i eth+ -j ACCEPT\n", Some(true)),
            ("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n", Some(false)),
            ("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", Some(false)),
            ("-A INPUT -m comment --comment \"a -j b\" -j ACCEPT\n", Some(true)),
            ("-A INPUT -m mark --mark 0x8000/0x8000 -j ACCEPT\n", Some(false)),
            ("-A INPUT -m limit --limit 3/min -j ACCEPT\n", None),
            ("-A INPUT -s 10.0.0.2/32 -j ACCEPT\n", None),
            (
                "-A INPUT -j LOG --log-prefix \"x \"\n-A INPUT -j LAN\n-A LAN -p vrrp -j ACCEPT\n",
                Some(true),
            ),
            (
                "-A INPUT -j LAN\n-A LAN -j REJECT --reject-with icmp-port-unreachable\n",
                Some(false),
            ),
        ] {
            let found = match judge(rules) {
                Judgement::Passes => Some(true),
                Judgement::Drops(_) => Some(false),
                Judgement::MayDrop(_) => None,
            };
            assert_eq!(found, passes, "{rules}");
        }
    }
}
