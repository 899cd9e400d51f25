//! Accounts that join and leave the organization: the one place where its membership
//! changes, and where everything that depends on it is informed.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, UnitId};
use serde_json::{Value, json};

use super::{Call, Control, Member, Reply, accounts, invalid, not_in_use, of};
use crate::api::ApiError;
use crate::services::cloudformation;
use crate::simulation::Simulation;
use crate::simulator;

/// How long CloudTrail takes to create the organization's trails in an account that joins.
const TRAIL_DELAY: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// How long an account that was created stays at least.
///
/// Source: Organizations API Reference, `ConstraintViolationException`, `WAIT_PERIOD_ACTIVE`.
const CREATED_STAYS: jiff::SignedDuration = jiff::SignedDuration::from_hours(4 * 24);

/// What changed about an account's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MembershipChange {
    /// It joined: it was created here, or accepted an invitation.
    Joined {
        /// Whether it was created rather than invited.
        created: bool,
    },
    /// It left, or the management account removed it.
    Departed {
        /// Whether the management account removed it.
        removed: bool,
    },
    /// It is in another unit than before.
    Moved,
    /// It was closed, and is still a member.
    Closed,
}

/// Makes an account, which [`Control`] knows already, a member in the root.
pub(crate) fn join(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    account: &AccountId,
    name: &str,
    email: &str,
    created: bool,
) -> Result<(), ApiError> {
    let organization = of(control)?;
    organization.attachments.insert(account.to_string(), organization.first_policies());
    organization.members.insert(
        account.clone(),
        Member {
            name: name.to_owned(),
            email: email.to_owned(),
            parent: organization.root.clone(),
            joined_at: now,
            created,
            suspended: false,
            trails_from: Some(now + TRAIL_DELAY),
            closed_at: None,
        },
    );
    announce(control, simulation, now, account, &MembershipChange::Joined { created });
    Ok(())
}

/// Takes an account out of the organization.
fn depart(control: &mut Control, call: &Call<'_>, account: &AccountId, removed: bool) -> Reply {
    may_depart(control, call, account)?;
    if !removed {
        // While the organization's trail still records the account.
        simulator::record(control, call, &Ok(json!({})));
    }
    // What it did as a member is recorded.
    simulator::leave(call.simulation, control, account);
    // Its stacks are deleted while the organization's services may still work in it.
    cloudformation::account_left(control, call.simulation, call.now, account);
    let organization = of(control)?;
    organization.members.remove(account);
    organization.attachments.remove(account.as_str());
    organization.tags.remove(account.as_str());
    let change = MembershipChange::Departed { removed };
    announce(control, call.simulation, call.now, account, &change);
    Ok(json!({}))
}

/// Source: Organizations API Reference, `RemoveAccountFromOrganization` and
/// `LeaveOrganization`.
fn may_depart(control: &mut Control, call: &Call<'_>, account: &AccountId) -> Result<(), ApiError> {
    let organization = of(control)?;
    if *account == organization.management_account {
        return Err(ApiError::new(
            "MasterCannotLeaveOrganizationException",
            "You can't remove a management account from an organization.",
        ));
    }
    let refuse = |message: &str| Err(ApiError::new("ConstraintViolationException", message));
    if organization.delegated.get(account).is_some_and(|services| !services.is_empty()) {
        return refuse(
            "You can't remove an account that is a delegated administrator: \
             CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
        );
    }
    let created = organization.creations.values().find(|it| it.account.as_ref() == Some(account));
    if created.is_some_and(|it| call.now < it.at + CREATED_STAYS) {
        return refuse(
            "You must wait at least four days after the account was created before you can \
             remove it from the organization: WAIT_PERIOD_ACTIVE",
        );
    }
    Ok(())
}

/// `RemoveAccountFromOrganization`
pub(super) fn remove(control: &mut Control, call: &Call<'_>) -> Reply {
    let account = accounts::member(of(control)?, call)?;
    depart(control, call, &account, true)
}

/// `LeaveOrganization`, by the member itself.
pub(super) fn leave(control: &mut Control, call: &Call<'_>) -> Reply {
    if !of(control)?.members.contains_key(&call.caller.account) {
        return Err(not_in_use());
    }
    depart(control, call, &call.caller.account, false)
}

