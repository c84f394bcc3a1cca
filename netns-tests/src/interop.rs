//! Stories that every peer of another make has to be told with: both roles, both start orders, death,
//! comeback with and without preemption, planned stop; and what the decoders say of our adverts.

use std::thread::sleep;
use std::time::Duration;

use lab::{Moment, probe, wait_until};
use nix::sys::signal::Signal;

use crate::capture::Capture;
use crate::link::neighbour;
use crate::{Duel, LIMIT, PLANNED};

/// A peer of another make that runs on a host.
pub trait ForeignRouter {
    /// Whether it has the address, by what its kernel does.
    fn owns(&mut self, duel: &mut Duel) -> bool;
    /// Ends it in order.
    fn stop(&mut self);
    /// Kills it without a word; what it left in the kernel stays.
    fn die(&mut self);
}

/// The hosts in these stories: ours, and the peer's.
pub const OURS: usize = 0;
/// The peer's host.
pub const THEIRS: usize = 1;

/// What both routers of a pair advertise.
#[derive(Clone, Copy, Debug)]
pub struct Advertised {
    /// All addresses.
    pub addresses: &'static [&'static str],
    /// The one that is watched.
    pub vip: &'static str,
    /// The source address of our adverts.
    pub source: &'static str,
}

/// Of IPv4.
pub const IPV4: Advertised =
    Advertised { addresses: &["10.77.0.200"], vip: "10.77.0.200", source: "10.77.0.11" };

/// Of IPv6.
pub const IPV6: Advertised = Advertised {
    addresses: &["fe80::200:5eff:fe00:233", "fd77::200"],
    vip: "fd77::200",
    source: "fe80::77:ff:fe00:b",
};

/// A pair of different makes, and the stories it has to master.
pub trait Pairing {
    /// What both advertise.
    fn advertised(&self) -> Advertised;

    /// Time between adverts.
    fn interval(&self) -> Duration;

    /// Our configuration, with a priority, and with preemption or without.
    fn ours(&self, priority: u8, preempt: bool) -> String;

    /// Starts the peer, with a priority, and with preemption or without.
    fn theirs(&self, duel: &Duel, priority: u8, preempt: bool) -> Box<dyn ForeignRouter>;

    /// What a takeover may take when the Active router is gone without a word: three intervals and the
    /// skew, and a second for the machine's noise.
    fn takeover_limit(&self) -> Duration {
        self.interval() * 4 + Duration::from_secs(1)
    }

    /// What a planned move may cost a client that pings, in milliseconds: some 10, and the machine's noise,
    /// for the peer is no real-time process.
    fn silence_limit(&self) -> u128 {
        PLANNED
    }

    /// Whether the peer announces its addresses again when it hears that another was Active.
    fn peer_answers_losers(&self) -> bool {
        true
    }

    /// We are the better node.
    ///
    /// # Panics
    /// Anything is not as it has to be.
    fn we_lead(&self) {
        let mut duel = Duel::new(self.advertised().vip);
        let capture = Capture::start(&duel, &duel.hosts[THEIRS]);
        // The peer is first, and alone.
        let mut theirs = self.theirs(&duel, 100, true);
        wait(&mut duel, &mut *theirs, false, true);
        // We come later, and take over from a living Active router.
        let mut ours =
            without_silence(self, &mut duel, &mut *theirs, "we took over", (true, false), |duel| {
                duel.vipd(OURS, &self.ours(101, true))
            });
        // A planned stop: we serve until the peer has taken over.
        without_silence(self, &mut duel, &mut *theirs, "we stopped", (false, true), |_| {
            ours.stop(LIMIT).expect("an end");
        });
        // Back again, and then gone without a word; healed, we are the better node still.
        ours = duel.vipd(OURS, &self.ours(101, true));
        wait(&mut duel, &mut *theirs, true, false);
        cut(self, &mut duel, &mut *theirs, (true, false));
        // The peer goes and comes back as the lesser node: nobody moves.
        theirs.stop();
        theirs = self.theirs(&duel, 100, true);
        nobody_moves(
            self.interval(),
            &mut duel,
            &mut *theirs,
            (true, false),
            "the lesser peer came",
        );
        // Without preemption we come back as Backup, better or not.
        ours.stop(LIMIT).expect("an end");
        wait(&mut duel, &mut *theirs, false, true);
        let _ours = duel.vipd(OURS, &self.ours(101, false));
        nobody_moves(
            self.interval(),
            &mut duel,
            &mut *theirs,
            (false, true),
            "we came without preemption",
        );
        // Until the peer goes in order.
        theirs.stop();
        wait_ours(&mut duel, true);
        capture.stop().adverts_are_valid(self.advertised().source);
    }

