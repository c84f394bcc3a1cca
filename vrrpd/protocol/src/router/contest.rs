//! Another router that was Active at the same time: when it counts, and when it has yielded.
//!
//! Whatever moved with that router, such as a cloud's route to the address, is to be moved back then.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vocabulary::Priority;

use crate::election::{Received, Settings, State, timing};
use crate::wire::Claim;

/// For so long after we took over, adverts of whoever was Active before may be on their way: its last word,
/// and what it said before it heard us.
const TAKEOVER: Duration = Duration::from_secs(1);

/// Two contests end no sooner after each other: whoever can send adverts shall not have hooks run as he
/// likes.
const PAUSE: Duration = Duration::from_secs(10);

/// Another router was Active while we were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contested {
    /// Who.
    pub by: IpAddr,
    /// The priority of its last advert that did not resign.
    pub priority: Priority,
    /// How many of its adverts were heard.
    pub adverts: u64,
    /// Whether it is silent now, or resigned: we are the only one again.
    pub yielded: bool,
}

/// Who contests our addresses, while we are Active.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contest {
    active_since: Option<Instant>,
    rival: Option<Rival>,
    ended_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Rival {
    by: IpAddr,
    priority: Priority,
    adverts: u64,
    /// When it counts as silent.
    silent_at: Instant,
}

impl Contest {
    /// Whatever was decided, this is the state now.
    pub(super) fn follow(&mut self, state: &State, now: Instant) {
        if matches!(state, State::Active(_)) {
            self.active_since.get_or_insert(now);
        } else {
            (self.active_since, self.rival) = (None, None);
        }
    }

    /// An advert came, and we are still Active. Tells who contests our addresses, if that is news.
    pub(super) fn heard(
        &mut self,
        advert: &Received,
        settings: &Settings,
        now: Instant,
    ) -> Option<Contested> {
        let settled = timing::soonest_takeover(settings.interval).max(TAKEOVER);
        if self.active_since.is_none_or(|since| now < since + settled) {
            return None;
        }
        let silence = timing::active_down_interval(
            settings.version,
            Priority::UNUSABLE,
            advert.interval.max(settings.interval),
        );
        let Claim::Lead(priority) = advert.claim else {
            self.resigned(advert.source, now);
            return None;
        };
        let news = self.rival.is_none();
        let (by, silent_at) = (advert.source, now + silence);
        let heard = self.rival.map_or(0, |rival| rival.adverts);
        let rival = self.rival.insert(Rival { by, priority, adverts: heard + 1, silent_at });
        news.then(|| rival.tell(false))
    }

    /// Somebody resigns. That nobody heard to lead is no rival: anyone can say so.
    fn resigned(&mut self, who: IpAddr, now: Instant) {
        if let Some(rival) = self.rival.as_mut().filter(|rival| rival.by == who) {
            rival.adverts += 1;
            rival.silent_at = now;
        }
    }

    /// When [`Self::tick`] has something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent_at = self.rival?.silent_at;
        Some(self.ended_at.map_or(silent_at, |ended| silent_at.max(ended + PAUSE)))
    }

    /// Time passed. Tells who has yielded, if somebody has.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Contested> {
        self.deadline().filter(|deadline| now >= *deadline)?;
        self.ended_at = Some(now);
        self.rival.take().map(|rival| rival.tell(true))
    }
}

