//! How many connections there may be: of the process, which has so many files, and of a proxy.
//!
//! Half of the process's connections are common: whichever listening address is first has them. The other
//! half is divided among the addresses, so that clients who fill one of them do not shut out those of
//! another. A connection that finds no seat is not accepted: it waits in the kernel.
//!
//! All orderings are sequential: who finds no seat notes that before it looks once more, and who gives one
//! back looks for such notes after that.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Of the process.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// Connections for which there are files.
    most: usize,
    /// Seats of each address's own.
    own: AtomicUsize,
    /// Seats for whoever comes first.
    common: Seats,
    /// Somebody found no seat and waits for one.
    missed: AtomicBool,
    freed: Notify,
}

/// Some seats, and how many are taken.
#[derive(Debug, Default)]
struct Seats {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// What a listening address has of it.
#[derive(Debug)]
pub(crate) struct Share {
    capacity: Arc<Capacity>,
    taken: AtomicUsize,
}

/// How many clients a proxy has, and may have.
#[derive(Debug, Default)]
pub(crate) struct Clients(Seats);

/// Why there is no seat for one more client; [`Display`](std::fmt::Display) says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Full {
    /// The proxy has as many clients as `max_connections` allows.
    #[strum(to_string = "as many connections as max_connections allows")]
    MaxConnections,
    /// There are no files for more.
    #[strum(to_string = "as many connections as files allow")]
    Files,
}

/// A connection's, until dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    share: Arc<Share>,
    clients: Arc<Clients>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Own,
    Common,
}

impl Seats {
    /// Takes one that is free.
    fn take(&self) -> bool {
        let most = self.most.load(Ordering::SeqCst);
        take(&self.taken, most)
    }

    fn is_full(&self) -> bool {
        self.taken.load(Ordering::SeqCst) >= self.most.load(Ordering::SeqCst)
    }
}

fn take(taken: &AtomicUsize, most: usize) -> bool {
    let one_more = |taken: usize| (taken < most).then_some(taken + 1);
    taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
}

impl Capacity {
    /// For `most` connections, of addresses that are told [later](Self::divide).
    pub(crate) fn new(most: usize) -> Self {
        let common = Seats { most: AtomicUsize::new(most), taken: AtomicUsize::new(0) };
        let (own, missed) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { most, own, common, missed, freed: Notify::new() }
    }

    /// Divides a half among so many listening addresses.
    pub(crate) fn divide(&self, addresses: usize) {
        let own = self.most / 2 / addresses.max(1);
        self.own.store(own, Ordering::SeqCst);
        self.common.most.store(self.most - own * addresses, Ordering::SeqCst);
        self.freed.notify_waiters();
    }

    /// Connections for which there are files.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Ready when there may be a seat again. What happens between this call and the await counts once it is
    /// enabled.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    fn give_back(&self) {
        if self.missed.swap(false, Ordering::SeqCst) {
            self.freed.notify_waiters();
        }
    }
}

impl Clients {
    /// So many at most; none: no limit.
    pub(crate) fn limit(&self, most: Option<NonZeroU32>) {
        let most = most.and_then(|most| usize::try_from(most.get()).ok()).unwrap_or(usize::MAX);
        self.0.most.store(most, Ordering::SeqCst);
    }
}

impl Share {
    pub(crate) fn of(capacity: &Arc<Capacity>) -> Self {
        Self { capacity: Arc::clone(capacity), taken: AtomicUsize::new(0) }
    }

    pub(crate) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// A seat for a client of a proxy.
    ///
    /// # Errors
    /// There is none; [`Capacity::freed`] tells when to ask again.
    pub(crate) fn seat(self: &Arc<Self>, clients: &Arc<Clients>) -> Result<Seat, Full> {
        self.try_seat(clients).or_else(|_| {
            self.capacity.missed.store(true, Ordering::SeqCst);
            self.try_seat(clients)
        })
    }

    fn try_seat(self: &Arc<Self>, clients: &Arc<Clients>) -> Result<Seat, Full> {
        if !clients.0.take() {
            return Err(Full::MaxConnections);
        }
        let own = take(&self.taken, self.capacity.own.load(Ordering::SeqCst));
        if !own && !self.capacity.common.take() {
            clients.0.taken.fetch_sub(1, Ordering::SeqCst);
            return Err(Full::Files);
        }
        Ok(self.taken_by(clients, if own { Kind::Own } else { Kind::Common }))
    }

    /// A seat whether there is one or not: for a client that is accepted to be sent away.
    pub(crate) fn seat_in_any_case(self: &Arc<Self>, clients: &Arc<Clients>) -> Seat {
        self.try_seat(clients).unwrap_or_else(|_| {
            clients.0.taken.fetch_add(1, Ordering::SeqCst);
            self.capacity.common.taken.fetch_add(1, Ordering::SeqCst);
            self.taken_by(clients, Kind::Common)
        })
    }

    fn taken_by(self: &Arc<Self>, clients: &Arc<Clients>, kind: Kind) -> Seat {
        Seat { share: Arc::clone(self), clients: Arc::clone(clients), kind }
    }

