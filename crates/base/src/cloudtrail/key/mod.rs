//! The grammar of CloudTrail's object keys: parse, print, relocate.
//!
//! ```text
//! [prefix/]AWSLogs/[o-id/]<account>/CloudTrail/<region>/YYYY/MM/DD/
//!     <account>_CloudTrail_<region>_<YYYYMMDDTHHmmZ>_<16 characters>.json.gz
//! [prefix/]AWSLogs/[o-id/]<account>/CloudTrail-Digest/<region>/YYYY/MM/DD/
//!     <account>_CloudTrail-Digest_<region>_<trail>_<home Region>_<YYYYMMDDTHHMMSSZ>[_backfill].json.gz
//! ```
//!
//! Insights, network activity and aggregated events have the grammar of log
//! files under `CloudTrail-Insight`, `CloudTrail-NetworkActivity` and
//! `CloudTrail-Aggregated`. Control Tower's `o-id/AWSLogs/…` is an ordinary
//! prefix.
//!
//! Source: CloudTrail User Guide, "Finding your CloudTrail log files" and
//! "CloudTrail digest file structure".

mod parse;

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

pub use self::parse::KeyError;
use crate::names::{AccountId, OrgId, Region, TrailName};

/// The key of an object that CloudTrail wrote, taken apart.
///
/// Shape: what is said once here stands twice in the key (account, Region and
/// day are in the folder and in the file's name); parsing refuses keys in
/// which they differ, so that printing what was parsed gives the key back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    root: Root,
    account: AccountId,
    region: Region,
    /// Whole minutes for log files, whole seconds for digests.
    time: Timestamp,
    kind: ObjectKind,
}

/// The part of a key above the account: what relocation replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Root {
    /// All before `AWSLogs`, without the slash between them.
    pub prefix: Option<Box<str>>,
    /// The organization, where an organization trail wrote the object.
    pub org: Option<OrgId>,
}

/// What an object is, as its key says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A file of events.
    Log {
        /// Which events.
        class: LogClass,
        /// What keeps two files of one minute apart. Shape: 16 letters or
        /// digits, without meaning.
        unique: Box<str>,
    },
    /// A digest: the signed list of an hour's log files.
    Digest {
        /// The trail whose chain it belongs to.
        trail: TrailName,
        /// The Region in which the trail was created.
        home_region: Region,
        /// Whether it was written afterwards, into a chain of its own.
        backfill: bool,
    },
}

/// The events of a log file; each has its own folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogClass {
    /// Management and data events: `CloudTrail`.
    Events,
    /// Insights events: `CloudTrail-Insight`.
    Insight,
    /// Network activity events: `CloudTrail-NetworkActivity`.
    NetworkActivity,
    /// Aggregated data events: `CloudTrail-Aggregated`.
    Aggregated,
}

impl LogClass {
    /// Every class.
    pub const ALL: [Self; 4] =
        [Self::Events, Self::Insight, Self::NetworkActivity, Self::Aggregated];

    /// The folder's name, which the file's name repeats.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Events => "CloudTrail",
            Self::Insight => "CloudTrail-Insight",
            Self::NetworkActivity => "CloudTrail-NetworkActivity",
            Self::Aggregated => "CloudTrail-Aggregated",
        }
    }
}

/// The folder of digests.
pub const DIGEST_FOLDER: &str = "CloudTrail-Digest";

impl ObjectKind {
    /// The folder's name, which the file's name repeats.
    #[must_use]
    pub fn folder(&self) -> &'static str {
        match self {
            Self::Log { class, .. } => class.folder(),
            Self::Digest { .. } => DIGEST_FOLDER,
        }
    }
}

impl ObjectKey {
    /// The key under which CloudTrail delivers an object.
    ///
    /// The time is the delivery's for log files and the digest's end for
    /// digests; it is cut to what the key holds of it. `None` where `kind` has
    /// a `unique` that is not 16 letters or digits.
    #[must_use]
    pub fn new(
        root: Root,
        account: AccountId,
        region: Region,
        time: Timestamp,
        kind: ObjectKind,
    ) -> Option<Self> {
        let unit = match &kind {
            ObjectKind::Log { unique, .. } if !parse::is_unique(unique) => return None,
            ObjectKind::Log { .. } => Unit::Minute,
            ObjectKind::Digest { .. } => Unit::Second,
        };
        let down = jiff::TimestampRound::new().smallest(unit).mode(jiff::RoundMode::Floor);
        Some(Self { root, account, region, time: time.round(down).ok()?, kind })
    }

    /// The part above the account.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The account whose activity the object records.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region whose activity the object records.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// When a log file was delivered (to the minute), or where a digest's hour
    /// ends (to the second).
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// What the object is.
    #[must_use]
    pub fn kind(&self) -> &ObjectKind {
        &self.kind
    }

    /// The same object below another root: where consolidation puts it, and where
    /// verification looks for it.
    #[must_use]
    pub fn under(&self, root: &Root) -> Self {
        Self { root: root.clone(), ..self.clone() }
    }

    /// Whether both are the same object under two roots.
    #[must_use]
    pub fn is_same_below_root(&self, other: &Self) -> bool {
        self.account == other.account
            && self.region == other.region
            && self.time == other.time
            && self.kind == other.kind
    }

    /// The file's name, without its folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        let Self { account, region, kind, .. } = self;
        let folder = kind.folder();
        match kind {
            ObjectKind::Log { unique, .. } => {
                let time = self.time.strftime("%Y%m%dT%H%MZ");
                format!("{account}_{folder}_{region}_{time}_{unique}.json.gz")
            }
            ObjectKind::Digest { trail, home_region, backfill } => {
                let time = self.time.strftime("%Y%m%dT%H%M%SZ");
                let backfill = if *backfill { "_backfill" } else { "" };
                format!(
                    "{account}_{folder}_{region}_{trail}_{home_region}_{time}{backfill}.json.gz"
                )
            }
        }
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { root, account, region, kind, .. } = self;
        let day = self.time.strftime("%Y/%m/%d");
        write!(f, "{root}{account}/{}/{region}/{day}/{}", kind.folder(), self.file_name())
    }
}

/// The root as it stands in keys, with the slash at its end: what to list to
/// see the accounts.
impl std::fmt::Display for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(prefix) = &self.prefix {
            write!(f, "{prefix}/")?;
        }
        f.write_str("AWSLogs/")?;
        if let Some(org) = &self.org {
            write!(f, "{org}/")?;
        }
        Ok(())
    }
}

impl Root {
    /// The folder of one account, Region and kind of object, with the slash at
    /// its end.
    #[must_use]
    pub fn folder(&self, account: &AccountId, folder: &str, region: &Region) -> String {
        format!("{self}{account}/{folder}/{region}/")
    }
}

#[cfg(test)]
mod tests;