impl Rival {
    fn tell(&self, yielded: bool) -> Contested {
        let Self { by, priority, adverts, .. } = *self;
        Contested { by, priority, adverts, yielded }
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::AdvertInterval;

    use super::*;
    use crate::election::{Active, Version};

    const PEER: [u8; 4] = [10, 0, 0, 12];
    const OTHER: [u8; 4] = [10, 0, 0, 13];

    fn priority(number: u8) -> Priority {
        Priority::try_from(number).unwrap()
    }

    /// A contest of a router that advertises every 100 ms, and became Active at 0.
    struct Bench {
        contest: Contest,
        settings: Settings,
        start: Instant,
    }

    impl Bench {
        #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
        fn new() -> Self {
            let text = "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 7\npriority = 150\n\
                        addresses = [\"10.0.0.1\"]\nadvert_interval = \"100ms\"\n";
            let config = config::parse("a.toml", text).unwrap().config.routers.remove(0);
            let settings = Settings::of(&config, priority(150), [10, 0, 0, 11].into());
            assert_eq!(settings.version, Version::V3);
            let mut bench = Self { contest: Contest::default(), settings, start: Instant::now() };
            bench.active(0);
            bench
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn active(&mut self, millis: u64) {
            let at = self.at(millis);
            let active =
                Active { advertise_at: at, advertised_at: at, answered_at: None, tied_until: None };
            self.contest.follow(&State::Active(active), at);
        }

        fn hears(&mut self, millis: u64, source: [u8; 4], claim: Claim) -> Option<Contested> {
            let interval = AdvertInterval::from_centiseconds(10).unwrap();
            let advert = Received { source: source.into(), claim, interval };
            let at = self.at(millis);
            self.contest.heard(&advert, &self.settings, at)
        }

        fn deadline(&self) -> Option<u128> {
            self.contest.deadline().map(|at| (at - self.start).as_millis())
        }

        fn tick(&mut self, millis: u64) -> Option<Contested> {
            let at = self.at(millis);
            self.contest.tick(at)
        }
    }

    fn contested(by: [u8; 4], number: u8, adverts: u64, yielded: bool) -> Option<Contested> {
        Some(Contested { by: by.into(), priority: priority(number), adverts, yielded })
    }

    /// A partition heals: the loser's adverts, its last word, and then three intervals and the longest skew.
    #[test]
    fn a_rival_that_falls_silent_has_yielded() {
        let mut bench = Bench::new();
        let lead = Claim::Lead(priority(100));
        assert_eq!(bench.hears(5_000, PEER, lead), contested(PEER, 100, 1, false));
        assert_eq!(bench.hears(5_100, PEER, lead), None);
        // 300 ms and 255/256 of 100 ms.
        assert_eq!(bench.deadline(), Some(5_499));
        assert_eq!(bench.tick(5_499), None);
        assert_eq!(bench.tick(5_500), contested(PEER, 100, 2, true));
        assert_eq!(bench.deadline(), None);
    }

    /// Whoever was Active before us says a last word, late perhaps.
    #[test]
    fn the_last_word_of_whoever_we_took_over_from_is_no_contest() {
        let mut bench = Bench::new();
        assert_eq!(bench.hears(999, PEER, Claim::Lead(priority(100))), None);
        assert_eq!(bench.hears(999, PEER, Claim::Resign), None);
        assert!(bench.hears(1_000, PEER, Claim::Lead(priority(100))).is_some());
    }

    #[test]
    fn a_rival_that_resigns_has_yielded_at_once() {
        let mut bench = Bench::new();
        bench.hears(2_000, PEER, Claim::Lead(priority(100)));
        // Somebody else's resignation is not its.
        assert_eq!(bench.hears(2_010, OTHER, Claim::Resign), None);
        assert_eq!(bench.deadline(), Some(2_399));
        bench.hears(2_020, PEER, Claim::Resign);
        assert_eq!(bench.tick(2_020), contested(PEER, 100, 2, true));
        // Nobody heard it lead.
        let mut bench = Bench::new();
        assert_eq!(bench.hears(2_000, PEER, Claim::Resign), None);
        assert_eq!((bench.deadline(), bench.tick(2_000)), (None, None));
    }

    #[test]
    fn whoever_yields_itself_has_no_rival() {
        let mut bench = Bench::new();
        bench.hears(2_000, PEER, Claim::Lead(priority(100)));
        let at = bench.at(2_100);
        bench.contest.follow(&State::Initialize, at);
        assert_eq!((bench.deadline(), bench.tick(9_000)), (None, None));
        // Active again, it is patient again.
        bench.active(3_000);
        assert_eq!(bench.hears(3_999, PEER, Claim::Lead(priority(100))), None);
    }

    /// Two words in ten seconds, whoever sends what.
    #[test]
    fn contests_are_told_rarely() {
        let mut bench = Bench::new();
        let mut told = 0;
        for millis in 1_000..61_000 {
            let every_second = millis % 1_000 == 0;
            if every_second && bench.hears(millis, PEER, Claim::Lead(priority(100))).is_some() {
                told += 1;
            }
            told += u32::from(bench.tick(millis).is_some());
        }
        assert!((10..=14).contains(&told), "{told}");
    }
}
