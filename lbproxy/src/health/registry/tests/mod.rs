//! The registry, told what was found, said and ordered, and when.

mod names;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use config::{Files, ProxyConfig};
use vocabulary::{Name, Usability};

use super::effect::{Command, Effect, Event, Start};
use super::{OrderError, Registry};
use crate::clock;
use crate::health::agent::AgentReply;
use crate::health::check::Check;
use crate::health::outcome::{CheckId, Outcome, Report, Reported, Verdict};
use crate::plan::state::Order;

/// Two servers that are checked once in two seconds.
const PAIR: &str = "servers = [\"10.0.0.1:1\", \"10.0.0.2:1\"]\n";

/// Three failures bring them down, two passes up.
const CHECK: &str = "check = { tcp = true, interval = \"2s\", fast_interval = \"500ms\", \
                     down_interval = \"5s\", timeout = \"1s\", rise = 2, fall = 3 }\n";

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn proxy(name: &str, more: &str) -> String {
    let port = 7000 + name.len();
    format!("[[proxy]]\nname = \"{name}\"\nlisten = [\"10.0.0.9:{port}\"]\n{more}")
}

fn configs(text: &str) -> Vec<ProxyConfig> {
    match config::parse("vipd.toml", text) {
        Ok(loaded) => loaded.config.proxies,
        Err(problems) => panic!("{problems}"),
    }
}

/// A registry and its clock.
struct Story {
    registry: Registry,
    start: Instant,
}

