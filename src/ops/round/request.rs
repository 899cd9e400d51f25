//! What a round does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::ops::{OpError, verify};

/// A part of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Consolidate everything that is missing.
    Consolidate,
    /// Verify the archive.
    Verify,
    /// Check for drift, without fixing it.
    Drift,
    /// Compare the archive with Event history.
    Reconcile,
    /// Detect tampering and suspicious sign-ins in the events.
    Detect,
}

impl Part {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Consolidate => "consolidate",
            Self::Verify => "verify",
            Self::Drift => "drift",
            Self::Reconcile => "reconcile",
            Self::Detect => "detect",
        }
    }

    /// Whether it writes into the archive.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Consolidate)
    }
}

/// What a round does.
#[derive(Debug, Clone)]
pub struct Request {
    /// The parts, in the order in which they run; each at most once.
    pub parts: Vec<Part>,
    /// How many days to verify; all days if absent.
    pub verify_days: Option<u16>,
    /// Up to when to verify; until now if absent.
    pub until: Option<Timestamp>,
    /// Whether to continue from the archive's newest proof record.
    pub incremental: bool,
}

impl Request {
    /// What to verify, as of `now`.
    pub(super) fn verification(&self, now: Timestamp) -> verify::Request {
        let since = self.verify_days.map(|days| {
            let back = SignedDuration::from_hours(24 * i64::from(days));
            self.until.unwrap_or(now).checked_sub(back).unwrap_or(Timestamp::MIN)
        });
        verify::Request {
            since,
            until: self.until,
            incremental: self.incremental,
            record: self.records(),
            ..verify::Request::default()
        }
    }

    /// Whether what is proven is kept as a proof record: if the round may write, and verifies all
    /// days up to now.
    pub(super) fn records(&self) -> bool {
        let is_of_all_days = self.verify_days.is_none() && self.until.is_none();
        is_of_all_days && self.parts.iter().any(|part| part.writes())
    }

    /// Checks that shards can do it.
    ///
    /// # Errors
    /// It has another part than consolidation and verification, or verification of a period that
    /// depends on the present: usage.
    pub fn check_divisible(&self) -> Result<(), OpError> {
        let is_divisible = |part: &&Part| matches!(part, Part::Consolidate | Part::Verify);
        if let Some(whole) = self.parts.iter().find(|part| !is_divisible(part)) {
            let message = format!("`{}` cannot be divided into shards", whole.name());
            return Err(OpError::usage(message).with_hint("run it once, without `--shard`"));
        }
        if self.parts.contains(&Part::Verify) {
            self.verification(Timestamp::MIN).check_divisible()?;
        }
        self.check_distinct()
    }

    /// What was asked, by option: the shards of one round are all asked the same.
    #[must_use]
    pub fn asked(&self) -> BTreeMap<&'static str, String> {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.name()).collect();
        [
            ("PART", Some(parts.join(","))),
            ("--verify-days", self.verify_days.map(|days| days.to_string())),
            ("--until", self.until.map(|at| at.to_string())),
            ("--incremental", self.incremental.then(|| "true".to_owned())),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some((option, value?)))
        .collect()
    }

    pub(super) fn check_distinct(&self) -> Result<(), OpError> {
        for (at, part) in self.parts.iter().enumerate() {
            if self.parts[..at].contains(part) {
                return Err(OpError::usage(format!("`{}` is named twice", part.name())));
            }
        }
        Ok(())
    }
}
