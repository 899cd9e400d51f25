//! The simulated clock: what trails, objects and locks go by.
//!
//! Credentials and signatures go by the real clock, because the clients do.

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

/// How the simulated time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// With the real clock, plus what ticks add.
    Flowing,
    /// By ticks alone: every run sees the same times.
    Frozen,
}

/// 9000-01-01: where the clock stops, so that what is due some centuries later
/// still has a time.
const END: Timestamp = Timestamp::constant(221_845_392_000, 0);

/// The simulated clock.
#[derive(Debug)]
pub(super) struct Clock {
    pace: Pace,
    /// Where the simulated clock stood at `set_at`.
    state: RwLock<ClockState>,
}

#[derive(Debug, Clone, Copy)]
struct ClockState {
    simulated: Timestamp,
    set_at: Timestamp,
}

impl Clock {
    /// A clock that shows `simulated` now.
    pub(super) fn new(simulated: Timestamp, pace: Pace) -> Self {
        Self { pace, state: RwLock::new(ClockState { simulated, set_at: real_now() }) }
    }

    /// The simulated time.
    pub(super) fn now(&self) -> Timestamp {
        let face = *self.state.read();
        match self.pace {
            Pace::Frozen => face.simulated,
            Pace::Flowing => {
                let passed = real_now().duration_since(face.set_at);
                later(face.simulated, passed)
            }
        }
    }

    /// Puts the clock forward, to [`END`] at most.
    pub(super) fn advance(&self, by: SignedDuration) {
        let mut face = self.state.write();
        face.simulated = later(face.simulated, by);
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).map_or(END, |time| time.min(END))
}

/// The time of the machine, which credentials and signatures go by.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn real_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_by_ticks_alone() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::new(start, Pace::Frozen);
        assert_eq!(clock.now(), start);
        clock.advance(SignedDuration::from_hours(2));
        assert_eq!(clock.now(), start + SignedDuration::from_hours(2));
    }

    #[test]
    fn a_clock_stops_at_the_end_of_time() {
        for pace in [Pace::Frozen, Pace::Flowing] {
            let clock = Clock::new(END - SignedDuration::from_hours(1), pace);
            clock.advance(SignedDuration::from_hours(2));
            assert_eq!(clock.now(), END);
        }
    }
}
