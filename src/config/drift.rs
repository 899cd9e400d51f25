use jiff::civil::Date;

use super::check_id::CheckId;
use super::document::{Node, Value};
use super::finding::Finding;
use super::read::{Read, Reader};
use super::section::{choice, section};

section! {
    /// Settings of `orgtrail drift`.
    pub struct Drift {
        /// The maximum age of the newest digest of an account and Region, in hours. CloudTrail
        /// delivers a digest every hour, even without events.
        freshness_hours: u32 = default(24_u32),
        /// How many of the newest hours of every chain to verify; 0 leaves this to `orgtrail
        /// verify`. Values below 4 count as 4.
        chain_hours: u32 = default(4_u32),
        /// Neighboring services whose status is checked in every account and Region: `config`,
        /// `guardduty`, `security-hub`.
        neighbors: Vec<Neighbor> = default(Vec::<Neighbor>::new()),
        /// Suppressed findings, each with a reason and a last day.
        suppress: Vec<Suppress> = default(Vec::<Suppress>::new()),
    }
}

choice! {
    /// A service next to CloudTrail that organizations rely on.
    pub enum Neighbor {
        /// AWS Config.
        Config = "config",
        /// Amazon GuardDuty.
        GuardDuty = "guardduty",
        /// AWS Security Hub.
        SecurityHub = "security-hub",
    }
}

section! {
    /// A finding that is suppressed until a date.
    pub struct Suppress {
        /// The check's id, as listed by `orgtrail explain`.
        check: CheckId = required,
        /// The scope of the findings to suppress; `*` matches anything, as in `111122223333
        /// eu-*`. Default: all findings of the check.
        scope: Option<String> = default(None::<String>),
        /// Why they are suppressed.
        reason: String = required,
        /// The last day of the suppression, in UTC: `2027-06-30`.
        until: Date = required,
    }
}

impl Read for Date {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        const WANTED: &str = "a day, as in 2027-06-30";
        let text = match &node.value {
            Value::Foreign("date", text) => {
                reader.leaf(node, path);
                text.as_str()
            }
            _ => reader.string(node, path, WANTED)?,
        };
        let day = text.parse().ok().filter(|_| text.len() == "2027-06-30".len());
        if day.is_none() {
            let message = format!("found `{}`, expected {WANTED}", super::document::shorten(text));
            reader.findings.push(Finding::error(path, node.origin.clone(), message));
        }
        day
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        })
    }

    fn stand_in() -> Option<Self> {
        Some(Self::MAX)
    }
}
