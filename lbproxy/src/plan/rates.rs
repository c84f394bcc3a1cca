//! How soon each client address may open its next connection to a proxy, whichever workers it comes to.
//!
//! A table of fixed size in which one word is a source (GCRA, ITU-T I.371): when its connections so far
//! would have come at the rate that is allowed. Who is ahead of that by more than a second is refused. A word
//! whose time has passed is free. A row is full when sixteen sources of it have come within a second; then
//! others of it are not refused: with so many sources a limit for each would not help either.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::plan::sources::source;

/// Rows, a power of two.
const ROWS: usize = 4096;

/// Words of a row; all together half a MiB.
const WORDS: usize = 16;

/// Bits of a word that tell the time, in units: they last for five years. The others tell the source from its
/// neighbours in the row, of which one in 500,000 looks like it, and shares what it may.
const TIME_BITS: u32 = 44;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Units of time in a second. The highest rate has ten of them between two connections.
const SECOND: u64 = 100_000;

/// All sources of a proxy.
#[derive(Debug)]
pub(crate) struct Rates {
    words: Box<[AtomicU64]>,
    /// Of this start only: nobody outside knows which sources share a row.
    hasher: RandomState,
    start: Instant,
}

/// The source opens connections sooner than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSoon;

impl Rates {
    /// Counted from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        let words = std::iter::repeat_with(AtomicU64::default).take(ROWS * WORDS).collect();
        Self { words, hasher: RandomState::new(), start }
    }

    /// Counts a connection of a client that comes `now`, of whose kind so many may come in a second.
    ///
    /// # Errors
    /// It comes too soon, and does not count.
    pub(crate) fn enter(
        &self,
        client: IpAddr,
        rate: NonZeroU32,
        now: Instant,
    ) -> Result<(), TooSoon> {
        let hash = self.hasher.hash_one(source(client));
        // Never that of an empty word.
        let mark = (hash | (1 << 63)) & !TIME;
        let row = usize::try_from(hash & TIME).unwrap_or_default() % ROWS * WORDS;
        let row = &self.words[row..row + WORDS];
        let now = self.units(now);
        loop {
            let (mut known, mut free) = (None, None);
            for word in row {
                match word.load(Ordering::Relaxed) {
                    seen if seen & !TIME == mark => known = known.or(Some((word, seen))),
                    seen if seen & TIME <= now => free = free.or(Some((word, seen))),
                    _ => {}
                }
            }
            let Some((word, before)) = known.or(free) else { return Ok(()) };
            let due = if known.is_some() { (before & TIME).max(now) } else { now };
            let next = due + SECOND / u64::from(rate.get());
            if next > now + SECOND {
                return Err(TooSoon);
            }
            let after = mark | (next & TIME);
            let relaxed = Ordering::Relaxed;
            // Where somebody else was faster it is looked again.
            if word.compare_exchange(before, after, relaxed, relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    fn units(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.start).as_micros();
        // One more than nothing: an empty word is in the past.
        u64::try_from(micros / 10).unwrap_or(TIME).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn rate(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    /// Who of those that come at these milliseconds is let in.
    fn admitted(per_second: u32, times: &[u64]) -> String {
        let start = clock::now();
        let rates = Rates::new(start);
        let enter = |millis: &u64| {
            let now = start + Duration::from_millis(*millis);
            rates.enter(ip("192.0.2.1"), rate(per_second), now)
        };
        times.iter().map(|at| if enter(at).is_ok() { '+' } else { '-' }).collect()
    }

    #[test]
    fn so_many_at_once_and_then_one_after_the_other() {
        for (per_second, times, expected) in [
            (1, vec![0, 0, 999, 1_000, 1_500, 2_000], "+--+-+"),
            (4, vec![0, 0, 0, 0, 0, 249, 250, 250, 500], "++++--+-+"),
            // Refused ones do not count.
            (2, vec![0, 0, 100, 200, 300, 400, 500, 1_000], "++----++"),
            // After a rest as many as at the beginning, no more.
            (2, vec![0, 0, 60_000, 60_000, 60_000], "++++-"),
            (10_000, vec![0, 0, 0], "+++"),
        ] {
            assert_eq!(
                admitted(per_second, &times),
                expected,
                "{per_second} a second at {times:?}"
            );
        }
    }

    #[test]
    fn sources_have_rates_of_their_own() {
        let now = clock::now();
        let rates = Rates::new(now);
        let enter = |client: &str| rates.enter(ip(client), rate(1), now).is_ok();
        let clients = ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1"];
        assert_eq!(clients.map(enter), [true, true, false, true]);
        assert_eq!(["2001:db8::2", "2001:db8:0:1::2"].map(enter), [false, true], "a /64 is one");
    }

    #[test]
    fn where_there_is_no_room_nobody_is_refused_and_words_are_used_again() {
        let start = clock::now();
        let rates = Rates::new(start);
        let enter = |number: u32, millis| {
            let now = start + Duration::from_millis(millis);
            rates.enter(IpAddr::from(number.to_be_bytes()), rate(1), now).is_ok()
        };
        // Of 500,000 pairs in a row one looks alike.
        let first = (1..=200_000).filter(|number| enter(*number, 0)).count();
        assert!((199_900..=200_000).contains(&first), "{first}");
        let refused = (1..=200_000).filter(|number| !enter(*number, 1)).count();
        assert!((60_000..=65_700).contains(&refused), "{refused}");
        // Two seconds later nothing of them is left.
        let others = 300_001..=310_000;
        let admitted = others.clone().filter(|number| enter(*number, 2_000)).count();
        assert!((9_990..=10_000).contains(&admitted), "{admitted}");
        let refused = others.filter(|number| !enter(*number, 2_001)).count();
        assert!(refused >= 9_990, "{refused}");
    }
}
