//! Periods of time, and sets of them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// From an instant to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// The start.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
}

impl Period {
    /// The number of hourly digests in the period; partial hours count as whole hours.
    #[must_use]
    pub fn hours(&self) -> i64 {
        let seconds = self.to.duration_since(self.from).as_secs();
        (seconds.max(0) + 3599) / 3600
    }

    /// The part within bounds; `None` if there is none.
    #[must_use]
    pub fn within(self, since: Option<Timestamp>, until: Option<Timestamp>) -> Option<Self> {
        let from = since.map_or(self.from, |since| self.from.max(since));
        let to = until.map_or(self.to, |until| self.to.min(until));
        (from < to).then_some(Self { from, to })
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// Disjoint periods in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods(Vec<Period>);

impl Periods {
    /// Adds a period, merging it with adjacent ones.
    pub fn add(&mut self, mut new: Period) {
        if new.from >= new.to {
            return;
        }
        // Usually the new period is the last.
        let mut at = self.0.len();
        while at > 0 && self.0[at - 1].to >= new.from {
            at -= 1;
        }
        let mut end = at;
        while end < self.0.len() && self.0[end].from <= new.to {
            new.from = new.from.min(self.0[end].from);
            new.to = new.to.max(self.0[end].to);
            end += 1;
        }
        self.0.splice(at..end, [new]);
    }

    /// Removes a period.
    pub fn remove(&mut self, gone: Period) {
        self.0 = std::mem::take(&mut self.0)
            .into_iter()
            .flat_map(|kept| [kept.within(None, Some(gone.from)), kept.within(Some(gone.to), None)])
            .flatten()
            .collect();
    }

    /// The parts of a period that are not in the set.
    #[must_use]
    pub fn gaps_in(&self, whole: Period) -> Vec<Period> {
        let mut rest = Self(vec![whole]);
        self.0.iter().for_each(|period| rest.remove(*period));
        rest.0
    }

    /// Whether an instant is in the set, at least `margin` from the ends of its period.
    #[must_use]
    pub fn contains(&self, time: Timestamp, margin: SignedDuration) -> bool {
        let after = self.0.partition_point(|period| period.from <= time);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|period| {
            time.duration_since(period.from) >= margin && period.to.duration_since(time) >= margin
        })
    }

    /// The periods in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Period] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn period(from: i64, to: i64) -> Period {
        Period { from: at(from), to: at(to) }
    }

    #[test]
    fn hours_are_rounded_up() {
        for (seconds, hours) in [(0, 0), (1, 1), (3600, 1), (3601, 2)] {
            assert_eq!(period(0, seconds).hours(), hours);
        }
    }

    #[test]
    fn gaps_are_what_is_missing() {
        let mut set = Periods::default();
        set.add(period(10, 20));
        set.add(period(30, 40));
        assert_eq!(set.gaps_in(period(0, 50)), [period(0, 10), period(20, 30), period(40, 50)]);
        set.add(period(20, 30));
        assert_eq!(set.as_slice(), [period(10, 40)]);
        assert!(set.contains(at(10), SignedDuration::ZERO));
        assert!(!set.contains(at(10), SignedDuration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn a_set_of_periods_is_a_set_of_instants(
            steps in proptest::collection::vec((any::<bool>(), 0u8..40, 1u8..10), 0..20)
        ) {
            let mut set = Periods::default();
            let mut model = [false; 60];
            for (add, from, length) in steps {
                let changed = period(from.into(), (from + length).into());
                if add { set.add(changed) } else { set.remove(changed) }
                model[from.into()..(from + length).into()].fill(add);
            }
            for (second, held) in (0..).zip(model) {
                let inside = set.as_slice().iter()
                    .any(|period| period.from <= at(second) && at(second) < period.to);
                prop_assert_eq!(inside, held);
            }
            prop_assert!(set.as_slice().windows(2).all(|pair| pair[0].to < pair[1].from));
        }
    }
}
