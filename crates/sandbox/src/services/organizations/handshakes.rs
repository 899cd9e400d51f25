//! Invitations of accounts that exist.
//!
//! Source: Organizations API Reference, `InviteAccountToOrganization` and `Handshake`.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::membership::{account_id, handshake_violation, join};
use super::{Call, Control, Organization, Reply, invalid, listed, of, required};
use crate::api::ApiError;
use crate::services::input::{seconds, text};
use crate::simulation::LOWER;

/// How long an invitation is open.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(15 * 24);

/// An invitation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Handshake {
    account: AccountId,
    notes: Option<String>,
    requested_at: Timestamp,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Open,
    Accepted,
    Declined,
    Canceled,
}

impl Handshake {
    /// Its state in AWS's spelling, at a time.
    fn state(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Open if now >= self.requested_at + OPEN_FOR => "EXPIRED",
            State::Open => "OPEN",
            State::Accepted => "ACCEPTED",
            State::Declined => "DECLINED",
            State::Canceled => "CANCELED",
        }
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.state(now) == "OPEN"
    }

    fn described(&self, id: &str, call: &Call<'_>, organization: &Organization) -> Value {
        let management = &organization.management_account;
        let resource = format!("handshake/{}/invite/{id}", organization.id);
        let arn = Arn::global(call.caller.partition, "organizations", management, resource);
        let of_organization = organization.id.as_str().trim_start_matches("o-");
        let mut resources = vec![
            json!({ "Type": "ORGANIZATION", "Value": organization.id, "Resources": [
                { "Type": "MASTER_EMAIL",
                  "Value": organization.members.get(management).map(|it| &it.email) },
                { "Type": "ORGANIZATION_FEATURE_SET",
                  "Value": if organization.all_features { "ALL" } else { "CONSOLIDATED_BILLING" } },
            ] }),
            json!({ "Type": "ACCOUNT", "Value": self.account }),
        ];
        resources.extend(self.notes.as_ref().map(|it| json!({ "Type": "NOTES", "Value": it })));
        json!({
            "Id": id,
            "Arn": arn,
            "Parties": [
                { "Id": of_organization, "Type": "ORGANIZATION" },
                { "Id": self.account, "Type": "ACCOUNT" },
            ],
            "State": self.state(call.now),
            "RequestedTimestamp": seconds(self.requested_at),
            "ExpirationTimestamp": seconds(self.requested_at + OPEN_FOR),
            "Action": "INVITE",
            "Resources": resources,
        })
    }
}

/// What the invited account calls, which is no member yet.
pub(super) fn of_invited(control: &mut Control, call: &Call<'_>) -> Option<Reply> {
    Some(match call.operation {
        "AcceptHandshake" => accept(control, call),
        "DeclineHandshake" => end(control, call, State::Declined),
        "ListHandshakesForAccount" => of(control).and_then(|organization| {
            let own = |it: &Handshake| it.account == call.caller.account;
            list(organization, call, own)
        }),
        "DescribeHandshake" => of(control).and_then(|organization| {
            let id = required(call, "HandshakeId")?;
            let found = organization.handshakes.get(id).filter(|it| {
                let caller = &call.caller.account;
                it.account == *caller || organization.management_account == *caller
            });
            let found = found.ok_or_else(not_found)?;
            Ok(json!({ "Handshake": found.described(id, call, organization) }))
        }),
        _ => return None,
    })
}

/// What the management account calls.
pub(super) fn of_management(control: &mut Control, call: &Call<'_>) -> Option<Reply> {
    Some(match call.operation {
        "InviteAccountToOrganization" => invite(control, call),
        "CancelHandshake" => end(control, call, State::Canceled),
        "ListHandshakesForOrganization" => {
            of(control).and_then(|organization| list(organization, call, |_| true))
        }
        _ => return None,
    })
}

