//! Simulating what a user or role may do.
//!
//! Source: IAM API Reference, `SimulatePrincipalPolicy`; IAM User Guide, "IAM policy testing
//! with the IAM policy simulator".

use serde_json::{Value, json};

use super::{Call, Control, Reply, number, page, text};
use crate::api::ApiError;
use crate::auth::{Caller, Identity};
use crate::policy::Request;
use crate::services::input::{list, texts};

/// The members of the operation that the sandbox does not have.
const UNSUPPORTED: [&str; 5] = [
    "CallerArn",
    "PermissionsBoundaryPolicyInputList",
    "PolicyInputList",
    "ResourceHandlingOption",
    "ResourcePolicy",
];

pub(super) fn principal(control: &Control, call: &Call<'_>) -> Reply {
    let arn = call.required("PolicySourceArn")?;
    call.allow(control, arn)?;
    if let Some(member) = UNSUPPORTED.iter().find(|member| call.input.get(**member).is_some()) {
        return Err(ApiError::validation(format!("the sandbox does not support {member}")));
    }
    let actions = texts(call.input, "ActionNames");
    if actions.is_empty() {
        return Err(invalid("ActionNames must have at least one member."));
    }
    if let Some(action) = actions.iter().find(|action| !is_action(action)) {
        return Err(invalid(&format!("Invalid action name: {action}")));
    }
    let mut resources = texts(call.input, "ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    if let Some(resource) = resources.iter().find(|it| *it != "*" && !it.starts_with("arn:")) {
        return Err(invalid(&format!("Invalid ARN: {resource}")));
    }
    let subject = subject(control, call, arn)?;
    let context = context(call)?;
    let context: Vec<(&str, String)> =
        context.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            let request = Request {
                context: &context,
                ..Request::over_tls(action, resource, &subject.account, call.region)
            };
            results.push(result(control, &subject, &request));
        }
    }
    let results = results.into_iter().enumerate();
    let results = results.map(|(at, result)| (format!("{at:08}"), result));
    let limit = number(call.input, "MaxItems").unwrap_or(100).clamp(1, 1000);
    let limit = usize::try_from(limit).unwrap_or(100);
    let (results, next) = page(results, text(call.input, "Marker"), limit)
        .ok_or_else(|| ApiError::validation("Invalid Marker."))?;
    Ok(json!({ "EvaluationResults": results, "IsTruncated": next.is_some(), "Marker": next }))
}

fn result(control: &Control, subject: &Caller, request: &Request<'_>) -> Value {
    let denial = control.simulate(subject, request).err();
    let decision = match &denial {
        None => "allowed",
        Some(denial) if denial.explicit => "explicitDeny",
        Some(_) => "implicitDeny",
    };
    let of_organization = |message: &str| message.contains("service control policy");
    let is_permitted = !denial.as_ref().is_some_and(|it| of_organization(&it.message));
    json!({
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision,
        "MatchedStatements": [],
        "MissingContextValues": [],
        "OrganizationsDecisionDetail": { "AllowedByOrganizations": is_permitted },
    })
}

/// The user or role of the caller's account whose policies are simulated.
fn subject(control: &Control, call: &Call<'_>, arn: &str) -> Result<Caller, ApiError> {
    let own = |identity| Caller {
        identity,
        mfa_at: None,
        temporary: true,
        session_policy: None,
        ..call.caller.clone()
    };
    let missing = || super::no_such("entity", arn);
    let user = arn.split_once(":user/").map(|(_, name)| name);
    if let Some(name) = user {
        let state = super::iam(control, call)?;
        let is_there = state.has_principal(&format!("user/{name}"));
        return is_there
            .then(|| own(Identity::User(name.to_owned())))
            .ok_or_else(|| super::no_such("user", name));
    }
    if !arn.contains(":role/") {
        return Err(invalid(&format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        )));
    }
    let (account, name, _) = control.role(arn).ok_or_else(missing)?;
    if account != call.caller.account {
        return Err(missing());
    }
    let session = "simulation".to_owned();
    Ok(own(Identity::AssumedRole { role: name.to_owned(), session }))
}

/// The condition keys that the call gives, a pair for each value.
fn context(call: &Call<'_>) -> Result<Vec<(String, String)>, ApiError> {
    let mut pairs = Vec::new();
    for entry in list(call.input, "ContextEntries") {
        let key = text(entry, "ContextKeyName");
        let kind = text(entry, "ContextKeyType");
        let (Some(key), Some(_)) = (key, kind) else {
            return Err(invalid("A context entry needs ContextKeyName and ContextKeyType."));
        };
        let values = texts(entry, "ContextKeyValues");
        pairs.extend(values.into_iter().map(|value| (key.to_owned(), value)));
    }
    Ok(pairs)
}

fn is_action(name: &str) -> bool {
    name.split_once(':').is_some_and(|(service, operation)| {
        !service.is_empty() && !operation.is_empty() && !operation.contains(':')
    })
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidInput", message)
}
