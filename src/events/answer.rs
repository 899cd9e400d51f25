//! The answer to a search: events, what was read, and how they are proven.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_events::attribution::descend::Descendants;
use orgtrail_events::attribution::{Answer, Word};
use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use crate::archive::verify::finding::Severity;

/// An event that matches.
#[derive(Debug, Clone)]
pub struct SearchedEvent {
    /// The record.
    pub raw: Box<str>,
    /// The key of its file.
    pub file: String,
    /// Whether it is proven, if that was asked for.
    pub proof: Option<Proof>,
}

/// The result of a search.
#[derive(Debug)]
pub struct Searched {
    /// The place, as people name it.
    pub place: String,
    /// When it was searched.
    pub at: Timestamp,
    /// What was read.
    pub coverage: Coverage,
    /// The events that were returned.
    pub matched: u64,
    /// Copies of them that were left out.
    pub copies: u64,
    /// Events that were returned after later ones.
    pub late: u64,
    /// Whether the search ended at the limit, or because the reader went away.
    pub is_cut: bool,
    /// Whether it was stopped.
    pub was_stopped: bool,
    /// How the events are proven, if that was asked for.
    pub proof: Option<ProofSummary>,
}

/// Who was behind a session, and what was read to find out.
#[derive(Debug)]
pub struct Attributed {
    /// Who was asked for.
    pub question: String,
    /// At which time.
    pub at: Option<Timestamp>,
    /// The chains back to who was behind it.
    pub answer: Answer,
    /// The sessions that descend from it, if they were asked for and it is one principal.
    pub sessions: Option<Descendants>,
    /// The events that issued credentials, among those that were read.
    pub issuing_events: u64,
    /// How the log files of the hops are proven, if that was asked for.
    pub file_proofs: BTreeMap<Word, Proof>,
    /// What was read. The events that match are those about the question.
    pub searched: Searched,
}

/// How the events of a search are proven.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProofSummary {
    /// Events in files that a verified digest lists as they are.
    pub proven: u64,
    /// Events in files that no verified digest lists.
    pub unproven: u64,
    /// Events in files that differ from what their digest lists.
    pub contradicted: u64,
    /// The most severe finding of the verification of what was searched.
    pub severity: Option<Severity>,
    /// The findings, most severe first, as `kind: place`.
    pub findings: Vec<String>,
}

/// Whether an event is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A verified digest lists its file with the hash that it has.
    Proven,
    /// No verified digest lists its file, or the file could not be read again.
    Unproven,
    /// A verified digest lists its file with another hash.
    Contradicted,
}

impl ProofSummary {
    /// With that of another shard.
    #[must_use]
    pub fn joined(mut self, shard: Self) -> Self {
        self.proven += shard.proven;
        self.unproven += shard.unproven;
        self.contradicted += shard.contradicted;
        self.severity = self.severity.max(shard.severity);
        self.findings.extend(shard.findings);
        self
    }

    /// Counts an event.
    pub fn count(&mut self, proof: Proof) {
        match proof {
            Proof::Proven => self.proven += 1,
            Proof::Unproven => self.unproven += 1,
            Proof::Contradicted => self.contradicted += 1,
        }
    }
}

impl Proof {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Contradicted => "contradicted",
        }
    }
}
