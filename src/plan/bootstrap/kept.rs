//! What a removal keeps: what no tag or record shows that orgtrail created, and others may use.

use super::{ACCESS, ORGANIZATION, POLICY_TYPE, SCP};
use crate::aws::{AwsError, Observation};
use crate::plan::destroy::Remains;
use crate::policy::CLOUDTRAIL;
use crate::resources::Observed;
use crate::resources::landing_zone::{Access, LandingZone, ObservedZone};
use crate::words::in_one_line;

/// Something that may be kept, and what was read of it.
struct Candidate<'a> {
    id: &'static str,
    name: String,
    why: &'static str,
    /// What removes it anyway.
    undo: String,
    /// Whether it exists, or why that could not be read.
    exists: Result<bool, &'a AwsError>,
}

impl Candidate<'_> {
    /// It, if it exists or may exist.
    fn kept(self) -> Option<Remains> {
        let (unreadable, why) = match self.exists {
            Ok(false) => return None,
            Ok(true) => (false, self.why.to_owned()),
            Err(error) => {
                let error = in_one_line(error);
                (true, format!("if it exists, {}; it could not be read: {error}", self.why))
            }
        };
        Some(Remains {
            id: self.id.into(),
            name: self.name,
            why,
            undo: Some(self.undo),
            unreadable,
            usd_a_month: Some(0.0),
            cost: "nothing".to_owned(),
        })
    }
}

fn exists<T>(read: &Observation<T>, is: impl Fn(&T) -> bool) -> Result<bool, &AwsError> {
    match read {
        Observation::Present(found) => Ok(is(found)),
        Observation::Absent => Ok(false),
        Observation::Unreadable(error) => Err(error),
    }
}

/// What a removal keeps, with why, and what removes it anyway. Nothing of it has a tag: AWS does
/// not record who created it.
#[must_use]
pub fn kept_after_bootstrap(zone: &LandingZone, observed: &ObservedZone) -> Vec<Remains> {
    // Nothing of it exists without an organization.
    if observed.organization.is_absent() {
        return Vec::new();
    }
    let mut all = of_the_organization(zone, observed);
    all.extend(of_stack_sets(observed));
    if let Some((_, found)) = &observed.others {
        all.extend(of_cloudtrail(found));
    }
    all.into_iter().filter_map(Candidate::kept).collect()
}

fn of_the_organization<'a>(zone: &LandingZone, observed: &'a ObservedZone) -> Vec<Candidate<'a>> {
    let read = &observed.organization;
    let (id, root) = match read.present() {
        Some(found) => (found.id.to_string(), found.root.to_string()),
        None => ("unknown".to_owned(), "ROOT".to_owned()),
    };
    let mut all = vec![Candidate {
        id: ORGANIZATION,
        name: id,
        why: "its accounts belong to it",
        undo: "aws organizations delete-organization, once all other accounts have left it"
            .to_owned(),
        exists: exists(read, |_| true),
    }];
    if zone.config.guardrail.enabled {
        all.push(Candidate {
            id: POLICY_TYPE,
            name: SCP.to_owned(),
            why: "disabling it detaches every service control policy of the organization",
            undo: format!(
                "aws organizations disable-policy-type --root-id {root} --policy-type {SCP}"
            ),
            exists: exists(read, |found| found.policy_types.contains(SCP)),
        });
    }
    all
}

fn of_stack_sets(observed: &ObservedZone) -> [Candidate<'_>; 2] {
    let is_enabled = || exists(&observed.access, |access| *access == Access::Enabled);
    [
        Candidate {
            id: ACCESS,
            name: "stack sets".to_owned(),
            why: "other stack sets of the organization need it",
            undo: "aws cloudformation deactivate-organizations-access".to_owned(),
            exists: is_enabled(),
        },
        Candidate {
            id: "stack-sets-role",
            name: "AWSServiceRoleForCloudFormationStackSetsOrgAdmin".to_owned(),
            why: "stack sets work in the organization with this service-linked role",
            undo: "aws iam delete-service-linked-role --role-name \
                   AWSServiceRoleForCloudFormationStackSetsOrgAdmin, once stack sets are \
                   deactivated"
                .to_owned(),
            // CloudFormation creates it when stack sets are activated.
            exists: is_enabled(),
        },
    ]
}

fn of_cloudtrail(found: &Observed) -> Vec<Candidate<'_>> {
    let administrators = &found.delegated_administrators;
    let accounts = administrators.present().map(|found| &found.accounts);
    let mut all: Vec<Candidate<'_>> = Vec::new();
    for account in accounts.into_iter().flatten() {
        all.push(Candidate {
            id: "delegated-administrators",
            name: account.to_string(),
            why: "it may administer other trails, or event data stores of CloudTrail Lake",
            undo: format!(
                "aws cloudtrail deregister-organization-delegated-admin \
                 --delegated-admin-account-id {account}"
            ),
            exists: Ok(true),
        });
    }
    if let Observation::Unreadable(error) = administrators {
        all.push(Candidate {
            id: "delegated-administrators",
            name: CLOUDTRAIL.to_owned(),
            why: "they may administer other trails, or event data stores of CloudTrail Lake",
            undo: "aws cloudtrail deregister-organization-delegated-admin \
                   --delegated-admin-account-id ACCOUNT"
                .to_owned(),
            exists: Err(error),
        });
    }
    all.push(Candidate {
        id: "trusted-access",
        name: CLOUDTRAIL.to_owned(),
        why: "other organization trails and CloudTrail Lake need it",
        undo: format!(
            "aws organizations disable-aws-service-access --service-principal {CLOUDTRAIL}"
        ),
        exists: exists(&found.trusted_access, |_| true),
    });
    all.push(Candidate {
        id: "service-linked-role",
        name: "AWSServiceRoleForCloudTrail".to_owned(),
        why: "other organization trails and CloudTrail Lake need it",
        undo: "aws iam delete-service-linked-role --role-name AWSServiceRoleForCloudTrail"
            .to_owned(),
        exists: exists(&found.service_linked_role, |_| true),
    });
    all
}
