//! What is to go wrong, on demand.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Something that is to go wrong with some calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The calls it strikes: `service:Operation` by the prefix of IAM actions,
    /// `*` and `?` matching, as in `cloudtrail:Create*` or `s3:PutObject`.
    pub call: String,
    /// How many matching calls go through before.
    #[serde(default)]
    pub after: u64,
    /// How many calls it strikes; `None` is all that follow.
    #[serde(default)]
    pub times: Option<u64>,
    /// The share of matching calls that it strikes, from 0 to 1; `None` is all.
    #[serde(default)]
    pub rate: Option<f64>,
    /// What goes wrong.
    pub effect: Effect,
}

impl Fault {
    /// A fault of every call that matches `service:Operation`.
    #[must_use]
    pub fn every(call: impl Into<String>, effect: Effect) -> Self {
        Self { call: call.into(), after: 0, times: None, rate: None, effect }
    }

    /// The same for the next `times` calls alone.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// The same once `after` matching calls went through.
    #[must_use]
    pub fn after(mut self, after: u64) -> Self {
        self.after = after;
        self
    }

    /// The same for a share of the calls, from 0 to 1.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = Some(rate);
        self
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The answer comes this many milliseconds late.
    Latency {
        /// By how much.
        milliseconds: u64,
    },
    /// Too many requests: `ThrottlingException`, S3's `SlowDown`.
    Throttle,
    /// The service fails with this HTTP status: 500 or 503.
    Fail {
        /// The HTTP status.
        status: u16,
    },
    /// Not authorized.
    Deny,
    /// The service answers this error, in its own words.
    Refuse {
        /// The error's code: `ConflictException`.
        code: String,
        /// The message for people.
        #[serde(default)]
        message: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// The connection closes without an answer.
    Reset,
    /// The connection closes in the middle of the answer's body; the call was
    /// done.
    ResetInBody,
    /// The answer's body is cut to half, and looks complete; the call was done.
    Truncate,
    /// A byte of the answer's body is another; the call was done.
    Alter,
    /// No answer ever comes.
    Hang,
    /// Another conditional write of the same key is under way: S3's
    /// `ConditionalRequestConflict`.
    WriteConflict,
}

fn bad_request() -> u16 {
    400
}

/// How long written policies, keys and roles are not seen by those who depend
/// on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// At once.
    Immediate,
    /// The first so many looks see nothing.
    Looks(u32),
    /// For so many seconds of the simulated clock.
    Seconds(u32),
}

/// What is to go wrong.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<(Fault, Count)>,
    random: fastrand::Rng,
    propagation: Propagation,
    /// Writes that are not seen yet.
    pending: HashMap<String, Pending>,
}

#[derive(Debug, Default)]
struct Count {
    matched: u64,
    triggered: u64,
}

#[derive(Debug, Clone, Copy)]
enum Pending {
    Looks(u32),
    Until(Timestamp),
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                faults: Vec::new(),
                random: fastrand::Rng::with_seed(seed),
                propagation: Propagation::Immediate,
                pending: HashMap::new(),
            }),
        }
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.push((fault, Count::default()));
    }

    /// Lets nothing go wrong any more.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.pending.clear();
        state.propagation = Propagation::Immediate;
    }

    /// How long writes from now on take to be seen.
    pub fn delay_propagation(&self, propagation: Propagation) {
        self.state.lock().propagation = propagation;
    }

    /// The faults, with how often each was triggered.
    #[must_use]
    pub fn triggered(&self) -> Vec<(Fault, u64)> {
        self.state.lock().faults.iter().map(|(fault, n)| (fault.clone(), n.triggered)).collect()
    }

    /// What goes wrong with this call: `s3:PutObject`.
    pub(super) fn trigger(&self, call: &str) -> Vec<Effect> {
        let mut state = self.state.lock();
        let State { faults, random, .. } = &mut *state;
        if faults.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for (fault, count) in faults {
            if !orgtrail_base::policy::eval::matches_wildcards(&fault.call, call) {
                continue;
            }
            count.matched += 1;
            let due = count.matched > fault.after
                && fault.times.is_none_or(|times| count.triggered < times)
                && fault.rate.is_none_or(|rate| random.f64() < rate);
            if due {
                count.triggered += 1;
                effects.push(fault.effect.clone());
            }
        }
        effects
    }

    /// Whether any faults of calls are set.
    pub(super) fn any(&self) -> bool {
        !self.state.lock().faults.is_empty()
    }

    /// Notes that a policy, key or role was written.
    pub(super) fn written(&self, resource: &str, now: Timestamp) {
        let mut state = self.state.lock();
        let pending = match state.propagation {
            Propagation::Immediate => return,
            Propagation::Looks(looks) => Pending::Looks(looks),
            Propagation::Seconds(seconds) => {
                let delay = SignedDuration::from_secs(i64::from(seconds));
                Pending::Until(now.checked_add(delay).unwrap_or(Timestamp::MAX))
            }
        };
        state.pending.insert(resource.to_owned(), pending);
    }

    /// Whether what was last written to a resource is seen by those who depend
    /// on it. Each question is a look.
    pub(super) fn is_propagated(&self, resource: &str, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let seen = match state.pending.get_mut(resource) {
            None => return true,
            Some(Pending::Looks(0)) => true,
            Some(Pending::Looks(looks)) => {
                *looks -= 1;
                false
            }
            Some(Pending::Until(at)) => *at <= now,
        };
        if seen {
            state.pending.remove(resource);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_calls_it_names_after_and_as_often_as_told() {
        let faults = Faults::new(1);
        faults.inject(Fault::every("s3:Put*", Effect::Throttle).after(1).times(2));
        let triggered: Vec<usize> =
            ["s3:PutObject", "s3:GetObject", "s3:PutObject", "s3:PutBucketAcl", "s3:PutObject"]
                .iter()
                .map(|call| faults.trigger(call).len())
                .collect();
        assert_eq!(triggered, [0, 0, 1, 1, 0]);
        assert_eq!(faults.triggered()[0].1, 2);
        faults.clear();
        assert!(!faults.any());
    }

    #[test]
    fn a_rate_strikes_its_share_and_the_same_calls_for_the_same_seed() {
        let run = |seed| {
            let faults = Faults::new(seed);
            faults.inject(Fault::every("*", Effect::Throttle).rate(0.25));
            (0..1000).map(|_| faults.trigger("s3:GetObject").len()).collect::<Vec<_>>()
        };
        let share = run(7).iter().sum::<usize>();
        assert!((200..300).contains(&share), "{share}");
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn writes_are_seen_after_their_looks_or_seconds() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let faults = Faults::new(1);
        faults.written("a", start);
        assert!(faults.is_propagated("a", start));
        faults.delay_propagation(Propagation::Looks(2));
        faults.written("a", start);
        let looks: Vec<bool> = (0..4).map(|_| faults.is_propagated("a", start)).collect();
        assert_eq!(looks, [false, false, true, true]);
        faults.delay_propagation(Propagation::Seconds(5));
        faults.written("b", start);
        assert!(!faults.is_propagated("b", start + SignedDuration::from_secs(4)));
        assert!(faults.is_propagated("b", start + SignedDuration::from_secs(5)));
        assert!(faults.is_propagated("never written", start));
    }
}
