//! Whether the host's packet filter lets VRRP through, as far as its rules tell.

mod iptables;
mod nft;
mod rules;

use std::fs;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use config::{Audience, RouterConfig};
use vrrp::wire::group;

use self::rules::{Judgement, Packet, Ruleset, Way};
use super::context::Context;
use super::report::Finding;

const ITEM: &str = "firewall";

const BOTH: &str = "nodes that do not hear each other are both Active";

/// Judges what every router receives and sends.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    if context.config.routers.is_empty() {
        return Vec::new();
    }
    let rules = match read() {
        Ok(rules) => rules,
        Err(words) => {
            let why = "whether VRRP passes is proven by listening only";
            return vec![Finding::warning(ITEM, "", format!("not known: {words}"), why)];
        }
    };
    let mut found: Vec<Finding> = Vec::new();
    for router in &context.config.routers {
        let interface = context.network.interfaces.named(&router.interface);
        let own = interface.and_then(|interface| interface.source_for(router));
        for packet in packets(router, own) {
            if let Some(finding) = judge(router, &packet, &rules)
                && !found.contains(&finding)
            {
                found.push(finding);
            }
        }
    }
    if found.is_empty() {
        let count = rules.iter().map(Source::count).sum::<usize>();
        let seen = format!("protocol 112 passes in and out ({count} rules looked at)");
        found.push(Finding::ok(ITEM, "", seen));
    }
    found
}

/// What a router hears and says.
fn packets(router: &RouterConfig, own: Option<IpAddr>) -> Vec<Packet> {
    let interface = router.interface.to_string();
    let packet = |way, source, destination: IpAddr| Packet {
        way,
        interface: interface.clone(),
        source,
        destination,
    };
    match &router.audience {
        Audience::Multicast => {
            let group = group(router.id.family);
            vec![packet(Way::In, None, group), packet(Way::Out, own, group)]
        }
        Audience::Peers(peers) => {
            // Without an address of its own it exchanges nothing with them.
            let both = |own: IpAddr| {
                peers.iter().flat_map(move |peer| {
                    [packet(Way::In, Some(*peer), own), packet(Way::Out, Some(own), *peer)]
                })
            };
            own.into_iter().flat_map(both).collect()
        }
    }
}

/// Rules as a program told them.
enum Source {
    Nft(serde_json::Value),
    /// With the program that told them.
    Iptables(&'static str, String),
}

impl Source {
    fn rules(&self, packet: &Packet) -> Ruleset {
        match self {
            Self::Nft(json) => nft::ruleset(json, packet),
            Self::Iptables(program, text) => iptables::ruleset(program, text, packet),
        }
    }

    fn count(&self) -> usize {
        let anybody = Packet {
            way: Way::In,
            interface: String::new(),
            source: None,
            destination: IpAddr::from([224, 0, 0, 18]),
        };
        self.rules(&anybody).count()
    }
}

/// nftables' rules hold those of `iptables-nft` as well; the old tables have a program of their own.
fn read() -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    let nft = output("nft", &["-j", "list", "ruleset"]);
    match nft {
        Ok(text) => {
            let json = serde_json::from_str(&text);
            sources.push(Source::Nft(json.map_err(|error| format!("nft's answer: {error}"))?));
        }
        Err(words) if !is_used("nf_tables") => drop(words),
        Err(words) => return Err(words),
    }
    for (names, programs) in [
        ("/proc/net/ip_tables_names", ["iptables-legacy-save", "iptables-save"]),
        ("/proc/net/ip6_tables_names", ["ip6tables-legacy-save", "ip6tables-save"]),
    ] {
        if !fs::read_to_string(names).is_ok_and(|names| !names.trim().is_empty()) {
            continue;
        }
        let saved =
            programs.iter().find_map(|program| Some((*program, output(program, &[]).ok()?)));
        let (program, text) = saved.ok_or("there are iptables rules, but no iptables-save")?;
        sources.push(Source::Iptables(program, text));
    }
    Ok(sources)
}

/// Whether a module of the kernel is loaded; one that is built in counts as used.
fn is_used(module: &str) -> bool {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let loaded = modules.lines().any(|line| line.split(' ').next() == Some(module));
    loaded || modules.is_empty() || fs::exists(format!("/sys/module/{module}")).unwrap_or(true)
}

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", path).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", errors.lines().next().unwrap_or("it failed")));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{program}: {error}"))
}

fn judge(router: &RouterConfig, packet: &Packet, sources: &[Source]) -> Option<Finding> {
    let judgements = sources.iter().map(|source| source.rules(packet).judge());
    let worst = judgements.max_by_key(Judgement::severity)?;
    let way = match packet.way {
        Way::In => "heard",
        Way::Out => "sent",
    };
    match worst {
        Judgement::Passes => None,
        Judgement::Drops(rule) => {
            let seen = format!("adverts are not {way}: {rule}");
            let finding = Finding::failure(ITEM, &router.id, seen, BOTH);
            Some(finding.remedies(rule.remedy(packet)))
        }
        Judgement::MayDrop(rule) => {
            let seen = format!(
                "adverts may not be {way}: {rule}, on conditions that are not understood here"
            );
            let finding = Finding::warning(ITEM, &router.id, seen, BOTH);
            Some(finding.remedies(rule.remedy(packet)))
        }
    }
}
