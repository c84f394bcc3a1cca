//! A proxy's health as a whole, for the routers that track it.

use vocabulary::{Name, TrackerHealth, Usability};

use crate::plan::state::State;

/// Usable with any server up; otherwise unknown until every server has been judged.
pub(crate) fn score(proxy: &Name, states: &[State]) -> TrackerHealth {
    let count = |wanted| states.iter().filter(|state| **state == wanted).count();
    let usable = count(State::Up);
    let state = match (usable, count(State::Unknown)) {
        (0, 0) => Usability::Unusable,
        (0, _) => Usability::Unknown,
        _ => Usability::Usable,
    };
    TrackerHealth { tracker: proxy.clone(), usable, total: states.len(), state, reason: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_up_is_usable_and_nothing_is_unusable_before_all_are_judged() {
        let [unknown, up, draining, down] =
            [State::Unknown, State::Up, State::Draining, State::Down];
        let table = [
            (vec![unknown, unknown], 0, Usability::Unknown),
            (vec![unknown, down], 0, Usability::Unknown),
            (vec![down, draining], 0, Usability::Unusable),
            (vec![unknown, up, down], 1, Usability::Usable),
            (vec![up, up], 2, Usability::Usable),
        ];
        let name = Name::try_from("apiserver").unwrap();
        for (states, usable, state) in table {
            let score = score(&name, &states);
            assert_eq!((score.usable, score.state), (usable, state), "{states:?}");
            assert_eq!(score.total, states.len());
        }
    }
}
