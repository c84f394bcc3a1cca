//! A packet filter as a value: chains of rules, and what becomes of one packet.
//!
//! Readers have compared each rule with the packet already. What they do not understand may hold or not, and
//! then both ways are followed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Jumps are followed so deep; the kernel allows no more.
const DEPTH: u32 = 16;

/// A VRRP packet, as the filter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) way: Way,
    /// Through which interface.
    pub(super) interface: String,
    /// None: some peer's.
    pub(super) source: Option<IpAddr>,
    pub(super) destination: IpAddr,
}

/// To this host, or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// Whether a condition holds for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    Unknown,
}

impl Holds {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    pub(super) fn negated(self, negated: bool) -> Self {
        match self {
            Self::Yes => Self::of(!negated),
            Self::No => Self::of(negated),
            Self::Unknown => Self::Unknown,
        }
    }
}

/// What a rule does with the packets that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    /// Returns to the caller's next rule.
    Return,
    Jump(String),
    Goto(String),
    /// Counts, logs, marks …
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) holds: Holds,
    pub(super) verdict: Verdict,
}

/// A chain by its rules; a base chain has a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) rules: Vec<Rule>,
    /// Those that the kernel calls, of the packet's way: whether the end of the chain drops.
    pub(super) base: Option<bool>,
}

/// Where a chain is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// `ip`, `ip6`, `inet`, `netdev`, or the program that has it.
    pub(super) family: String,
    pub(super) table: String,
    pub(super) chain: String,
}

/// All chains that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ruleset(pub(super) BTreeMap<Place, Chain>);

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Passes,
    MayDrop(Culprit),
    Drops(Culprit),
}

impl Judgement {
    pub(super) fn severity(&self) -> u8 {
        match self {
            Self::Passes => 0,
            Self::MayDrop(_) => 1,
            Self::Drops(_) => 2,
        }
    }
}

/// The rule that drops, or the policy, and the base chain that leads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Culprit {
    base: Place,
    chain: String,
    /// Counted from 1; none: the policy.
    rule: Option<usize>,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { family, table, chain } = &self.base;
        match self.rule {
            Some(rule) => {
                write!(f, "rule {rule} of chain {} in {family} {table} drops them", self.chain)
            }
            None => write!(f, "the policy of chain {chain} in {family} {table} drops them"),
        }
    }
}

impl Culprit {
    /// Commands that let VRRP through, in the words of whoever keeps the rules.
    pub(super) fn remedy(&self, packet: &Packet) -> Vec<String> {
        let Place { family, table, chain } = &self.base;
        let v6 = packet.destination.is_ipv6();
        if table == "firewalld" {
            return vec![
                "sudo firewall-cmd --permanent --add-rich-rule='rule protocol value=\"vrrp\" accept'".to_owned(),
                "sudo firewall-cmd --reload".to_owned(),
            ];
        }
        let iptables = match family.as_str() {
            family if family.contains("tables") => family,
            _ if v6 => "ip6tables",
            _ => "iptables",
        };
        if family.contains("tables") || ["INPUT", "OUTPUT"].contains(&chain.as_str()) {
            return vec![
                format!("sudo {iptables} -I {chain} -p 112 -j ACCEPT"),
                "# and keep it: netfilter-persistent save, or in /etc/ufw/before.rules: -A ufw-before-input -p 112 -j ACCEPT".to_owned(),
            ];
        }
        vec![
            format!("sudo nft insert rule {family} {table} {chain} meta l4proto 112 accept"),
            "# and keep it: the same rule in /etc/nftables.conf".to_owned(),
        ]
    }
}

/// What may become of a packet in a chain: several of these, if rules are not understood.
#[derive(Clone, Debug, Default)]
struct Fates {
    accepts: bool,
    /// It comes to the end, or back.
    goes_on: bool,
    drops: Option<(String, Option<usize>)>,
}

impl Ruleset {
    pub(super) fn count(&self) -> usize {
        self.0.values().map(|chain| chain.rules.len()).sum()
    }

    /// The packet must survive every base chain.
    pub(super) fn judge(&self) -> Judgement {
        let mut worst = Judgement::Passes;
        for (place, chain) in &self.0 {
            let Some(policy_drops) = chain.base else { continue };
            let mut fates = self.follow(place, DEPTH);
            if fates.goes_on && policy_drops {
                fates.drops.get_or_insert_with(|| (place.chain.clone(), None));
            }
            let survives = fates.accepts || fates.goes_on && !policy_drops;
            let Some((chain, rule)) = fates.drops else { continue };
            let culprit = Culprit { base: place.clone(), chain, rule };
            let judgement =
                if survives { Judgement::MayDrop(culprit) } else { Judgement::Drops(culprit) };
            if judgement.severity() > worst.severity() {
                worst = judgement;
            }
        }
        worst
    }