impl Story {
    /// Begins with a configuration; what follows from that is left out.
    fn of(text: &str) -> Self {
        let mut story = Self { registry: Registry::default(), start: clock::now() };
        story.load(0, text);
        story
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn load(&mut self, millis: u64, text: &str) -> Vec<String> {
        let configs = configs(text);
        let checks =
            configs.iter().map(|proxy| Check::new(proxy, &Files::default()).unwrap()).collect();
        let now = self.at(millis);
        words(self.registry.replace(&configs, checks, now))
    }

    fn report(&mut self, millis: u64, id: u64, what: Reported) -> Vec<String> {
        let now = self.at(millis);
        words(self.registry.observe(Report { id: CheckId(id), what }, now))
    }

    /// A check's outcome: `p`ass, `n`ot ready, `d`ead, or dead as clients see it too (`c`).
    fn found(&mut self, millis: u64, id: u64, what: char) -> Vec<String> {
        let verdict = match what {
            'p' => Verdict::Pass,
            'n' => Verdict::NotReady,
            _ => Verdict::Dead,
        };
        let outcome = Outcome::new(verdict, what.to_string());
        let confirmed = what == 'c';
        self.report(millis, id, Reported::Checked { outcome, certificate: None, confirmed })
    }

    fn agent(&mut self, millis: u64, id: u64, line: &str) -> Vec<String> {
        self.report(millis, id, Reported::Agent(AgentReply::read(line.as_bytes())))
    }

    fn order(&mut self, millis: u64, server: &str, order: Order) -> Vec<String> {
        let now = self.at(millis);
        words(self.registry.order(&name("p"), &name(server), (order, None), now).unwrap().effects)
    }

    /// State and share of each server of the first proxy.
    fn servers(&self) -> Vec<String> {
        let backends = self.registry.proxies[0].set().backends;
        backends.iter().map(|one| format!("{} {}", one.state, one.weight)).collect()
    }

    /// How often the connections of a server of the first proxy were ended.
    fn ended(&self, place: usize) -> u64 {
        self.registry.proxies[0].servers[place].server.counters.epoch()
    }
}

fn words(effects: Vec<Effect>) -> Vec<String> {
    effects.into_iter().map(word).collect()
}

fn word(effect: Effect) -> String {
    match effect {
        Effect::Publish => "publish".to_owned(),
        Effect::Check(Command::Start(start)) => {
            let Start { id, server, settings, delay, follows, .. } = *start;
            let kind = if follows { "follow" } else { "start" };
            format!("{kind} {} {} in {delay:?}, every {:?}", id.0, server.name, settings.pace)
        }
        Effect::Check(Command::Update(id, settings)) => {
            format!("update {} every {:?}", id.0, settings.pace)
        }
        Effect::Check(Command::LookUp(id, endpoint)) => format!("look up {} {endpoint}", id.0),
        Effect::Check(Command::Stop(id)) => format!("stop {}", id.0),
        Effect::Log(Event::Changed { server, from, to, reason, .. }) => {
            format!("log {server} {from} {to}: {reason}")
        }
        Effect::Log(event) => format!("log {event:?}"),
    }
}

#[test]
fn first_checks_are_spread() {
    let mut story = Story { registry: Registry::default(), start: clock::now() };
    let effects = story.load(0, &proxy("p", &format!("{PAIR}{CHECK}")));
    let expected = [
        "start 1 10.0.0.1:1 in 0ns, every 500ms",
        "start 2 10.0.0.2:1 in 50ms, every 500ms",
        "publish",
    ];
    assert_eq!(effects, expected);
    assert_eq!(story.servers(), ["unknown 1", "unknown 1"]);
}

#[test]
fn what_checks_find_is_told_when_it_changes_something() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    let none: [&str; 0] = [];
    let table = [
        ('p', vec!["update 1 every 2s", "log 10.0.0.1:1 unknown up: p", "publish"], "up 1"),
        ('p', vec![], "up 1"),
        ('d', vec!["update 1 every 500ms"], "up 1"),
        ('d', vec![], "up 1"),
        ('p', vec!["update 1 every 2s"], "up 1"),
        ('d', vec!["update 1 every 500ms"], "up 1"),
        ('n', vec![], "up 1"),
        ('d', vec!["update 1 every 5s", "log 10.0.0.1:1 up down: d", "publish"], "down 1"),
        ('p', vec!["update 1 every 500ms"], "down 1"),
        ('p', vec!["update 1 every 2s", "log 10.0.0.1:1 down up: p", "publish"], "up 1"),
        // Clients see the same.
        ('c', vec!["update 1 every 5s", "log 10.0.0.1:1 up down: c", "publish"], "down 1"),
    ];
    for (step, (what, effects, server)) in (0_u64..).zip(table) {
        assert_eq!(story.found(step, 1, what), effects, "step {step}");
        assert_eq!(story.servers(), [server, "unknown 1"], "step {step}");
    }
    assert_eq!(story.found(99, 7, 'p'), none, "no such checks");
}

#[test]
fn what_speaks_against_a_state_never_puts_the_next_check_off() {
    let check = |more: &str| {
        proxy("p", &format!("{PAIR}check = {{ tcp = true, timeout = \"1s\", rise = 2, {more} }}\n"))
    };
    // Without a `fast_interval`: the first pass of one that is down is not the last for an hour.
    let mut story = Story::of(&check("interval = \"1h\", down_interval = \"20ms\""));
    assert_eq!(story.found(1, 1, 'd')[0], "update 1 every 20ms");
    assert_eq!(story.found(2, 1, 'p'), [""; 0]);
    let returned = ["update 1 every 3600s", "log 10.0.0.1:1 down up: p", "publish"];
    assert_eq!(story.found(3, 1, 'p'), returned);
    // One that is slower than the others.
    let mut story = Story::of(&check("interval = \"2s\", fast_interval = \"9s\""));
    story.found(1, 1, 'p');
    assert_eq!(story.found(2, 1, 'd'), [""; 0], "every 2s");
}

#[test]
fn an_answer_that_needs_authority_is_logged_once() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    let denied = || {
        let outcome = Outcome { denied: true, ..Outcome::pass("403") };
        Reported::Checked { outcome, certificate: None, confirmed: false }
    };
    let told = |effects: Vec<String>| effects.iter().filter(|e| e.contains("Denied")).count();
    assert_eq!(told(story.report(0, 1, denied())), 1);
    assert_eq!(told(story.report(1, 1, denied())), 0);
    assert_eq!(told(story.found(2, 1, 'p')), 0);
    assert_eq!(told(story.report(3, 1, denied())), 1);
}

