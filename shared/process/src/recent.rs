//! What is remembered of senders and other strangers, of so many at most.

use std::time::{Duration, Instant};

/// A bounded table by key. Whoever is in it stays until it was silent for a while: others get no room before,
/// so that a crowd drives nobody out who still speaks.
#[derive(Clone, Debug)]
pub struct Recent<K, V> {
    room: usize,
    silent: Duration,
    entries: Vec<Entry<K, V>>,
}

#[derive(Clone, Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    last: Instant,
}

impl<K: PartialEq, V> Recent<K, V> {
    /// Room for so many; one that was silent for so long makes room for another.
    #[must_use]
    pub const fn new(room: usize, silent: Duration) -> Self {
        Self { room, silent, entries: Vec::new() }
    }

    /// What is remembered of `key`, who speaks now; of a new one it is `first`. None while others have all
    /// the room.
    pub fn get(&mut self, key: K, now: Instant, first: impl FnOnce() -> V) -> Option<&mut V> {
        let position = match self.entries.iter().position(|entry| entry.key == key) {
            Some(position) => position,
            None => {
                self.make_room(now)?;
                self.entries.push(Entry { key, value: first(), last: now });
                self.entries.len() - 1
            }
        };
        let entry = self.entries.get_mut(position)?;
        entry.last = now;
        Some(&mut entry.value)
    }

    /// None: there is none. The one that was silent for the longest time goes.
    fn make_room(&mut self, now: Instant) -> Option<()> {
        if self.entries.len() >= self.room {
            let silence = |entry: &Entry<K, V>| now.saturating_duration_since(entry.last);
            let all = self.entries.iter().enumerate();
            let (position, oldest) = all.max_by_key(|(_, entry)| silence(entry))?;
            if silence(oldest) < self.silent {
                return None;
            }
            self.entries.remove(position);
        }
        Some(())
    }

    /// Everything, and when each spoke last; who did so last comes first.
    pub fn latest_first(&self) -> impl Iterator<Item = (&K, &V, Instant)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.last));
        all.into_iter().map(|entry| (&entry.key, &entry.value, entry.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for the virtual clock")]
    fn a_crowd_drives_nobody_out_who_still_speaks() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut recent = Recent::new(3, MINUTE);
        let mut says = |who: &'static str, seconds| {
            let count = recent.get(who, at(seconds), || 0_u32)?;
            *count += 1;
            Some(*count)
        };
        assert_eq!(["a", "b", "c"].map(|who| says(who, 0)), [Some(1); 3]);
        assert_eq!(says("d", 0), None);
        assert_eq!((says("a", 30), says("c", 50)), (Some(2), Some(2)));
        // "b" was silent for a minute: one new sender gets its place, and begins anew.
        assert_eq!((says("d", 59), says("d", 60), says("e", 60)), (None, Some(1), None));
        assert_eq!((says("a", 61), says("b", 61)), (Some(3), None));
        let all: Vec<_> = recent.latest_first().collect();
        assert_eq!(all, [(&"a", &3, at(61)), (&"d", &1, at(60)), (&"c", &2, at(50))]);
    }
}