    fn follow(&self, place: &Place, depth: u32) -> Fates {
        let mut fates = Fates::default();
        let Some(chain) = self.0.get(place).filter(|_| depth > 0) else {
            fates.goes_on = true;
            return fates;
        };
        for (number, rule) in (1..).zip(&chain.rules) {
            if rule.holds == Holds::No {
                continue;
            }
            let certain = rule.holds == Holds::Yes;
            let ends = match &rule.verdict {
                Verdict::Nothing => false,
                Verdict::Accept => {
                    fates.accepts = true;
                    true
                }
                Verdict::Drop => {
                    fates.drops.get_or_insert_with(|| (place.chain.clone(), Some(number)));
                    true
                }
                Verdict::Return => {
                    fates.goes_on = true;
                    true
                }
                Verdict::Jump(chain) | Verdict::Goto(chain) => {
                    let there = Place { chain: chain.clone(), ..place.clone() };
                    let below = self.follow(&there, depth - 1);
                    fates.accepts |= below.accepts;
                    fates.drops = fates.drops.or(below.drops);
                    let goes_to = matches!(rule.verdict, Verdict::Goto(_));
                    fates.goes_on |= goes_to && below.goes_on;
                    goes_to || !below.goes_on
                }
            };
            if certain && ends {
                return fates;
            }
        }
        fates.goes_on = true;
        fates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(chain: &str) -> Place {
        let [family, table, chain] = ["inet", "filter", chain].map(str::to_owned);
        Place { family, table, chain }
    }

    fn rule(holds: Holds, verdict: Verdict) -> Rule {
        Rule { holds, verdict }
    }

    fn judge(policy_drops: bool, rules: Vec<Rule>, others: Vec<Rule>) -> String {
        let mut ruleset = Ruleset::default();
        ruleset.0.insert(place("input"), Chain { rules, base: Some(policy_drops) });
        ruleset.0.insert(place("other"), Chain { rules: others, base: None });
        match ruleset.judge() {
            Judgement::Passes => "passes".to_owned(),
            Judgement::MayDrop(culprit) => format!("maybe {culprit}"),
            Judgement::Drops(culprit) => culprit.to_string(),
        }
    }

    #[test]
    fn what_is_not_understood_is_followed_both_ways() {
        use Holds::{No, Unknown, Yes};
        use Verdict::{Accept, Drop, Goto, Jump, Return};
        let policy = "the policy of chain input in inet filter drops them";
        let other = || "other".to_owned();
        let table = [
            (false, vec![], vec![], "passes".to_owned()),
            (true, vec![], vec![], policy.to_owned()),
            (true, vec![rule(No, Accept)], vec![], policy.to_owned()),
            (true, vec![rule(Yes, Accept)], vec![], "passes".to_owned()),
            (true, vec![rule(Unknown, Accept)], vec![], format!("maybe {policy}")),
            (
                false,
                vec![rule(Unknown, Drop), rule(Yes, Accept)],
                vec![],
                "maybe rule 1 of chain input in inet filter drops them".to_owned(),
            ),
            (
                false,
                vec![rule(No, Drop), rule(Yes, Drop)],
                vec![],
                "rule 2 of chain input in inet filter drops them".to_owned(),
            ),
            (true, vec![rule(Yes, Jump(other()))], vec![rule(Yes, Accept)], "passes".to_owned()),
            (
                true,
                vec![rule(Yes, Jump(other()))],
                vec![rule(Yes, Return), rule(Yes, Accept)],
                policy.to_owned(),
            ),
            (true, vec![rule(Yes, Jump(other())), rule(Yes, Accept)], vec![], "passes".to_owned()),
            (true, vec![rule(Yes, Goto(other())), rule(Yes, Accept)], vec![], policy.to_owned()),
            (
                false,
                vec![rule(Yes, Jump(other()))],
                vec![rule(Yes, Drop)],
                "rule 1 of chain other in inet filter drops them".to_owned(),
            ),
            // For ever, were it followed for ever.
            (false, vec![rule(Yes, Jump("input".to_owned()))], vec![], "passes".to_owned()),
        ];
        for (policy_drops, rules, others, expected) in table {
            assert_eq!(judge(policy_drops, rules.clone(), others), expected, "{rules:?}");
        }
    }
}