#[test]
fn a_reload_that_changes_no_check_disturbs_none() {
    let text = proxy("p", &format!("{PAIR}{CHECK}"));
    let mut story = Story::of(&text);
    story.found(1, 1, 'p');
    story.found(1, 2, 'd');
    let effects = story.load(10, &text);
    assert_eq!(effects, ["update 1 every 2s", "update 2 every 5s", "publish"]);
    assert_eq!(story.servers(), ["up 1", "down 1"]);
    // The checks are known by the same numbers.
    assert_eq!(story.found(11, 1, 'c')[1], "log 10.0.0.1:1 up down: c");
    // Another place, name and weight, and one server more.
    let more = "[[proxy.server]]\nname = \"c\"\naddress = \"10.0.0.3:1\"\n\
                [[proxy.server]]\nname = \"a\"\naddress = \"10.0.0.1:1\"\nweight = 9\n";
    let effects = story.load(20, &proxy("p", &format!("{CHECK}{more}")));
    let expected = ["stop 2", "start 3 c in 0ns, every 500ms", "update 1 every 5s", "publish"];
    assert_eq!(effects, expected);
    assert_eq!(story.servers(), ["unknown 1", "down 9"]);
}

#[test]
fn a_reload_with_another_check_begins_anew() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    story.found(1, 1, 'p');
    story.registry.proxies[0].servers[0].server.counters.total.store(7, Relaxed);
    let other = CHECK.replace("rise = 2", "rise = 1");
    let effects = story.load(10, &proxy("p", &format!("{PAIR}{other}")));
    let expected = [
        "stop 1",
        "start 3 10.0.0.1:1 in 0ns, every 500ms",
        "stop 2",
        "start 4 10.0.0.2:1 in 50ms, every 500ms",
        "publish",
    ];
    assert_eq!(effects, expected);
    assert_eq!(story.servers(), ["unknown 1", "unknown 1"]);
    let counters = &story.registry.proxies[0].servers[0].server.counters;
    assert_eq!(counters.total.load(Relaxed), 7, "what is counted goes on");
    assert_eq!(story.found(11, 1, 'p').len(), 0, "the stopped checks count no more");
}

#[test]
fn a_proxy_that_is_gone_is_checked_no_more() {
    let both = format!(
        "{}{}",
        proxy("p", &format!("{PAIR}{CHECK}")),
        proxy("other", &format!("servers = [\"10.0.0.3:1\"]\n{CHECK}"))
    );
    let mut story = Story::of(&both);
    let effects = story.load(1, &proxy("other", &format!("servers = [\"10.0.0.3:1\"]\n{CHECK}")));
    assert_eq!(effects, ["stop 1", "stop 2", "update 3 every 500ms", "publish"]);
}

