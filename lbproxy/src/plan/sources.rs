//! How many connections each client address has open in a proxy, whichever workers they belong to.
//!
//! A table of fixed size in which one word is a source: no lock, no allocation, and one exchange of a
//! word for a connection's beginning and one for its end. The words of a source are in one row, where its
//! hash leads to. A row is full when sixteen sources of it have connections; then others of it are not
//! counted: with so many sources a limit for each would not help either.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows, a power of two.
const ROWS: usize = 4096;

/// Words of a row; all together half a MiB.
const WORDS: usize = 16;

/// Bits of a word that count; the others tell the source from its neighbours in the row. Limits are at
/// most 1,000,000.
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// All sources of a proxy.
#[derive(Debug)]
pub(crate) struct Sources {
    words: Box<[AtomicU64]>,
    /// Of this start only: nobody outside knows which sources share a row.
    hasher: RandomState,
}

/// A connection that is counted, until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    sources: Arc<Sources>,
    word: usize,
}

impl Sources {
    pub(crate) fn new() -> Self {
        let words = std::iter::repeat_with(AtomicU64::default).take(ROWS * WORDS).collect();
        Self { words, hasher: RandomState::new() }
    }

    /// Counts one more connection of a client; `Err` where it has `most` already, and nothing where its row
    /// is full.
    pub(crate) fn enter(
        self: &Arc<Self>,
        client: IpAddr,
        most: NonZeroU32,
    ) -> Result<Option<Counted>, TooMany> {
        let hash = self.hasher.hash_one(source(client));
        // Neither empty nor in the bits that count.
        let mark = (hash | (1 << 63)) & !COUNT;
        let row = usize::try_from(hash & COUNT).unwrap_or_default() % ROWS * WORDS;
        let row = row..row + WORDS;
        loop {
            let (mut live, mut known, mut free) = (0, None, None);
            for place in row.clone() {
                match self.words[place].load(Ordering::SeqCst) {
                    0 => free = free.or(Some((place, 0))),
                    word if word & !COUNT == mark => {
                        live += word & COUNT;
                        known = known.or(Some((place, word)));
                    }
                    _ => {}
                }
            }
            if live >= u64::from(most.get()) {
                return Err(TooMany);
            }
            let Some((place, before)) = known.or(free) else { return Ok(None) };
            let after = if before == 0 { mark | 1 } else { before + 1 };
            let exchange = (Ordering::SeqCst, Ordering::SeqCst);
            let word = &self.words[place];
            if word.compare_exchange(before, after, exchange.0, exchange.1).is_err() {
                // Somebody else was faster: looked again.
                continue;
            }
            let counted = Counted { sources: Arc::clone(self), word: place };
            // Two that found the source unknown may have taken two words for it.
            if before == 0 && self.live(row.clone(), mark) > u64::from(most.get()) {
                drop(counted);
                continue;
            }
            return Ok(Some(counted));
        }
    }

    fn live(&self, row: std::ops::Range<usize>, mark: u64) -> u64 {
        let words = self.words[row].iter().map(|word| word.load(Ordering::SeqCst));
        words.filter(|word| word & !COUNT == mark).map(|word| word & COUNT).sum()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let less = |word: u64| Some(if word & COUNT <= 1 { 0 } else { word - 1 });
        let word = &self.sources.words[self.word];
        // It never refuses.
        word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).ok();
    }
}

/// The source has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// What counts as one source: an IPv4 address, also where an IPv6 socket accepted it, or a /64, which
/// is what one client of IPv6 gets.
pub(crate) fn source(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn most(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn sources_have_limits_of_their_own() {
        let sources = Arc::new(Sources::new());
        let enter = |client: &str| sources.enter(ip(client), most(2));
        let (first, second) = (enter("192.0.2.1").unwrap(), enter("192.0.2.1").unwrap());
        assert_eq!(enter("192.0.2.1").unwrap_err(), TooMany);
        assert_eq!(enter("::ffff:192.0.2.1").unwrap_err(), TooMany);
        let other = enter("192.0.2.2").unwrap();
        drop(first);
        let third = enter("192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err(), TooMany);
        drop((second, third, other));
        assert!(sources.words.iter().all(|word| word.load(Ordering::SeqCst) == 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let sources = Arc::new(Sources::new());
        let _one = sources.enter(ip("2001:db8::1"), most(1)).unwrap();
        assert!(sources.enter(ip("2001:db8::ffff:0:0:2"), most(1)).is_err());
        assert!(sources.enter(ip("2001:db8:0:1::1"), most(1)).is_ok());
    }

    #[test]
    fn where_there_is_no_room_nobody_is_refused() {
        let sources = Arc::new(Sources::new());
        let enter = |number: u32| sources.enter(IpAddr::from(number.to_be_bytes()), most(1));
        let held: Vec<_> = (1..=200_000).map(|number| enter(number).unwrap()).collect();
        let counted = held.iter().flatten().count();
        assert!((60_000..=65_536).contains(&counted), "{counted}");
        drop(held);
        assert!(sources.words.iter().all(|word| word.load(Ordering::SeqCst) == 0));
    }

    #[test]
    fn threads_together_never_exceed_the_limit() {
        let sources = Arc::new(Sources::new());
        let (live, seen) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Ok(counted) = sources.enter(ip("192.0.2.1"), most(3)) else { continue };
                        let now = live.fetch_add(1, Ordering::SeqCst) + 1;
                        seen.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        live.fetch_sub(1, Ordering::SeqCst);
                        drop(counted);
                    }
                });
            }
        });
        assert!((1..=3).contains(&seen.load(Ordering::SeqCst)), "{seen:?}");
        assert!(sources.words.iter().all(|word| word.load(Ordering::SeqCst) == 0));
    }
}
