//! The organization's accounts.

use orgtrail_base::names::AccountId;
use serde_json::{Value, json};

use super::{
    Call, Control, Creation, Member, Organization, Reply, invalid, listed, of, required, shape,
};
use crate::api::ApiError;
use crate::bootstrap::{ACCESS_ROLE, access_role, new_account};
use crate::services::cloudformation;
use crate::services::input::{seconds, text};
use crate::simulation::LOWER;

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
            let creations = organization.creations.iter();
            let statuses = creations.map(|(id, creation)| (id.clone(), status(id, creation)));
            listed(call, "CreateAccountStatuses", statuses)
        }
        "CloseAccount" => close(organization, call),
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
        "State": "SUCCEEDED",
        "RequestedTimestamp": seconds(creation.at),
        "CompletedTimestamp": seconds(creation.at),
    })
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = required(call, "AccountName")?;
    let email = required(call, "Email")?;
    if !email.contains('@') {
        return Err(invalid("You provided an invalid email address."));
    }
    let role_name = text(call.input, "RoleName").unwrap_or(ACCESS_ROLE).to_owned();
    let organization = of(control)?;
    super::check_finalized(organization, call.now)?;
    if organization.members.values().any(|member| member.email == email) {
        return Err(ApiError::new(
            "FinalizingOrganizationException",
            "An account with that email address already exists.",
        ));
    }
    let now = call.now;
    let failed = || ApiError::new("ServiceException", "the sandbox could not create an account id");
    let mut random = fastrand::Rng::with_seed(call.simulation.random_number());
    let id: AccountId = loop {
        let id: AccountId =
            format!("4{:011}", random.u64(..100_000_000_000)).parse().map_err(|_| failed())?;
        if !organization.members.contains_key(&id) {
            break id;
        }
    };
    let partition = call.caller.partition;
    let mut account = new_account(partition, &id, now, &mut random);
    let role = access_role(partition, &organization.management_account, now, &mut random)
        .map_err(|_| failed())?;
    account.iam.roles.insert(role_name, role);
    let request = format!("car-{}", call.simulation.random_text(LOWER, 32));
    organization.attachments.insert(id.to_string(), organization.first_policies());
    organization.members.insert(
        id.clone(),
        Member {
            name: name.to_owned(),
            email: email.to_owned(),
            parent: organization.root.clone(),
            joined_at: now,
            created: true,
            suspended: false,
        },
    );
    let creation = Creation { account: id.clone(), name: name.to_owned(), at: now };
    let mut answer = status(&request, &creation);
    // Making an account takes AWS some minutes: the caller is to ask again.
    answer["State"] = json!("IN_PROGRESS");
    answer["AccountId"] = Value::Null;
    answer["CompletedTimestamp"] = Value::Null;
    organization.creations.insert(request, creation);
    control.accounts.insert(id.clone(), account);
    cloudformation::account_joined(control, call.simulation, now, &id);
    Ok(json!({ "CreateAccountStatus": answer }))
}

fn close(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = member(organization, call)?;
    if id == organization.management_account {
        return Err(ApiError::new(
            "ConstraintViolationException",
            "You cannot close the management account of an organization.",
        ));
    }
    match organization.members.get_mut(&id) {
        Some(member) if member.suspended => Err(ApiError::new(
            "AccountAlreadyClosedException",
            "You attempted to close an account that is already closed.",
        )),
        Some(member) => {
            member.suspended = true;
            Ok(json!({}))
        }
        None => Ok(json!({})),
    }
}

/// The account that a call removes.
pub(super) fn removable(
    organization: &Organization,
    call: &Call<'_>,
) -> Result<AccountId, ApiError> {
    let id = member(organization, call)?;
    if id == organization.management_account {
        return Err(ApiError::new(
            "MasterCannotLeaveOrganizationException",
            "You can't remove a management account from an organization.",
        ));
    }
    Ok(id)
}

/// Takes an account out of the organization.
pub(super) fn remove(organization: &mut Organization, id: &AccountId) {
    organization.members.remove(id);
    organization.attachments.remove(id.as_str());
    organization.delegated.remove(id);
}