fn list(
    organization: &Organization,
    call: &Call<'_>,
    is_listed: impl Fn(&Handshake) -> bool,
) -> Reply {
    let action = call.input.get("Filter").and_then(|filter| text(filter, "ActionType"));
    let none = action.is_some_and(|action| action != "INVITE");
    let found = organization.handshakes.iter().filter(|(_, it)| !none && is_listed(it));
    let found = found.map(|(id, it)| (id.clone(), it.described(id, call, organization)));
    listed(call, "Handshakes", found)
}

fn invite(control: &mut Control, call: &Call<'_>) -> Reply {
    let target = call.input.get("Target").ok_or_else(|| invalid("You must specify Target."))?;
    let id = text(target, "Id").ok_or_else(|| invalid("You must specify the Id of Target."))?;
    match text(target, "Type") {
        Some("ACCOUNT") => {}
        Some("EMAIL") => return Err(invalid("the sandbox invites accounts by their id only")),
        _ => return Err(invalid("The Type of Target must be ACCOUNT or EMAIL.")),
    }
    let account = account_id(id)?;
    if !control.accounts.contains_key(&account) {
        return Err(invalid("You provided an account that does not exist."));
    }
    let organization = of(control)?;
    if organization.members.contains_key(&account) {
        return Err(handshake_violation(
            "ALREADY_IN_AN_ORGANIZATION",
            "The account is already a member of an organization",
        ));
    }
    let open = |it: &Handshake| it.account == account && it.is_open(call.now);
    if organization.handshakes.values().any(open) {
        return Err(ApiError::new(
            "DuplicateHandshakeException",
            "A handshake with the same action and target already exists.",
        ));
    }
    let id = format!("h-{}", call.simulation.random_text(LOWER, 12));
    let notes = text(call.input, "Notes").map(str::to_owned);
    let handshake = Handshake { account, notes, requested_at: call.now, state: State::Open };
    let answer = handshake.described(&id, call, organization);
    organization.handshakes.insert(id, handshake);
    Ok(json!({ "Handshake": answer }))
}

/// The open invitation that a call names, if its caller may end it.
fn open<'a>(
    organization: &'a mut Organization,
    call: &Call<'_>,
    by: State,
) -> Result<&'a mut Handshake, ApiError> {
    let id = required(call, "HandshakeId")?;
    let caller = &call.caller.account;
    let is_management = organization.management_account == *caller;
    let found = organization.handshakes.get_mut(id).ok_or_else(not_found)?;
    let may = if by == State::Canceled { is_management } else { found.account == *caller };
    if !may {
        return Err(ApiError::access_denied("You don't have permissions to access this resource."));
    }
    match found.state(call.now) {
        "OPEN" => Ok(found),
        state if found.state == by => Err(ApiError::new(
            "HandshakeAlreadyInStateException",
            format!("The handshake is already in state {state}."),
        )),
        state => Err(ApiError::new(
            "InvalidHandshakeTransitionException",
            format!("You can't perform the operation on a handshake in state {state}."),
        )),
    }
}

fn accept(control: &mut Control, call: &Call<'_>) -> Reply {
    let account = call.caller.account.clone();
    let organization = of(control)?;
    open(organization, call, State::Accepted)?;
    if organization.members.contains_key(&account) {
        return Err(handshake_violation(
            "ALREADY_IN_AN_ORGANIZATION",
            "The account is already a member of an organization",
        ));
    }
    open(organization, call, State::Accepted)?.state = State::Accepted;
    let number = account.as_str();
    let (name, email) = (format!("account-{number}"), format!("{number}@example.com"));
    join(control, call.simulation, call.now, &account, &name, &email, false)?;
    described(of(control)?, call)
}

fn end(control: &mut Control, call: &Call<'_>, state: State) -> Reply {
    let organization = of(control)?;
    open(organization, call, state)?.state = state;
    described(organization, call)
}

fn described(organization: &Organization, call: &Call<'_>) -> Reply {
    let id = required(call, "HandshakeId")?;
    let found = organization.handshakes.get(id).ok_or_else(not_found)?;
    Ok(json!({ "Handshake": found.described(id, call, organization) }))
}

fn not_found() -> ApiError {
    ApiError::new("HandshakeNotFoundException", "We can't find a handshake with that ID.")
}