#[test]
fn orders_count_before_checks() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    story.found(1, 1, 'p');
    let ordered = |state: &str, weight: u16| {
        format!(
            "log Ordered {{ proxy: {:?}, server: {:?}, state: {state}, weight: {weight} }}",
            name("p"),
            name("10.0.0.1:1")
        )
    };
    let publish = "publish".to_owned();
    let effects = story.order(2, "10.0.0.1:1", Order::Drain);
    assert_eq!(effects, [ordered("Draining", 1), publish.clone()]);
    assert_eq!(story.servers()[0], "draining 0");
    let effects = story.order(3, "10.0.0.1:1", Order::Maint);
    assert_eq!(effects, ["stop 1".to_owned(), ordered("Maint", 1), publish.clone()]);
    assert_eq!(story.servers()[0], "maint 0");
    assert_eq!(story.registry.proxies[0].servers[0].reason, "by an operator");
    assert_eq!(story.found(4, 1, 'p').len(), 0);
    let effects = story.order(5, "10.0.0.1:1", Order::Weight(40));
    assert_eq!(effects, [ordered("Maint", 40), publish.clone()]);
    // The order holds over a reload, and nothing is checked.
    let text = proxy("p", &format!("{PAIR}{CHECK}"));
    assert_eq!(story.load(6, &text), ["update 2 every 500ms", "publish"]);
    assert_eq!(story.servers()[0], "maint 0");
    let effects = story.order(7, "10.0.0.1:1", Order::Ready);
    let start = "start 6 10.0.0.1:1 in 0ns, every 500ms".to_owned();
    assert_eq!(effects, [start, ordered("Unknown", 40), publish]);
    assert_eq!(story.servers()[0], "unknown 40");
    // A weight that is changed in the file counts.
    let full = "[[proxy.server]]\nname = \"a\"\naddress = \"10.0.0.1:1\"\nweight = 9\n";
    story.load(8, &proxy("p", &format!("{CHECK}{full}")));
    assert_eq!(story.servers(), ["unknown 9"]);
}

#[test]
fn orders_end_in_time_and_come_back_with_their_server() {
    let text = proxy("p", &format!("{PAIR}{CHECK}"));
    let mut story = Story::of(&text);
    story.found(1, 1, 'p');
    let (one, until) = (name("10.0.0.1:1"), story.at(60_000));
    let drain = (Order::Drain, Some(until));
    story.registry.order(&name("p"), &one, drain, story.start).unwrap();
    story.order(2, "10.0.0.1:1", Order::Weight(40));
    assert_eq!(
        (story.servers()[0].as_str(), story.registry.next_end()),
        ("draining 0", Some(until))
    );
    assert_eq!(story.registry.end_orders(story.at(59_999)).len(), 0);
    let standing = story.registry.standing();
    // Another program, from the first moment on.
    let mut next = Story { registry: Registry::default(), start: story.start };
    next.registry.restore(standing.clone());
    next.load(3, &text);
    assert_eq!(next.servers(), ["draining 0", "unknown 1"]);
    assert_eq!(next.registry.standing(), standing);
    next.found(4, 1, 'p');
    for story in [&mut story, &mut next] {
        let effects = words(story.registry.end_orders(until));
        let ended = format!(
            "log OrderEnded {{ proxy: {:?}, server: {one:?}, state: Up, weight: 40 }}",
            name("p")
        );
        assert_eq!(effects, [ended, "publish".to_owned()]);
        assert_eq!((story.servers()[0].as_str(), story.registry.next_end()), ("up 40", None));
    }
    // One that is not configured is forgotten.
    let mut other = Story { registry: Registry::default(), start: story.start };
    other.registry.restore(standing);
    other.load(0, &proxy("p", &format!("servers = [\"10.0.0.2:1\"]\n{CHECK}")));
    assert_eq!(other.registry.standing(), []);
}

#[test]
fn maintenance_that_ends_in_time_is_followed_by_checks() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    let (server, until) = (name("10.0.0.1:1"), story.at(5));
    story.registry.order(&name("p"), &server, (Order::Maint, Some(until)), story.start).unwrap();
    let effects = words(story.registry.end_orders(until));
    assert_eq!(effects[0], "start 4 10.0.0.1:1 in 0ns, every 500ms");
    assert_eq!(story.servers()[0], "unknown 1");
}

#[test]
fn orders_that_cannot_be_carried_out() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    let now = story.start;
    let registry = &mut story.registry;
    let mut error = |proxy: &str, server: &str, order| {
        registry.order(&name(proxy), &name(server), (order, None), now).unwrap_err().to_string()
    };
    assert_eq!(error("x", "10.0.0.1:1", Order::Ready), "there is no proxy x");
    assert_eq!(error("p", "y", Order::Ready), "there is no server y of p");
    let heavy = error("p", "10.0.0.1:1", Order::Weight(257));
    assert_eq!(heavy, "the weight is 257, but must be 0 to 256");
}

