//! Servers by name: what look-ups make of them.

use super::*;
use crate::health::registry::names::Found;

/// A proxy whose server `cp` is a name.
fn by_name(more: &str) -> String {
    let server = "[[proxy.server]]\nname = \"cp\"\naddress = \"cp.test:1\"\n";
    proxy("p", &format!("{CHECK}{server}{more}"))
}

impl Story {
    /// A look-up's answer, by the last parts of the addresses.
    fn looked_up(&mut self, millis: u64, id: u64, hosts: &[u8]) -> Vec<String> {
        let found = |host: &u8| Found { address: ([10, 0, 0, *host], 1).into(), local: false };
        let answer = Ok(hosts.iter().map(found).collect());
        self.report(millis, id, Reported::LookedUp(answer))
    }

    /// Name, state and share of each server of the first proxy.
    fn named(&self) -> Vec<String> {
        let backends = self.registry.proxies[0].set().backends;
        backends
            .iter()
            .map(|one| format!("{} {} {}", one.server.name, one.state, one.weight))
            .collect()
    }
}

#[test]
fn a_name_is_checked_at_each_of_its_addresses() {
    let mut story = Story { registry: Registry::default(), start: clock::now() };
    assert_eq!(story.load(0, &by_name("")), ["look up 1 cp.test:1", "publish"]);
    assert_eq!(story.named(), ["cp unknown 1"]);
    let lost = Reported::LookedUp(Err("no such host".to_owned()));
    let down = "log cp unknown down: look up cp.test:1: no such host";
    assert_eq!(story.report(1, 1, lost), [down, "publish"]);
    let effects = story.looked_up(2, 1, &[2, 1]);
    assert!(effects[0].starts_with("log Found"), "{effects:?}");
    let started =
        ["start 4 cp@10.0.0.1 in 0ns, every 500ms", "start 5 cp@10.0.0.2 in 0ns, every 500ms"];
    assert_eq!(effects[1..3], started);
    story.found(3, 4, 'p');
    story.found(3, 5, 'd');
    assert_eq!(story.named(), ["cp@10.0.0.1 up 1", "cp@10.0.0.2 down 1"]);
    // One goes and another comes: who stays is not disturbed, and a sole one has the plain name.
    let effects = story.looked_up(4, 1, &[1, 3]);
    assert_eq!(
        effects[1..],
        ["stop 5", "update 4 every 2s", "start 6 cp@10.0.0.3 in 0ns, every 500ms", "publish"]
    );
    assert_eq!(story.named(), ["cp@10.0.0.1 up 1", "cp@10.0.0.3 unknown 1"]);
    story.looked_up(5, 1, &[1]);
    assert_eq!(story.named(), ["cp up 1"]);
    assert_eq!(story.looked_up(6, 1, &[1]).len(), 0, "no news");
    // Another reload keeps what is known; without the name nobody looks it up.
    assert_eq!(story.load(7, &by_name("")), ["update 4 every 2s", "publish"]);
    let effects = story.load(8, &proxy("p", &format!("{PAIR}{CHECK}")));
    assert_eq!(effects[..2], ["stop 1", "stop 4"]);
}

#[test]
fn orders_stay_with_the_server_of_a_name() {
    let mut story = Story::of(&by_name(""));
    story.looked_up(1, 1, &[1, 2]);
    story.order(2, "cp@10.0.0.2", Order::Drain);
    assert_eq!(story.named()[1], "cp@10.0.0.2 draining 0");
    story.looked_up(3, 1, &[1]);
    assert_eq!(story.registry.standing().len(), 1, "it may come back");
    story.load(4, &by_name(""));
    story.looked_up(5, 1, &[1, 2]);
    assert_eq!(story.named()[1], "cp@10.0.0.2 draining 0");
    // Before the first look-up of another program.
    let mut next = Story { registry: Registry::default(), start: story.start };
    next.registry.restore(story.registry.standing());
    next.load(6, &by_name(""));
    next.looked_up(7, 1, &[2, 1]);
    assert_eq!(next.named(), ["cp@10.0.0.1 unknown 1", "cp@10.0.0.2 draining 0"]);
    next.load(8, &proxy("p", &format!("{PAIR}{CHECK}")));
    assert_eq!(next.registry.standing(), [], "nobody can come by that name");
}

#[test]
fn followers_by_name_are_as_the_server_at_the_same_address() {
    let follower =
        "check = { track = \"api\" }\n[[proxy.server]]\nname = \"cp\"\naddress = \"cp.test:2\"\n";
    let api = by_name("").replace("\"p\"", "\"api\"").replace(":7001", ":7003");
    let mut story = Story::of(&format!("{}{api}", proxy("p", follower)));
    // The look-ups of the one, and of the other.
    story.looked_up(1, 1, &[1, 2]);
    story.looked_up(1, 3, &[2, 1]);
    assert_eq!(story.named(), ["cp@10.0.0.1 unknown 1", "cp@10.0.0.2 unknown 1"]);
    let checks: Vec<u64> =
        story.registry.proxies[1].servers.iter().map(|one| one.running.unwrap().0).collect();
    story.found(2, checks[1], 'p');
    assert_eq!(story.named(), ["cp@10.0.0.1 unknown 1", "cp@10.0.0.2 up 1"]);
    story.found(2, checks[0], 'd');
    assert_eq!(story.named(), ["cp@10.0.0.1 down 1", "cp@10.0.0.2 up 1"]);
}
