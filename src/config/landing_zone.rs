use super::section::section;
use crate::names::{AccountId, Arn, RoleName, UnitId};

section! {
    /// Settings of `orgtrail bootstrap`, which creates the roles of `[roles]`.
    pub struct LandingZone {
        /// What the names of its stacks and stack sets begin with.
        prefix: String = default("orgtrail".to_owned()),
        /// Who may assume the role that orgtrail starts with: the ARN of a role or user. By
        /// default every principal of the management account whose own policy allows it.
        trusted_principal: Option<Arn> = default(None::<Arn>),
        /// The account to which the role for members is deployed first, as a pilot.
        pilot_account: Option<AccountId> = default(None::<AccountId>),
        /// The organizational unit to which it is deployed after the pilot, before the whole
        /// organization.
        pilot_unit: Option<UnitId> = default(None::<UnitId>),
        /// The name of the IAM policy that bounds the permissions of every role. It must exist
        /// in each account.
        permissions_boundary: Option<RoleName> = default(None::<RoleName>),
    }
}