#[test]
fn connections_are_ended_by_order() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{CHECK}")));
    for (place, count) in [(0, 3), (1, 4)] {
        let counters = &story.registry.proxies[0].servers[place].server.counters;
        counters.live.store(count, Relaxed);
    }
    let one = name("10.0.0.2:1");
    assert_eq!(story.registry.end_sessions(&name("p"), Some(&one)), Ok(4));
    assert_eq!([story.ended(0), story.ended(1)], [0, 1]);
    assert_eq!(story.registry.end_sessions(&name("p"), None), Ok(7));
    assert_eq!([story.ended(0), story.ended(1)], [1, 2]);
    let none = story.registry.end_sessions(&name("p"), Some(&name("y")));
    assert_eq!(none, Err(OrderError::NoServer { proxy: name("p"), server: name("y") }));
    assert_eq!([story.ended(0), story.ended(1)], [1, 2]);
}

#[test]
fn an_agent_bounds_what_checks_say() {
    let agent = "agent = { port = 9, interval = \"1s\" }\n";
    let weights = "[[proxy.server]]\nname = \"a\"\naddress = \"10.0.0.1:1\"\nweight = 100\n";
    let mut story = Story::of(&proxy("p", &format!("{CHECK}{agent}{weights}")));
    story.found(1, 1, 'p');
    let table = [
        ("75%", vec!["publish"], "up 75"),
        ("75%", vec![], "up 75"),
        ("maxconn:30", vec!["publish"], "up 75"),
        ("drain", vec!["log a up draining: its agent says drain", "publish"], "draining 0"),
        (
            "down # disk",
            vec!["log a draining down: its agent says down: disk", "publish"],
            "down 0",
        ),
        ("up", vec!["log a down draining: its agent says drain", "publish"], "draining 0"),
        ("ready 300%", vec!["log a draining up: its agent says ready", "publish"], "up 256"),
    ];
    for (line, effects, server) in table {
        assert_eq!(story.agent(2, 1, line), effects, "{line}");
        assert_eq!(story.servers(), [server], "{line}");
    }
    let most = |story: &Story| {
        story.registry.proxies[0].servers[0].server.most().map(std::num::NonZeroU32::get)
    };
    assert_eq!(most(&story), Some(30));
    // Without an agent nothing holds of what it said; the checks' own state stays.
    let effects = story.load(3, &proxy("p", &format!("{CHECK}{weights}")));
    assert_eq!(effects, ["stop 1", "start 2 a in 0ns, every 2s", "publish"]);
    assert_eq!((story.servers(), most(&story)), (vec!["up 100".to_owned()], None));
}

#[test]
fn connections_end_with_their_server_or_after_a_grace() {
    for (more, epochs) in [
        ("", [1, 1, 1]),
        ("on_down_grace = \"300ms\"\n", [0, 0, 1]),
        ("on_down = \"keep\"\n", [0, 0, 0]),
    ] {
        let mut story = Story::of(&proxy("p", &format!("{PAIR}{more}{CHECK}")));
        story.found(1, 1, 'p');
        story.found(1, 2, 'p');
        assert_eq!(story.found(1_000, 1, 'c').last().unwrap(), "publish");
        let mut seen = vec![story.ended(0)];
        // Whichever server a check is of.
        for at in [1_299, 1_300] {
            let effects = story.found(at, 2, 'p');
            assert_eq!(effects == ["publish"], *seen.last().unwrap() != story.ended(0));
            seen.push(story.ended(0));
        }
        assert_eq!(seen, epochs, "{more}");
    }
}

