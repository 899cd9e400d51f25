//! The organization's accounts.

use orgtrail_base::names::AccountId;
use serde_json::{Value, json};

use super::{
    Call, Control, Creation, Organization, Reply, invalid, listed, membership, of, required, shape,
};
use crate::api::ApiError;
use crate::auth::Identity;
use crate::bootstrap::{ACCESS_ROLE, access_role, add_key, new_account};
use crate::services::input::{seconds, text, texts};
use crate::simulation::{LOWER, Simulation};

pub(super) fn call(organization: &mut Organization, call: &Call<'_>) -> Option<Reply> {
    Some(match call.operation {
        "ListAccounts" => {
            let partition = call.caller.partition;
            let accounts = organization.members.keys();
            let accounts =
                accounts.map(|id| (id.to_string(), shape::account(partition, organization, id)));
            listed(call, "Accounts", accounts)
        }
        "DescribeAccount" => member(organization, call).map(
            |id| json!({ "Account": shape::account(call.caller.partition, organization, &id) }),
        ),

        "DescribeCreateAccountStatus" => {
            let id = call.required("CreateAccountRequestId").unwrap_or_default();
            match organization.creations.get(id) {
                Some(creation) => Ok(json!({ "CreateAccountStatus": status(id, creation) })),
                None => Err(ApiError::new(
                    "CreateAccountStatusNotFoundException",
                    "We can't find a create account request with that ID.",
                )),
            }
        }
        "ListCreateAccountStatus" => {
            let states = texts(call.input, "States");
            let is_wanted =
                |it: &Creation| states.is_empty() || states.iter().any(|s| s == state(it));
            let creations = organization.creations.iter().filter(|(_, it)| is_wanted(it));
            let statuses = creations.map(|(id, creation)| (id.clone(), status(id, creation)));
            listed(call, "CreateAccountStatuses", statuses)
        }
        _ => return None,
    })
}

/// The account that a call names.
pub(super) fn member(organization: &Organization, call: &Call<'_>) -> Result<AccountId, ApiError> {
    let id: AccountId = required(call, "AccountId")?.parse().map_err(|_| {
        invalid("You provided a value for AccountId that does not match the required pattern.")
    })?;
    if organization.members.contains_key(&id) {
        Ok(id)
    } else {
        Err(ApiError::new(
            "AccountNotFoundException",
            "You specified an account that doesn't exist.",
        ))
    }
}

fn status(id: &str, creation: &Creation) -> Value {
    json!({
        "Id": id,
        "AccountName": creation.name,
        "AccountId": creation.account,
        "State": state(creation),
        "FailureReason": creation.failure,
        "RequestedTimestamp": seconds(creation.at),
        "CompletedTimestamp": seconds(creation.at),
    })
}

fn state(creation: &Creation) -> &'static str {
    if creation.failure.is_some() { "FAILED" } else { "SUCCEEDED" }
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = required(call, "AccountName")?;
    let email = required(call, "Email")?;
    if !email.contains('@') {
        return Err(invalid("You provided an invalid email address."));
    }
    let role_name = text(call.input, "RoleName").unwrap_or(ACCESS_ROLE).to_owned();
    let organization = of(control)?;
    let now = call.now;
    let request = format!("car-{}", call.simulation.random_text(LOWER, 32));
    let creation = |account, failure| Creation { account, name: name.to_owned(), at: now, failure };
    if organization.members.values().any(|member| member.email == email) {
        let failed = creation(None, Some("EMAIL_ALREADY_EXISTS".to_owned()));
        return begun(control, call, &request, failed);
    }
    let failed = || ApiError::new("ServiceException", "the sandbox could not create an account id");
    let mut random = fastrand::Rng::with_seed(call.simulation.random_number());
    let management = organization.management_account.clone();
    let id = new_id(control, &mut random).ok_or_else(failed)?;
    let partition = call.caller.partition;
    let mut account = new_account(partition, &id, now, &mut random);
    let role = access_role(partition, &management, now, &mut random).map_err(|_| failed())?;
    account.iam.roles.insert(role_name, role);
    control.accounts.insert(id.clone(), account);
    membership::join(control, call.simulation, now, &id, name, email, true)?;
    begun(control, call, &request, creation(Some(id), None))
}

/// An id that no account has.
fn new_id(control: &Control, random: &mut fastrand::Rng) -> Option<AccountId> {
    loop {
        let id: AccountId = format!("4{:011}", random.u64(..100_000_000_000)).parse().ok()?;
        if !control.accounts.contains_key(&id) {
            return Some(id);
        }
    }
}

/// Stores a request, whose result is an event too, and answers that it has begun: creating an
/// account takes AWS some minutes, and the caller asks again.
fn begun(control: &mut Control, call: &Call<'_>, request: &str, creation: Creation) -> Reply {
    let mut result = json!({
        "id": request,
        "state": state(&creation),
        "accountName": "****",
        "requestedTimestamp": creation.at.strftime("%b %-d, %Y %-I:%M:%S %p").to_string(),
        "completedTimestamp": creation.at.strftime("%b %-d, %Y %-I:%M:%S %p").to_string(),
    });
    match (&creation.account, &creation.failure) {
        (Some(account), _) => result["accountId"] = json!(account),
        (None, failure) => result["failureReason"] = json!(failure),
    }
    let details = json!({ "createAccountStatus": result });
    membership::service_event(control, call.simulation, call.now, "CreateAccountResult", details);
    let mut answer = status(request, &creation);
    answer["State"] = json!("IN_PROGRESS");
    for member in ["AccountId", "CompletedTimestamp", "FailureReason"] {
        answer[member] = Value::Null;
    }
    of(control)?.creations.insert(request.to_owned(), creation);
    Ok(json!({ "CreateAccountStatus": answer }))
}

/// An account of no organization; its id.
pub(crate) fn standalone(control: &mut Control, simulation: &Simulation) -> Option<AccountId> {
    let mut random = fastrand::Rng::with_seed(simulation.random_number());
    let id = new_id(control, &mut random)?;
    let now = simulation.clock.now();
    let account = new_account(simulation.partition, &id, now, &mut random);
    add_key(control, &id, Identity::Root, now, &mut random);
    control.accounts.insert(id.clone(), account);
    Some(id)
}