    /// Why the next client would find no seat, if it would not.
    pub(crate) fn full(&self, clients: &Clients) -> Option<Full> {
        let own = self.capacity.own.load(Ordering::SeqCst);
        match clients.0.is_full() {
            true => Some(Full::MaxConnections),
            false if self.taken.load(Ordering::SeqCst) < own => None,
            false => self.capacity.common.is_full().then_some(Full::Files),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self { share, clients, kind } = self;
        let seats = match kind {
            Kind::Own => &share.taken,
            Kind::Common => &share.capacity.common.taken,
        };
        seats.fetch_sub(1, Ordering::SeqCst);
        clients.0.taken.fetch_sub(1, Ordering::SeqCst);
        share.capacity.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Two addresses of a process with room for so many connections.
    fn two(most: usize) -> [Arc<Share>; 2] {
        let capacity = Arc::new(Capacity::new(most));
        capacity.divide(2);
        [(); 2].map(|()| Arc::new(Share::of(&capacity)))
    }

    fn clients(most: Option<u32>) -> Arc<Clients> {
        let clients = Arc::<Clients>::default();
        clients.limit(most.and_then(NonZeroU32::new));
        clients
    }

    /// Takes seats until there is none.
    fn fill(share: &Arc<Share>, clients: &Arc<Clients>) -> (Vec<Seat>, Full) {
        let mut seats = Vec::new();
        loop {
            match share.seat(clients) {
                Ok(seat) => seats.push(seat),
                Err(full) => return (seats, full),
            }
        }
    }

    #[test]
    fn who_fills_one_address_shuts_nobody_out_of_another() {
        let [one, other] = two(52);
        let (a, b) = (clients(None), clients(None));
        // 52 / 2 / 2 are the other's own.
        let (seats, full) = fill(&one, &a);
        assert_eq!((seats.len(), full), (39, Full::Files));
        assert_eq!((one.full(&a), other.full(&b)), (Some(Full::Files), None));
        let (others, full) = fill(&other, &b);
        assert_eq!((others.len(), full), (13, Full::Files));
        drop(seats);
        assert_eq!((one.full(&a), other.full(&b)), (None, None), "what is common is free");
        let (more, _) = fill(&other, &b);
        assert_eq!(more.len(), 26);
        drop((others, more));
        assert_eq!(fill(&one, &a).0.len(), 39, "everything was given back");
    }

    #[test]
    fn a_single_address_has_everything_and_few_files_are_enough_for_one() {
        for most in [1, 2, 30] {
            let capacity = Arc::new(Capacity::new(most));
            capacity.divide(1);
            let share = Arc::new(Share::of(&capacity));
            assert_eq!(fill(&share, &clients(None)).0.len(), most);
        }
    }

    #[test]
    fn a_proxy_has_as_many_clients_as_it_may() {
        let [one, other] = two(52);
        let (limited, free) = (clients(Some(3)), clients(None));
        let (seats, full) = fill(&one, &limited);
        assert_eq!((seats.len(), full), (3, Full::MaxConnections));
        // Whichever of its addresses they come to.
        assert_eq!(other.seat(&limited).unwrap_err(), Full::MaxConnections);
        assert_eq!(other.full(&limited), Some(Full::MaxConnections));
        assert!(one.seat(&free).is_ok() && one.full(&free).is_none());
        limited.limit(NonZeroU32::new(4));
        let _fourth = one.seat(&limited).unwrap();
        assert!(one.seat(&limited).is_err());
        let over = one.seat_in_any_case(&limited);
        drop((seats, over));
        assert_eq!(fill(&one, &limited).0.len(), 3);
    }

    #[tokio::test]
    async fn who_found_no_seat_hears_of_the_next_one() {
        let [one, other] = two(52);
        let clients = clients(Some(1));
        let seat = one.seat(&clients).unwrap();
        let mut freed = pin!(other.capacity().freed());
        freed.as_mut().enable();
        assert!(other.seat(&clients).is_err());
        let pending = poll_fn(|cx| Poll::Ready(freed.as_mut().poll(cx).is_pending()));
        assert!(pending.await);
        drop(seat);
        freed.await;
        // A seat that is taken and given back while nobody waits wakes nobody: not even who did it.
        let mut freed = pin!(other.capacity().freed());
        freed.as_mut().enable();
        drop(other.seat(&clients).unwrap());
        assert!(poll_fn(|cx| Poll::Ready(freed.as_mut().poll(cx).is_pending())).await);
    }

    #[test]
    fn threads_together_never_take_more_than_there_are() {
        let [one, other] = two(8);
        let clients = clients(Some(5));
        let (live, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for share in [&one, &other, &one, &other] {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Ok(seat) = share.seat(&clients) else { continue };
                        seen.fetch_max(live.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        live.fetch_sub(1, Ordering::SeqCst);
                        drop(seat);
                    }
                });
            }
        });
        assert!((1..=5).contains(&seen.load(Ordering::SeqCst)), "{seen:?}");
        assert_eq!(clients.0.taken.load(Ordering::SeqCst), 0);
    }
}
