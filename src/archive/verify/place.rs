//! The current and original addresses of objects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::key::{ObjectKey, ObjectKind, Root};
use crate::names::{AccountId, OrgId, Region, TrailName};

/// One account and Region below one root: the unit of verification.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainScope {
    /// The bucket; unknown for a folder.
    pub bucket: Option<Box<str>>,
    /// The part of the keys before the account.
    pub root: Root,
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

/// The name of a chain in its digests' file names. Trails of several owners can share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainName {
    /// The trail.
    pub trail: TrailName,
    /// The Region in which the trail was created.
    pub home_region: Region,
    /// Whether the digests are backfill digests.
    pub backfill: bool,
}

/// The owner of a trail, according to the original addresses of its digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrailOwner {
    /// The account whose activity the digests record.
    Account,
    /// An organization: its management account.
    Organization(OrgId),
}

/// Identifies a trail's digests of one account and Region; standard and backfill digests are
/// separate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// The owner of the trail.
    pub owner: TrailOwner,
    /// The name in the digests' file names.
    pub chain_name: ChainName,
}

impl ChainName {
    /// The chain name of a key; `None` if it is not the key of a digest.
    #[must_use]
    pub fn of(key: &ObjectKey) -> Option<Self> {
        let ObjectKind::Digest { trail, home_region, backfill } = key.kind() else { return None };
        Some(Self { trail: trail.clone(), home_region: home_region.clone(), backfill: *backfill })
    }
}

impl TrailOwner {
    /// The owner of the trail that wrote below a root.
    #[must_use]
    pub fn of(original: &Root) -> Self {
        original.org.clone().map_or(Self::Account, Self::Organization)
    }
}

impl ChainId {
    /// The chain of an original key; `None` if it is not the key of a digest. Consolidation puts
    /// digests of all owners below one root, so the key of a copy is not sufficient.
    #[must_use]
    pub fn of(original: &ObjectKey) -> Option<Self> {
        Some(Self { owner: TrailOwner::of(original.root()), chain_name: ChainName::of(original)? })
    }
}

impl std::fmt::Display for ChainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.trail, self.home_region)?;
        if self.backfill { f.write_str(" (backfill)") } else { Ok(()) }
    }
}

impl std::fmt::Display for ChainId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.chain_name)
    }
}

/// The owner of an organization's trails: its management account, even if a delegated
/// administrator created them.
///
/// Source: CloudTrail User Guide, "Organization delegated administrator".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrgOwner {
    /// The organization.
    #[serde(rename = "id")]
    pub org: OrgId,
    /// Its management account.
    #[serde(rename = "management_account")]
    pub management: AccountId,
}

/// The placement of a proven object relative to its original address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// At its original address.
    InPlace,
    /// Relocated: the same key below another root.
    Relocated,
}

impl ChainScope {
    /// The placement of an object of this scope; `None` if it belongs elsewhere.
    ///
    /// `declared` is the root that consolidation relocates to; this scope's root if none is
    /// declared.
    #[must_use]
    pub fn locate(
        &self,
        current: &ObjectKey,
        original_bucket: &str,
        original_key: &str,
        declared: Option<&Root>,
    ) -> Option<Placement> {
        let same_bucket = self.bucket.as_deref().is_none_or(|bucket| bucket == original_bucket);
        if same_bucket && original_key == current.to_string() {
            return Some(Placement::InPlace);
        }
        let original: ObjectKey = original_key.parse().ok()?;
        let mapped = original.is_same_below_root(current)
            && declared.is_none_or(|root| root == current.root());
        mapped.then_some(Placement::Relocated)
    }

    /// The account that owns the trail that wrote this scope's objects below a root; `None` if
    /// the root's organization is unknown.
    #[must_use]
    pub fn trail_owner(&self, original: &Root, known: Option<&OrgOwner>) -> Option<AccountId> {
        let Some(org) = &original.org else { return Some(self.account.clone()) };
        known.filter(|known| known.org == *org).map(|known| known.management.clone())
    }

    /// The current key of an object with an original address.
    #[must_use]
    pub fn current_address(&self, placement: Placement, original: &str) -> String {
        match (placement, original.parse::<ObjectKey>()) {
            (Placement::Relocated, Ok(key)) => key.under(&self.root).to_string(),
            _ => original.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &str = "AWSLogs/111111111111/CloudTrail-Digest/us-east-1/2026/01/02/111111111111_CloudTrail-Digest_us-east-1_old_us-east-1_20260102T030405Z.json.gz";

    fn scope(bucket: Option<&str>, org: Option<&str>) -> ChainScope {
        ChainScope {
            bucket: bucket.map(Into::into),
            root: Root { prefix: None, org: org.map(|org| org.parse().unwrap()) },
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        }
    }

    #[test]
    fn in_place_relocated_and_elsewhere_are_distinguished() {
        let original: ObjectKey = ORIGINAL.parse().unwrap();
        let here = scope(Some("legacy"), None);
        assert_eq!(here.locate(&original, "legacy", ORIGINAL, None), Some(Placement::InPlace));
        let archive = scope(Some("archive"), Some("o-exampleorgid"));
        let moved = original.under(&archive.root);
        assert_eq!(archive.locate(&moved, "legacy", ORIGINAL, None), Some(Placement::Relocated));
        let declared = Root { prefix: Some("logs".into()), org: archive.root.org.clone() };
        assert_eq!(archive.locate(&moved, "legacy", ORIGINAL, Some(&declared)), None);
        let other_hour = ORIGINAL.replace("T030405Z", "T040405Z");
        assert_eq!(archive.locate(&moved, "legacy", &other_hour, None), None);
        assert_eq!(here.locate(&original, "legacy", &other_hour, None), None);
    }

    #[test]
    fn an_organizations_trail_is_its_management_accounts() {
        let scope = scope(None, Some("o-exampleorgid"));
        let known = OrgOwner {
            org: "o-exampleorgid".parse().unwrap(),
            management: "999999999999".parse().unwrap(),
        };
        let owner = |root: &Root, known| scope.trail_owner(root, known);
        assert_eq!(owner(&scope.root, Some(&known)), Some(known.management.clone()));
        assert_eq!(owner(&scope.root, None), None);
        let other = OrgOwner { org: "o-anotherorgid".parse().unwrap(), ..known.clone() };
        assert_eq!(owner(&scope.root, Some(&other)), None);
        // The account's own trail wrote the objects, wherever they are now.
        assert_eq!(owner(&Root::default(), Some(&known)), Some(scope.account.clone()));
    }

    #[test]
    fn a_folder_takes_any_bucket_for_its_own() {
        let folder = scope(None, None);
        let key: ObjectKey = ORIGINAL.parse().unwrap();
        assert_eq!(folder.locate(&key, "any", ORIGINAL, None), Some(Placement::InPlace));
    }
}
