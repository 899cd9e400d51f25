use jiff::civil::Date;

use super::document::{Node, Value};
use super::finding::Finding;
use super::read::{Read, Reader};
use super::section::section;

section! {
    /// What `orgtrail drift` expects, and what it lets pass.
    pub struct Drift {
        /// Hours that the newest digest of an account and Region may be old. A
        /// digest comes every hour, also where nothing happened.
        freshness_hours: u32 = default(24_u32),
        /// The newest hours of every chain that are verified; 0 for none, which
        /// leaves it to `orgtrail verify`. Less than 4 count as 4.
        chain_hours: u32 = default(4_u32),
        /// Findings that do not count, each with its reason and its end.
        suppress: Vec<Suppress> = default(Vec::<Suppress>::new()),
    }
}

section! {
    /// A finding that does not count for a while.
    pub struct Suppress {
        /// The check's id, as `orgtrail explain` lists them.
        check: String = required,
        /// Which of its findings, by their scope; `*` stands for anything, as in
        /// `111122223333 eu-*`. None means all.
        scope: Option<String> = default(None::<String>),
        /// Why they do not count.
        reason: String = required,
        /// The last day on which they do not count, in UTC: `2027-06-30`.
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