#[test]
fn one_that_comes_back_within_the_grace_keeps_its_connections() {
    let more = "on_down_grace = \"300ms\"\n";
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{more}{CHECK}")));
    story.found(1, 1, 'p');
    story.found(1_000, 1, 'c');
    story.found(1_100, 1, 'p');
    story.found(1_200, 1, 'p');
    story.found(2_000, 2, 'p');
    assert_eq!((story.servers()[0].as_str(), story.ended(0)), ("up 1", 0));
}

#[test]
fn a_share_grows_from_the_return_on() {
    let more = "slow_start = \"10s\"\n";
    let mut story = Story::of(&proxy("p", &format!("{PAIR}{more}{CHECK}")));
    let grown = |story: &Story, millis| {
        let proxy = &story.registry.proxies[0];
        proxy.servers[0].slow_start(proxy.config.slow_start, story.at(millis))
    };
    story.found(0, 1, 'p');
    assert_eq!(grown(&story, 0), None, "the first time it has all of it at once");
    story.found(1_000, 1, 'c');
    story.found(2_000, 1, 'p');
    story.found(3_000, 1, 'p');
    for (millis, per_cent) in
        [(3_000, Some(0)), (8_000, Some(50)), (12_999, Some(99)), (13_000, None)]
    {
        assert_eq!(grown(&story, millis), per_cent, "{millis}");
    }
    story.found(4_000, 1, 'c');
    assert_eq!(grown(&story, 5_000), None, "only while it is up");
}

#[test]
fn followers_are_as_those_that_they_follow() {
    let text = format!(
        "{}{}",
        proxy("p", &format!("{PAIR}check = {{ track = \"api\" }}\n")),
        proxy("api", &format!("{PAIR}{CHECK}"))
    );
    let mut story = Story { registry: Registry::default(), start: clock::now() };
    let effects = story.load(0, &text);
    assert_eq!(effects.iter().filter(|effect| effect.starts_with("follow")).count(), 2);
    let effects = story.found(1, 3, 'p');
    let expected = [
        "update 3 every 2s",
        "log 10.0.0.1:1 unknown up: p",
        "log 10.0.0.1:1 unknown up: as api/10.0.0.1:1: p",
        "publish",
    ];
    assert_eq!(effects, expected);
    assert_eq!(story.servers(), ["up 1", "unknown 1"]);
    let now = story.at(2);
    let api = name("api");
    story.registry.order(&api, &name("10.0.0.1:1"), (Order::Drain, None), now).unwrap();
    assert_eq!(story.servers()[0], "draining 0");
    story.registry.order(&api, &name("10.0.0.1:1"), (Order::Ready, None), now).unwrap();
    assert_eq!(story.servers()[0], "up 1");
}

#[test]
fn panic_begins_and_ends() {
    let mut story = Story::of(&proxy("p", &format!("{PAIR}panic = true\n{CHECK}")));
    story.found(1, 1, 'd');
    let (began, ended) = ("log PanicBegan", "log PanicEnded");
    let told = |effects: &[String], what: &str| effects.iter().any(|one| one.starts_with(what));
    let effects = story.found(2, 2, 'd');
    assert!(told(&effects, began) && story.registry.proxies[0].panics, "{effects:?}");
    assert!(!told(&story.found(3, 1, 'p'), began));
    let effects = story.found(4, 1, 'p');
    assert!(told(&effects, ended) && !story.registry.proxies[0].panics, "{effects:?}");
}

#[test]
fn a_proxy_is_as_the_servers_that_its_clients_may_get() {
    let text = format!(
        "{}{}",
        proxy("start", "[[proxy.route]]\nproxy = \"p\"\n"),
        proxy("p", &format!("{PAIR}{CHECK}"))
    );
    let mut story = Story::of(&text);
    let scores = |story: &Story| {
        let scores = story.registry.scores();
        scores.iter().map(|one| (one.usable, one.total, one.state)).collect::<Vec<_>>()
    };
    assert_eq!(scores(&story), [(0, 2, Usability::Unknown); 2]);
    story.found(1, 2, 'p');
    assert_eq!(scores(&story), [(1, 2, Usability::Usable); 2]);
    story.found(2, 2, 'c');
    story.found(2, 1, 'd');
    assert_eq!(scores(&story), [(0, 2, Usability::Unusable); 2]);
}

