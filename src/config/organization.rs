use schemars::{Schema, SchemaGenerator};

use super::document::{Node, Value};
use super::read::{Read, Reader};
use super::section::section;
use crate::names::{AccountId, Partition, Region, UnitId};

section! {
    /// The organization: its accounts and its Regions.
    pub struct Organization {
        /// The organization's management account, which owns the trail.
        management_account: AccountId = required,
        /// The account that owns the archive's bucket and key.
        log_archive_account: AccountId = required,
        /// The account from which auditors read, if any.
        audit_account: Option<AccountId> = default(None::<AccountId>),
        /// Accounts registered with CloudTrail as delegated administrators; at
        /// most three, none in China.
        delegated_administrators: Vec<AccountId> = default(Vec::<AccountId>::new()),
        /// The trail's home Region; a Region that is enabled in every account by default.
        home_region: Region = required,
        /// The Regions to check: `"all-enabled"`, or a list. The trail itself always covers
        /// every Region that an account has enabled.
        regions: Regions = default(Regions::AllEnabled),
        /// Accounts in which orgtrail assumes no role. The trail still records them.
        excluded_accounts: Vec<AccountId> = default(Vec::<AccountId>::new()),
        /// Organizational units in whose accounts, at any depth, orgtrail assumes no role.
        excluded_units: Vec<UnitId> = default(Vec::<UnitId>::new()),
    }
}

/// The Regions that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Every Region that is enabled in the account at hand.
    AllEnabled,
    /// These, where they are enabled.
    Only(Vec<Region>),
}

impl Organization {
    /// The Region of AWS Organizations and of its events.
    #[must_use]
    pub fn events_region(&self) -> Region {
        let leading = Partition::of(&self.home_region).leading_region();
        leading.parse().unwrap_or_else(|_| self.home_region.clone())
    }
}

impl Regions {
    /// Whether a Region is among them, provided that it is enabled.
    #[must_use]
    pub fn includes(&self, region: &Region) -> bool {
        match self {
            Self::AllEnabled => true,
            Self::Only(regions) => regions.contains(region),
        }
    }

    /// Whether all that are looked at are among `known`, whatever an account has
    /// enabled.
    #[must_use]
    pub fn all_in(&self, known: &[Region]) -> bool {
        match self {
            Self::AllEnabled => false,
            Self::Only(regions) => regions.iter().all(|region| known.contains(region)),
        }
    }
}

impl serde::Serialize for Regions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AllEnabled => serializer.serialize_str("all-enabled"),
            Self::Only(regions) => regions.serialize(serializer),
        }
    }
}

impl Read for Regions {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::String(word) if word == "all-enabled" => {
                reader.leaf(node, path);
                Some(Self::AllEnabled)
            }
            Value::Array(_) => Vec::<Region>::read(node, path, reader).map(Self::Only),
            _ => {
                reader.mismatch(node, path, "\"all-enabled\", or an array of Regions");
                None
            }
        }
    }

    fn stand_in() -> Option<Self> {
        Some(Self::AllEnabled)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let list = Vec::<Region>::schema(generator);
        schemars::json_schema!({ "oneOf": [{ "const": "all-enabled" }, list] })
    }
}
