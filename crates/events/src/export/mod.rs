//! Events in the formats of other programs: Parquet, OCSF, lines of JSON.

mod columns;
mod file;
mod lines;
mod ocsf;
mod table;
#[cfg(test)]
mod tests;

pub use self::columns::{COLUMNS, Column, SCHEMA_VERSION};
pub use self::file::{ExportError, ExportFile, Format};
pub use self::lines::{bulk_lines, json_line};
pub use self::ocsf::{OCSF_VERSION, OcsfClass, ocsf_class, ocsf_event};
use crate::event::{Event, Failure};

/// A record with what is known of it beyond its text.
#[derive(Debug, Clone, Default)]
pub struct ExportedEvent<'r> {
    /// The record.
    pub event: Event<'r>,
    /// How it failed, if it did.
    pub failure: Option<Failure<'r>>,
    /// The key of the log file that contains it.
    pub key: &'r str,
    /// The account that the file was delivered for: that of a record that does not say it.
    pub account: Option<&'r str>,
    /// The Region that the file was delivered for: that of a record that does not say it.
    pub region: Option<&'r str>,
    /// `proven`, `unproven` or `contradicted`; absent if that was not checked.
    pub proof: Option<&'r str>,
    /// Who is behind it, if that is known.
    pub person: Option<Person<'r>>,
}

/// Who is behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'r> {
    /// The unique id of their principal.
    pub principal: &'r str,
    /// How surely: the strength of the weakest link to them.
    pub strength: &'r str,
}

impl<'r> ExportedEvent<'r> {
    /// A record of a log file.
    #[must_use]
    pub fn new(event: Event<'r>, key: &'r str) -> Self {
        let failure = event.failure();
        Self { event, failure, key, ..Self::default() }
    }

    /// The account that it was recorded for.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.event.recipient_account.as_deref().or(self.account).or_else(|| self.event.account())
    }

    /// The Region that it was recorded in.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.event.region.as_deref().or(self.region)
    }
}