    /// The short story, for dialects whose bytes differ and whose story does not: both hear each other, and
    /// the address moves both ways on purpose.
    ///
    /// # Panics
    /// Anything is not as it has to be.
    fn hear_each_other(&self) {
        let mut duel = Duel::new(self.advertised().vip);
        let capture = Capture::start(&duel, &duel.hosts[THEIRS]);
        let mut theirs = self.theirs(&duel, 100, true);
        wait(&mut duel, &mut *theirs, false, true);
        // We hear the peer, or we would become Active as well.
        let mut ours = duel.vipd(OURS, &self.ours(90, true));
        ours.wait_for_log("became Backup", LIMIT).expect("a Backup");
        nobody_moves(self.interval(), &mut duel, &mut *theirs, (false, true), "we came as lesser");
        // The peer hears us, or it would stay Active.
        without_silence(self, &mut duel, &mut *theirs, "we took over", (true, false), |duel| {
            duel.reload(OURS, &ours, &self.ours(110, true));
        });
        without_silence(self, &mut duel, &mut *theirs, "we stopped", (false, true), |_| {
            ours.stop(LIMIT).expect("an end");
        });
        capture.stop().adverts_are_valid(self.advertised().source);
    }

    /// The peer is the better node.
    ///
    /// # Panics
    /// Anything is not as it has to be.
    fn they_lead(&self) {
        let mut duel = Duel::new(self.advertised().vip);
        let capture = Capture::start(&duel, &duel.hosts[THEIRS]);
        // We are first, and alone.
        let mut ours = duel.vipd(OURS, &self.ours(100, true));
        wait_ours(&mut duel, true);
        // The peer comes later and takes over; we follow.
        let mut theirs = self.theirs(&duel, 101, true);
        wait(&mut duel, &mut *theirs, false, true);
        nobody_moves(
            self.interval(),
            &mut duel,
            &mut *theirs,
            (false, true),
            "the better peer came",
        );
        // It resigns: we wait for our skew and have the address.
        let since = Moment::now();
        theirs.stop();
        wait_ours(&mut duel, true);
        // keepalived resigns first, and then needs a second to remove an interface of its own.
        let limit = self.interval() * 156 / 256 + Duration::from_secs(2);
        assert!(since.elapsed() <= limit, "{:?} after it resigned", since.elapsed());
        // It comes back, and is then gone without a word; healed, it is the better node still.
        theirs = self.theirs(&duel, 101, true);
        wait(&mut duel, &mut *theirs, false, true);
        cut(self, &mut duel, &mut *theirs, (false, true));
        // We go and come back as the lesser node: nobody moves.
        ours.stop(LIMIT).expect("an end");
        ours = duel.vipd(OURS, &self.ours(100, true));
        nobody_moves(
            self.interval(),
            &mut duel,
            &mut *theirs,
            (false, true),
            "we came as the lesser",
        );
        // Without preemption it comes back as Backup, better or not.
        theirs.stop();
        wait_ours(&mut duel, true);
        theirs = self.theirs(&duel, 101, false);
        nobody_moves(
            self.interval(),
            &mut duel,
            &mut *theirs,
            (true, false),
            "it came without preemption",
        );
        // Until we go in order; and it dies and leaves its address behind: we have it as well, for
        // nobody speaks for it.
        ours.stop(LIMIT).expect("an end");
        wait(&mut duel, &mut *theirs, false, true);
        let _ours = duel.vipd(OURS, &self.ours(100, true));
        nobody_moves(self.interval(), &mut duel, &mut *theirs, (false, true), "we came again");
        let since = Moment::now();
        theirs.die();
        wait_ours(&mut duel, true);
        assert!(since.elapsed() <= self.takeover_limit(), "{:?} after it died", since.elapsed());
        capture.stop().adverts_are_valid(self.advertised().source);
    }

    /// After a partition the peer hears us before we hear it: it yields without a word, and nothing tells
    /// us that a client believed it. All the same the client finds us.
    ///
    /// # Panics
    /// Anything is not as it has to be.
    fn a_silent_end_of_a_partition(&self) {
        let mut duel = Duel::new(self.advertised().vip);
        let mut theirs = self.theirs(&duel, 100, true);
        wait(&mut duel, &mut *theirs, false, true);
        let ours = duel.vipd(OURS, &self.ours(101, true));
        wait(&mut duel, &mut *theirs, true, false);
        // Until what is sent after a takeover has been sent.
        sleep(Duration::from_secs(6));
        let us = duel.hosts[OURS].clone();
        duel.lab.cut(us.name()).expect("a cut");
        wait(&mut duel, &mut *theirs, true, true);
        let found = || probe::ping::answers(&duel.client, duel.vip).expect("a ping");
        wait_until("the client found the peer", LIMIT, found).expect("the peer");
        let client = duel.client.clone();
        let believed = || neighbour(&client, self.advertised().vip);
        assert_ne!(believed().as_deref(), Some("02:77:00:00:00:0b"));
        // Its last announcements are over as well.
        sleep(Duration::from_secs(6));
        let deaf = "table inet deaf { chain in { type filter hook input priority 0; meta l4proto 112 drop; }; }";
        us.namespace().nft(&format!("add {deaf}")).expect("a filter");
        let ping = duel.ping();
        let since = Moment::now();
        duel.lab.heal(us.name()).expect("a cure");
        wait(&mut duel, &mut *theirs, true, false);
        sleep(self.interval() * 2 + Duration::from_millis(500));
        let silence = Duel::silence(&ping.stop(), since);
        let limit = self.interval().as_millis() + 50 + NOISE;
        assert!(silence <= limit, "{silence} ms of silence: {}", ours.log());
        assert_eq!(believed().as_deref(), Some("02:77:00:00:00:0b"));
        assert!(!ours.log().contains("priority 100"), "it was heard: {}", ours.log());
    }
}

