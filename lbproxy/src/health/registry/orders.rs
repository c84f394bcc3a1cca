//! What an operator ordered of a server, and until when. Pure.

use std::time::Instant;

use vocabulary::Name;

use crate::plan::state::{Mode, Order};

/// What holds of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    mode: Option<Held<Mode>>,
    weight: Option<Held<u16>>,
}

/// Something that was ordered, and when it ends by itself; none: with the next order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held<T> {
    what: T,
    until: Option<Instant>,
}

impl<T: Copy> Held<T> {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// An order that holds, and of which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandingOrder {
    pub(crate) proxy: Name,
    pub(crate) server: Name,
    pub(crate) order: Order,
    pub(crate) until: Option<Instant>,
}

impl Orders {
    /// What the server is made.
    pub(crate) fn mode(&self) -> Mode {
        self.mode.map_or(Mode::Ready, |held| held.what)
    }

    /// The weight in the place of the file's.
    pub(crate) fn weight(&self) -> Option<u16> {
        self.weight.map(|held| held.what)
    }

    /// When the mode ends by itself, and when the weight does.
    pub(crate) fn ends(&self) -> [Option<Instant>; 2] {
        [self.mode.and_then(|held| held.until), self.weight.and_then(|held| held.until)]
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One more, in the place of what it is about.
    pub(crate) fn set(&mut self, order: Order, until: Option<Instant>) {
        match order {
            Order::Ready => self.mode = None,
            Order::Drain => self.mode = Some(Held { what: Mode::Drain, until }),
            Order::Maint => self.mode = Some(Held { what: Mode::Maint, until }),
            Order::Weight(what) => self.weight = Some(Held { what, until }),
        }
    }

    /// The file's weight counts again.
    pub(crate) fn forget_weight(&mut self) {
        self.weight = None;
    }

    /// Drops what is over; returns whether there was any.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mode = self.mode.take_if(|held| held.is_over(now)).is_some();
        self.weight.take_if(|held| held.is_over(now)).is_some() || mode
    }

    /// Each that holds, and until when.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Order, Option<Instant>)> {
        let mode = self.mode.and_then(|held| match held.what {
            Mode::Ready => None,
            Mode::Drain => Some((Order::Drain, held.until)),
            Mode::Maint => Some((Order::Maint, held.until)),
        });
        let weight = self.weight.map(|held| (Order::Weight(held.what), held.until));
        mode.into_iter().chain(weight)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn each_order_takes_the_place_of_the_one_about_the_same_and_ends_in_time() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut orders = Orders::default();
        assert!(orders.is_empty() && orders.mode() == Mode::Ready);
        orders.set(Order::Drain, Some(at(10)));
        orders.set(Order::Weight(7), None);
        orders.set(Order::Maint, Some(at(20)));
        let each: Vec<_> = orders.each().collect();
        assert_eq!(each, [(Order::Maint, Some(at(20))), (Order::Weight(7), None)]);
        assert!(!orders.expire(at(19)));
        assert!(orders.expire(at(20)) && !orders.expire(at(21)));
        assert_eq!((orders.mode(), orders.weight()), (Mode::Ready, Some(7)));
        orders.set(Order::Weight(8), Some(at(30)));
        assert_eq!(orders.ends(), [None, Some(at(30))]);
        orders.set(Order::Drain, None);
        assert!(orders.expire(at(30)));
        assert_eq!(
            (orders.mode(), orders.weight()),
            (Mode::Drain, None),
            "without an end it stays"
        );
        orders.set(Order::Ready, None);
        assert!(orders.is_empty());
    }
}
