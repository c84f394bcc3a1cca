//! Rules as `nft -j` tells them.

use super::super::rules::Judgement;
use super::*;

fn advert() -> Packet {
    let destination = "224.0.0.18".parse().unwrap();
    Packet { way: Way::In, interface: "eth0".to_owned(), source: None, destination }
}

/// What an input chain with this policy and these rules makes of an advert.
fn judge(policy: &str, rules: &[&str], packet: &Packet) -> &'static str {
    let rules: String = rules
        .iter()
        .map(|expr| {
            format!(",{{\"rule\":{{\"family\":\"inet\",\"table\":\"f\",\"chain\":\"input\",\"handle\":9,\"expr\":[{expr}]}}}}")
        })
        .collect();
    let text = format!(
        "{{\"nftables\":[{{\"metainfo\":{{\"version\":\"1.0.6\"}}}},\
         {{\"table\":{{\"family\":\"inet\",\"name\":\"f\",\"handle\":1}}}},\
         {{\"set\":{{\"family\":\"inet\",\"name\":\"lan\",\"table\":\"f\",\"elem\":[\"eth0\",\"eth1\"]}}}},\
         {{\"chain\":{{\"family\":\"inet\",\"table\":\"f\",\"name\":\"input\",\"handle\":1,\
         \"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"{policy}\"}}}}{rules}]}}"
    );
    match ruleset(&serde_json::from_str(&text).unwrap(), packet).judge() {
        Judgement::Passes => "passes",
        Judgement::MayDrop(_) => "may drop",
        Judgement::Drops(_) => "drops",
    }
}

const ACCEPT: &str = "{\"accept\":null}";
const DROP: &str = "{\"drop\":null}";

fn is(left: &str, right: &str) -> String {
    format!("{{\"match\":{{\"op\":\"==\",\"left\":{left},\"right\":{right}}}}}")
}

#[test]
fn a_condition_holds_for_an_advert_or_not() {
    let meta = |key: &str| format!("{{\"meta\":{{\"key\":\"{key}\"}}}}");
    let ip = |field: &str| format!("{{\"payload\":{{\"protocol\":\"ip\",\"field\":\"{field}\"}}}}");
    let ct = "{\"ct\":{\"key\":\"state\"}}";
    let tcp = "{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}";
    let table = [
        (is(&meta("l4proto"), "\"vrrp\""), "passes"),
        (is(&meta("l4proto"), "112"), "passes"),
        (is(&meta("l4proto"), "{\"set\":[\"ah\",\"vrrp\"]}"), "passes"),
        (is(&meta("l4proto"), "\"tcp\""), "drops"),
        (is(&ip("protocol"), "\"vrrp\""), "passes"),
        (is(&ip("daddr"), "\"224.0.0.18\""), "passes"),
        (is(&ip("daddr"), "{\"prefix\":{\"addr\":\"224.0.0.0\",\"len\":8}}"), "passes"),
        (is(&ip("daddr"), "\"10.0.0.1\""), "drops"),
        // Which peer it will be is not known.
        (is(&ip("saddr"), "\"10.0.0.1\""), "may drop"),
        (is(&ip("ttl"), "255"), "passes"),
        (is(&meta("iifname"), "\"eth0\""), "passes"),
        (is(&meta("iifname"), "\"eth*\""), "passes"),
        (is(&meta("iifname"), "\"lo\""), "drops"),
        (is(&meta("iifname"), "\"@lan\""), "passes"),
        (is(&meta("oifname"), "\"eth0\""), "drops"),
        (is(&meta("pkttype"), "\"multicast\""), "passes"),
        (is(&meta("nfproto"), "\"ipv6\""), "drops"),
        (is(ct, "[\"established\",\"related\"]"), "drops"),
        (is(ct, "{\"set\":[\"established\",\"new\"]}"), "passes"),
        (is(tcp, "22"), "drops"),
        (is(&meta("mark"), "1"), "drops"),
        // As Kubernetes marks what is to be dropped.
        (is("{\"&\":[{\"meta\":{\"key\":\"mark\"}},32768]}", "32768"), "drops"),
        (is("{\"fib\":{\"result\":\"oif\",\"flags\":[\"saddr\",\"iif\"]}}", "false"), "drops"),
        (is("{\"fib\":{\"result\":\"type\",\"flags\":\"daddr\"}}", "\"multicast\""), "passes"),
        (is("{\"numgen\":{\"mode\":\"random\",\"mod\":2}}", "0"), "may drop"),
        (String::from("{\"limit\":{\"rate\":10}}"), "may drop"),
        (String::from("{\"counter\":{\"packets\":0,\"bytes\":0}}"), "passes"),
    ];
    for (condition, expected) in table {
        let rule = format!("{condition},{ACCEPT}");
        assert_eq!(judge("drop", &[&rule], &advert()), expected, "{condition}");
    }
}

#[test]
fn verdicts_and_policies_decide() {
    let vmap = "{\"vmap\":{\"key\":{\"ct\":{\"key\":\"state\"}},\"data\":{\"set\":\
                [[\"established\",{\"accept\":null}],[\"invalid\",{\"drop\":null}]]}}}";
    let reject = "{\"reject\":{\"type\":\"icmpx\",\"expr\":\"admin-prohibited\"}}";
    let not_tcp =
        "{\"match\":{\"op\":\"!=\",\"left\":{\"meta\":{\"key\":\"l4proto\"}},\"right\":\"tcp\"}}";
    for (policy, rules, expected) in [
        ("accept", vec![], "passes"),
        ("drop", vec![], "drops"),
        ("accept", vec![DROP], "drops"),
        ("drop", vec![ACCEPT, DROP], "passes"),
        // firewalld ends its chains like this.
        ("accept", vec![vmap, reject], "drops"),
        ("accept", vec![vmap], "passes"),
        ("accept", vec![&format!("{not_tcp},{DROP}")], "drops"),
        ("accept", vec![&format!("{{\"xt\":null}},{DROP}")], "may drop"),
    ] {
        assert_eq!(judge(policy, &rules, &advert()), expected, "{policy} {rules:?}");
    }
}

#[test]
fn what_is_no_ruleset_drops_nothing() {
    for text in ["{}", "[]", "{\"nftables\":[null,{\"rule\":{}},{\"chain\":{\"family\":\"ip\"}}]}"]
    {
        let json = serde_json::from_str(text).unwrap();
        assert_eq!(ruleset(&json, &advert()).judge(), Judgement::Passes, "{text}");
    }
}