/// `CloseAccount`
pub(super) fn close(control: &mut Control, call: &Call<'_>) -> Reply {
    const PERIOD: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);
    let organization = of(control)?;
    let account = accounts::member(organization, call)?;
    let refuse = |message: &str| Err(ApiError::new("ConstraintViolationException", message));
    if account == organization.management_account {
        return refuse("You cannot close the management account of an organization.");
    }
    if organization.delegated.get(&account).is_some_and(|services| !services.is_empty()) {
        return refuse(
            "You cannot close an account that is a delegated administrator: \
             CANNOT_CLOSE_DELEGATED_ADMINISTRATOR",
        );
    }
    if organization.is_suspended(&account) {
        return Err(ApiError::new(
            "AccountAlreadyClosedException",
            "You attempted to close an account that is already closed.",
        ));
    }
    let members = organization.members.values();
    let recent = members.filter(|it| it.closed_at.is_some_and(|at| at + PERIOD > call.now)).count();
    // A tenth of the members within 30 days, from 10 to 1000.
    if recent >= (organization.members.len() / 10).clamp(10, 1000) {
        return refuse(
            "You have exceeded the close account quota for the past 30 days: \
             CLOSE_ACCOUNT_QUOTA_EXCEEDED",
        );
    }
    simulator::leave(call.simulation, control, &account);
    if let Some(member) = of(control)?.members.get_mut(&account) {
        member.suspended = true;
        member.closed_at = Some(call.now);
    }
    announce(control, call.simulation, call.now, &account, &MembershipChange::Closed);
    Ok(json!({}))
}

/// `MoveAccount`
pub(super) fn relocate(control: &mut Control, call: &Call<'_>) -> Reply {
    let organization = of(control)?;
    let account = accounts::member(organization, call)?;
    let parent = |name: &str| super::tree::parent(organization, call, name);
    let source: UnitId =
        parent("SourceParentId").map_err(|e| renamed(e, "SourceParentNotFoundException"))?;
    let destination = parent("DestinationParentId")
        .map_err(|e| renamed(e, "DestinationParentNotFoundException"))?;
    if organization.members.get(&account).is_some_and(|member| member.parent != source) {
        return Err(ApiError::new(
            "AccountNotFoundException",
            "You specified an account that is not in the source parent.",
        ));
    }
    if source == destination {
        return Err(ApiError::new(
            "DuplicateAccountException",
            "The account is already in the destination parent.",
        ));
    }
    if let Some(member) = of(control)?.members.get_mut(&account) {
        member.parent = destination;
    }
    announce(control, call.simulation, call.now, &account, &MembershipChange::Moved);
    Ok(json!({}))
}

fn renamed(mut error: ApiError, code: &'static str) -> ApiError {
    if error.code == "ParentNotFoundException" {
        error.code = code.into();
    }
    error
}

/// Informs everything that depends on the membership, after it changed.
///
/// INVARIANT: every change of the membership is announced here, once. What follows an account
/// automatically, such as stack sets with auto-deployment, begins here.
fn announce(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    account: &AccountId,
    change: &MembershipChange,
) {
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // Source: Organizations API Reference, `CreateAccount`, `AcceptHandshake`,
    // `RemoveAccountFromOrganization`: only in the management account.
    let event = match change {
        MembershipChange::Joined { created } => {
            let method = if *created { "Created" } else { "Invited" };
            Some((
                "AccountJoinedOrganization",
                json!({
                    "joinedMethod": method, "joinedTime": time,
                }),
            ))
        }
        MembershipChange::Departed { removed } => {
            let method = if *removed { "Removed" } else { "Left" };
            Some((
                "AccountDepartedOrganization",
                json!({
                    "departedMethod": method, "departedTime": time,
                }),
            ))
        }
        // The calls themselves are the events.
        MembershipChange::Moved | MembershipChange::Closed => None,
    };
    match change {
        MembershipChange::Joined { .. } => {
            cloudformation::account_joined(control, simulation, now, account);
        }
        MembershipChange::Moved => {
            cloudformation::account_moved(control, simulation, now, account);
        }
        MembershipChange::Departed { .. } | MembershipChange::Closed => {}
    }
    if let Some((name, mut details)) = event {
        let management = control.organization.as_ref().map(|it| &it.management_account);
        details["managementAccountId"] = json!(management);
        details["memberAccountId"] = json!(account);
        service_event(control, simulation, now, name, details);
    }
}

/// Records an event of Organizations itself in the management account.
pub(super) fn service_event(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    name: &str,
    details: Value,
) {
    let Some(organization) = &control.organization else { return };
    let management = organization.management_account.clone();
    simulator::record_service_event(control, simulation, now, &management, name, details);
}

/// Why an account cannot be invited.
pub(super) fn handshake_violation(reason: &str, message: &str) -> ApiError {
    ApiError::new("HandshakeConstraintViolationException", format!("{message}: {reason}"))
}

/// An account id in a call.
pub(super) fn account_id(text: &str) -> Result<AccountId, ApiError> {
    text.parse().map_err(|_| {
        invalid("You provided a value for AccountId that does not match the required pattern.")
    })
}
