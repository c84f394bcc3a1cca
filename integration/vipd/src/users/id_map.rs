//! Which numbers of users, or of groups, there are in a user namespace (user_namespaces(7)).

/// What `/proc/self/uid_map` or `gid_map` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IdMap {
    /// First number and how many, as we see them.
    spans: Vec<(u32, u32)>,
}

impl IdMap {
    /// Reads lines of three numbers: first inside, first outside, how many.
    pub(super) fn parse(text: &str) -> Self {
        let span = |line: &str| {
            let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
            let (first, _outside): (u32, u32) = (numbers.next()??, numbers.next()??);
            Some((first, numbers.next()??))
        };
        Self { spans: text.lines().filter_map(span).collect() }
    }

    /// Whether the number is somebody's here.
    pub(super) fn has(&self, number: u32) -> bool {
        self.spans.iter().any(|(first, count)| number >= *first && number - *first < *count)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.spans.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let host = IdMap::parse("         0          0 4294967295\n");
        assert_eq!((host.len(), host.has(0), host.has(65_519)), (4_294_967_295, true, true));
        assert!(!host.has(u32::MAX));
        let one = IdMap::parse("         0       1000          1\n");
        assert_eq!((one.len(), one.has(0), one.has(1)), (1, true, false));
        let container = IdMap::parse("0 1000 1\n1 100000 65536\n");
        assert_eq!(container.len(), 65_537);
        assert_eq!(
            [0, 1, 65_536, 65_537].map(|number| container.has(number)),
            [true, true, true, false]
        );
        assert_eq!(IdMap::parse("nonsense\n1 2\n"), IdMap::default());
    }
}