#[test]
fn what_is_counted_goes_on_over_a_reload() {
    let limited = "max_connections_per_source = 5\n";
    let text = |routes: &str, more: &str| {
        format!("{}{}", proxy("start", routes), proxy("p", &format!("{PAIR}{more}{CHECK}")))
    };
    let (all, lan) = (
        "[[proxy.route]]\nproxy = \"p\"\n",
        "[[proxy.route]]\nproxy = \"p\"\nfrom = [\"10.0.0.0/8\"]\n",
    );
    let mut story = Story::of(&text(all, limited));
    let sources = story.registry.proxies[1].sources.clone().unwrap();
    story.registry.proxies[0].taken[0].store(3, Relaxed);
    story.registry.proxies[1].counters.accepted.store(8, Relaxed);
    story.load(1, &text(&format!("{lan}{all}"), limited));
    let taken: Vec<u64> =
        story.registry.proxies[0].taken.iter().map(|one| one.load(Relaxed)).collect();
    assert_eq!(taken, [0, 3], "a route is known by what it says, not by its place");
    let p = &story.registry.proxies[1];
    assert_eq!(p.counters.accepted.load(Relaxed), 8);
    assert!(std::sync::Arc::ptr_eq(p.sources.as_ref().unwrap(), &sources));
    story.load(2, &text(all, ""));
    assert!(story.registry.proxies[1].sources.is_none());
}

#[test]
fn another_agent_or_none_to_follow_restarts_what_asks() {
    let agent = |port: u16| format!("agent = {{ port = {port}, interval = \"1s\" }}\n");
    let one = "servers = [\"10.0.0.1:1\"]\n";
    let mut story = Story::of(&proxy("p", &format!("{one}{}{CHECK}", agent(9))));
    story.found(1, 1, 'p');
    story.agent(1, 1, "50%");
    let effects = story.load(2, &proxy("p", &format!("{one}{}{CHECK}", agent(10))));
    assert_eq!(effects, ["stop 1", "start 2 10.0.0.1:1 in 0ns, every 2s", "publish"]);
    // Its state and what the agent said last stand until the other one says something.
    assert_eq!(story.servers(), ["up 1"]);
    assert_eq!(story.registry.proxies[0].servers[0].agent.percent, 50);
    let api = proxy("api", &format!("{one}{CHECK}"));
    let follows = proxy("p", &format!("{one}check = {{ track = \"api\" }}\n"));
    let effects = story.load(3, &format!("{follows}{api}"));
    assert!(effects.contains(&"stop 2".to_owned()), "{effects:?}");
    assert!(effects.iter().any(|one| one.starts_with("follow 3 ")), "{effects:?}");
    assert_eq!(story.servers(), ["unknown 1"], "as the one that it follows");
}

#[test]
fn one_that_follows_from_now_on_is_checked_no_more() {
    let one = "servers = [\"10.0.0.1:1\"]\n";
    // All else is alike: a connection, at the pace of whoever is followed.
    let plain = "check = { tcp = true, error_limit = 0 }\n";
    let api = proxy("api", &format!("{one}{plain}"));
    let text = |check: &str| format!("{}{api}", proxy("p", &format!("{one}{check}")));
    let mut story = Story::of(&text(plain));
    let effects = story.load(1, &text("check = { track = \"api\" }\n"));
    let expected =
        ["stop 1", "follow 3 10.0.0.1:1 in 0ns, every 1s", "update 2 every 1s", "publish"];
    assert_eq!(effects, expected);
    let effects = story.load(2, &text(plain));
    let expected =
        ["stop 3", "start 4 10.0.0.1:1 in 0ns, every 1s", "update 2 every 1s", "publish"];
    assert_eq!(effects, expected);
}
