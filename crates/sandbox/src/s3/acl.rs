//! Access control lists, as far as they still matter.

use aws_lc_rs::digest;
use orgtrail_base::names::AccountId;
use s3s::{S3ErrorCode, S3Result, dto};
use serde::{Deserialize, Serialize};

use super::error::{invalid_argument, refuse};

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// An access control list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Acl {
    pub(super) grants: Vec<Entry>,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) to: Grantee,
    /// `FULL_CONTROL`, `READ`, `WRITE`, `READ_ACP` or `WRITE_ACP`.
    pub(super) permission: String,
}

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Grantee {
    /// An account by its canonical user id.
    Canonical(String),
    /// A group by its URI.
    Group(String),
}

/// What an account is called in access control lists: 64 hexadecimal digits.
pub(super) fn canonical_id(account: &AccountId) -> String {
    hex::encode(digest::digest(&digest::SHA256, account.as_str().as_bytes()))
}

/// An owner as answers show it.
pub(super) fn owner(account: &AccountId) -> dto::Owner {
    dto::Owner { display_name: None, id: Some(canonical_id(account)) }
}

impl Acl {
    /// Full control for `owner`, nothing for anyone else.
    pub(super) fn private(owner: &AccountId) -> Self {
        let to = Grantee::Canonical(canonical_id(owner));
        Self { grants: vec![Entry { to, permission: "FULL_CONTROL".to_owned() }] }
    }

    /// What a canned list stands for.
    pub(super) fn canned(
        name: &str,
        owner: &AccountId,
        bucket_owner: &AccountId,
    ) -> S3Result<Self> {
        let mut acl = Self::private(owner);
        let mut grant = |to, permission: &str| {
            acl.grants.push(Entry { to, permission: permission.to_owned() });
        };
        let group = |uri: &str| Grantee::Group(uri.to_owned());
        match name {
            "private" => {}
            "public-read" => grant(group(ALL_USERS), "READ"),
            "public-read-write" => {
                grant(group(ALL_USERS), "READ");
                grant(group(ALL_USERS), "WRITE");
            }
            "authenticated-read" => grant(group(AUTHENTICATED_USERS), "READ"),
            "log-delivery-write" => {
                grant(group(LOG_DELIVERY), "WRITE");
                grant(group(LOG_DELIVERY), "READ_ACP");
            }
            "bucket-owner-read" | "bucket-owner-full-control" | "aws-exec-read" => {
                if owner != bucket_owner && name != "aws-exec-read" {
                    let permission =
                        if name == "bucket-owner-read" { "READ" } else { "FULL_CONTROL" };
                    grant(Grantee::Canonical(canonical_id(bucket_owner)), permission);
                }
            }
            other => return Err(invalid_argument(format!("Invalid canned ACL: {other}"))),
        }
        Ok(acl)
    }

    /// Adds what an `x-amz-grant-*` header says: `id="…", uri="…"`.
    pub(super) fn add_header(&mut self, permission: &str, header: Option<&str>) -> S3Result<()> {
        for grantee in header.unwrap_or_default().split(',').filter(|part| !part.trim().is_empty())
        {
            let Some((kind, value)) = grantee.trim().split_once('=') else {
                return Err(invalid_argument("Argument format not recognized"));
            };
            let value = value.trim_matches('"').to_owned();
            let to = match kind {
                "id" => Grantee::Canonical(value),
                "uri" => Grantee::Group(value),
                _ => {
                    return Err(refuse(
                        S3ErrorCode::UnresolvableGrantByEmailAddress,
                        "Email addresses are no longer supported as grantees.",
                    ));
                }
            };
            self.grants.push(Entry { to, permission: permission.to_owned() });
        }
        Ok(())
    }

    /// Reads the XML form.
    pub(super) fn parse(policy: &dto::AccessControlPolicy) -> S3Result<Self> {
        let mut grants = Vec::new();
        for grant in policy.grants.iter().flatten() {
            let (Some(grantee), Some(permission)) = (&grant.grantee, &grant.permission) else {
                return Err(super::error::malformed_xml("a grant lacks grantee or permission"));
            };
            let to = match (&grantee.id, &grantee.uri) {
                (Some(id), _) if id.len() == 64 => Grantee::Canonical(id.clone()),
                (None, Some(uri)) => Grantee::Group(uri.clone()),
                _ => return Err(invalid_argument("Invalid id")),
            };
            grants.push(Entry { to, permission: permission.as_str().to_owned() });
        }
        Ok(Self { grants })
    }

    /// The XML form's grants.
    pub(super) fn dto(&self) -> Vec<dto::Grant> {
        let grant = |entry: &Entry| {
            let (id, uri, kind) = match &entry.to {
                Grantee::Canonical(id) => (Some(id.clone()), None, dto::Type::CANONICAL_USER),
                Grantee::Group(uri) => (None, Some(uri.clone()), dto::Type::GROUP),
            };
            let grantee = dto::Grantee {
                display_name: None,
                email_address: None,
                id,
                uri,
                type_: dto::Type::from_static(kind),
            };
            dto::Grant {
                grantee: Some(grantee),
                permission: Some(dto::Permission::from(entry.permission.clone())),
            }
        };
        self.grants.iter().map(grant).collect()
    }

    /// Whether it grants anything to anyone.
    pub(super) fn is_public(&self) -> bool {
        self.grants.iter().any(|entry| {
            matches!(&entry.to, Grantee::Group(uri) if uri == ALL_USERS || uri == AUTHENTICATED_USERS)
        })
    }

    /// Whether `account` (`None` for everyone) has `permission`.
    pub(super) fn allows(
        &self,
        account: Option<&AccountId>,
        permission: &str,
        ignore_public: bool,
    ) -> bool {
        let canonical = account.map(canonical_id);
        self.grants.iter().any(|entry| {
            let meant = match &entry.to {
                Grantee::Canonical(id) => canonical.as_ref() == Some(id),
                Grantee::Group(uri) if ignore_public || uri == LOG_DELIVERY => false,
                Grantee::Group(uri) => {
                    uri == ALL_USERS || (uri == AUTHENTICATED_USERS && account.is_some())
                }
            };
            meant && (entry.permission == "FULL_CONTROL" || entry.permission == permission)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(digit: &str) -> AccountId {
        digit.repeat(12).parse().unwrap()
    }

    #[test]
    fn a_private_list_serves_its_owner_alone() {
        let acl = Acl::private(&account("1"));
        assert!(acl.allows(Some(&account("1")), "READ", false));
        assert!(!acl.allows(Some(&account("2")), "READ", false));
        assert!(!acl.allows(None, "READ", false));
    }

    #[test]
    fn a_public_list_can_be_ignored() {
        let acl = Acl::canned("public-read", &account("1"), &account("1")).unwrap();
        assert!(acl.is_public() && acl.allows(None, "READ", false));
        assert!(!acl.allows(None, "READ", true));
    }

    #[test]
    fn bucket_owner_full_control_grants_the_bucket_owner() {
        let acl = Acl::canned("bucket-owner-full-control", &account("2"), &account("1")).unwrap();
        assert!(acl.allows(Some(&account("1")), "WRITE_ACP", false));
    }
}
