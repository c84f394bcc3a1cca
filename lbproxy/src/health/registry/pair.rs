//! Old beside new: which records a configuration goes on with.

/// Each of `new` with the first of `old` that is the `same`, and those of `old` that are not wanted any more.
pub(super) fn pair<O, N>(
    mut old: Vec<O>,
    new: &[N],
    same: impl Fn(&O, &N) -> bool,
) -> (Vec<(Option<O>, &N)>, Vec<O>) {
    let partner = |wanted| {
        let place = old.iter().position(|known| same(known, wanted));
        (place.map(|place| old.remove(place)), wanted)
    };
    let pairs = new.iter().map(partner).collect();
    (pairs, old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_old_one_goes_to_one_new_one() {
        let same = |old: &(char, u8), new: &char| old.0 == *new;
        let old = vec![('a', 1), ('b', 2), ('a', 3), ('c', 4)];
        let (pairs, gone) = pair(old, &['a', 'x', 'a', 'a', 'b'], same);
        let partners: Vec<_> = pairs.iter().map(|(old, _)| old.map(|(_, number)| number)).collect();
        assert_eq!(partners, [Some(1), None, Some(3), None, Some(2)]);
        assert_eq!(gone, [('c', 4)]);
    }
}
