//! How long a service was silent, from samples of it.

use std::time::Duration;

use crate::clock::Moment;

/// One try: when it began and whether it was answered well and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it began.
    pub start: Moment,
    /// Whether it succeeded within the probe's limit.
    pub good: bool,
}

/// What was missing from a service during a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// The longest run of failed tries: from the start of its first to the start of the next good one.
    pub longest: Duration,
    /// When that run began; none if nothing failed.
    pub since: Option<Moment>,
    /// How many tries failed in all.
    pub bad: usize,
}

/// The silence in the samples that began at `from` or later and before `to`, which are in the order
/// of their beginning. A run that no good sample ends lasts until `to`.
#[must_use]
pub fn silence(samples: &[Sample], from: Moment, to: Moment) -> Silence {
    let mut silence = Silence::default();
    let mut run: Option<Moment> = None;
    let ends = |since: Moment, end: Moment, silence: &mut Silence| {
        if silence.since.is_none() || end.since(since) > silence.longest {
            silence.longest = end.since(since);
            silence.since = Some(since);
        }
    };
    for sample in samples.iter().filter(|sample| (from..to).contains(&sample.start)) {
        match (sample.good, run) {
            (false, None) => {
                run = Some(sample.start);
                silence.bad += 1;
            }
            (false, Some(_)) => silence.bad += 1,
            (true, Some(since)) => {
                ends(since, sample.start, &mut silence);
                run = None;
            }
            (true, None) => {}
        }
    }
    if let Some(since) = run {
        ends(since, to, &mut silence);
    }
    silence
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One sample every 10 ms from 1000 ms on: `.` is good, `x` is bad.
    fn samples(picture: &str) -> Vec<Sample> {
        let starts = (1_000..).step_by(10).map(Moment::from_millis);
        starts.zip(picture.chars()).map(|(start, c)| Sample { start, good: c == '.' }).collect()
    }

    #[test]
    fn is_the_longest_run_of_failures() {
        for (picture, longest, since, bad) in [
            ("", 0, None, 0),
            ("..........", 0, None, 0),
            // From the start of the bad one to the start of the next good one.
            (".....x....", 10, Some(1_050), 1),
            ("..xxx.....", 30, Some(1_020), 3),
            ("x.xx.xxx..", 30, Some(1_050), 6),
            // Of two equally long runs the first is told.
            (".xx..xx...", 20, Some(1_010), 4),
            // Nothing good follows: until the end of the measurement, at 1200 ms.
            ("......xxxx", 140, Some(1_060), 4),
            ("xxxxxxxxxx", 200, Some(1_000), 10),
        ] {
            let (from, to) = (Moment::from_millis(1_000), Moment::from_millis(1_200));
            let expected = Silence {
                longest: Duration::from_millis(longest),
                since: since.map(Moment::from_millis),
                bad,
            };
            assert_eq!(silence(&samples(picture), from, to), expected, "{picture:?}");
        }
    }

    #[test]
    fn counts_only_what_begins_within_the_time() {
        let samples = samples("xx...xxxxx...x");
        let within = |from, to| {
            let silence = silence(&samples, Moment::from_millis(from), Moment::from_millis(to));
            (silence.longest.as_millis(), silence.bad)
        };
        assert_eq!(within(1_020, 1_130), (50, 5));
        assert_eq!(within(1_060, 1_130), (40, 4));
        // The good one that would end the run is outside.
        assert_eq!(within(1_020, 1_080), (30, 3));
        assert_eq!(within(1_100, 1_130), (0, 0));
        assert_eq!(within(1_130, 1_131), (1, 1));
        assert_eq!(within(1_140, 1_100), (0, 0));
    }
}