/// Does something that moves the address, without a client's noticing.
fn without_silence<T>(
    pairing: &(impl Pairing + ?Sized),
    duel: &mut Duel,
    theirs: &mut dyn ForeignRouter,
    what: &str,
    owners: (bool, bool),
    action: impl FnOnce(&mut Duel) -> T,
) -> T {
    let ping = duel.ping();
    let since = Moment::now();
    let done = action(duel);
    wait(duel, theirs, owners.0, owners.1);
    sleep(pairing.interval() * 2);
    let silence = Duel::silence(&ping.stop(), since);
    assert!(silence <= pairing.silence_limit(), "{silence} ms of silence while {what}");
    done
}

/// Cuts the owner off until both have the address, and heals the network until only the owner
/// from before has it.
fn cut(
    pairing: &(impl Pairing + ?Sized),
    duel: &mut Duel,
    theirs: &mut dyn ForeignRouter,
    owners: (bool, bool),
) {
    sleep(pairing.interval() * 2);
    let name = duel.hosts[if owners.0 { OURS } else { THEIRS }].name().to_owned();
    duel.lab.cut(&name).expect("a cut");
    let since = Moment::now();
    wait(duel, theirs, true, true);
    assert!(since.elapsed() <= pairing.takeover_limit(), "{:?} after a cut", since.elapsed());
    // Our last word lets the peer announce at once. Where it yields, it says nothing: that is another story.
    let ping = duel.ping();
    let since = Moment::now();
    duel.lab.heal(&name).expect("a cure");
    wait(duel, theirs, owners.0, owners.1);
    sleep(pairing.interval() * 2);
    let silence = Duel::silence(&ping.stop(), since);
    let limit = pairing.interval().as_millis() + 50 + NOISE;
    let heard = owners.1 && pairing.peer_answers_losers();
    assert!(!heard || silence <= limit, "{silence} ms of silence after the split healed");
}

/// What other tests on the machine may cost, in milliseconds.
const NOISE: u128 = 200;

/// Waits for these owners, and then sees nobody else for longer than silence may last.
fn nobody_moves(
    interval: Duration,
    duel: &mut Duel,
    theirs: &mut dyn ForeignRouter,
    owners: (bool, bool),
    what: &str,
) {
    let since = Moment::now();
    // A daemon of another make is up within a second.
    let limit = interval * 5 + Duration::from_secs(1);
    while since.elapsed() < limit {
        assert_eq!((ours(duel), theirs.owns(duel)), owners, "when {what}");
        sleep(Duration::from_millis(20));
    }
}

fn ours(duel: &mut Duel) -> bool {
    let name = duel.hosts[OURS].name().to_owned();
    duel.owners.owners().contains(&name)
}

fn wait_ours(duel: &mut Duel, wanted: bool) {
    wait_until(&format!("we had the address: {wanted}"), LIMIT, || ours(duel) == wanted)
        .expect("the owner");
}

fn wait(duel: &mut Duel, theirs: &mut dyn ForeignRouter, we: bool, they: bool) {
    let what = format!("we had the address: {we}, and the peer: {they}");
    wait_until(&what, LIMIT, || (ours(duel), theirs.owns(duel)) == (we, they)).expect("the owner");
}

/// keepalived on a host.
pub struct Keepalived {
    running: lab::Running,
    host: usize,
}

impl Keepalived {
    /// Starts it with these blocks of configuration.
    ///
    /// # Panics
    /// It is not installed or does not start.
    #[must_use]
    pub fn start(duel: &Duel, host: usize, config: &str) -> Self {
        Self { running: duel.keepalived(host, config), host }
    }
}

impl ForeignRouter for Keepalived {
    fn owns(&mut self, duel: &mut Duel) -> bool {
        let name = duel.hosts[self.host].name().to_owned();
        duel.owners.owners().contains(&name)
    }

    fn stop(&mut self) {
        self.running.stop(LIMIT).expect("an end");
    }

    fn die(&mut self) {
        self.running.signal_all(Signal::SIGKILL).expect("a signal");
    }
}
