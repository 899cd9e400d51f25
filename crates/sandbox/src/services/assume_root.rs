//! Centralized root access: sessions of members' root users for one task.
//!
//! Source: STS API Reference, `AssumeRoot`; IAM User Guide, "Perform a privileged task on an
//! AWS Organizations member account".

use orgtrail_base::names::{AccountId, Arn};
use serde_json::json;

use super::iam::ROOT_SESSIONS;
use super::input::{number, text};
use super::sts::{Session, issue};
use super::{ApiError, Call, Control, Reply};
use crate::auth::Identity;
use crate::policy::managed;

/// No session is longer.
const MAX_SECONDS: i64 = 900;

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    let target = call.required("TargetPrincipal")?;
    let account = target.parse::<AccountId>().ok();
    let account = account.or_else(|| {
        let arn: Arn = target.parse().ok()?;
        arn.account.filter(|_| &*arn.resource == "root")
    });
    let account = account.ok_or_else(|| {
        ApiError::validation(format!("{target} is not a member's account or root"))
    })?;
    let task = call.input.get("TaskPolicyArn").and_then(|it| text(it, "arn"));
    let task = task.ok_or_else(|| super::input::missing("taskPolicyArn"))?;
    let name = task.split_once(":policy/").map_or("", |(_, name)| name);
    let policy = managed().get(name).filter(|_| name.starts_with("root-task/"));
    let policy = policy
        .ok_or_else(|| ApiError::validation(format!("{task} is not a policy of a root task")))?
        .clone();
    let root = Arn::global(call.caller.partition, "iam", &account, "root").to_string();
    let denied = || {
        ApiError::access_denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRoot on resource: {root}",
            call.caller.arn()
        ))
    };
    if call.caller.identity == Identity::Root {
        return Err(denied());
    }
    call.allow_action(control, "sts:AssumeRoot", &root, &[("sts:TaskPolicyArn", task.to_owned())])?;
    let caller = &call.caller.account;
    let is_possible = control.organization.as_ref().is_some_and(|organization| {
        let services = organization.delegated.get(caller);
        let is_administrator = organization.management_account == *caller
            || services.is_some_and(|it| it.contains_key("iam.amazonaws.com"));
        is_administrator
            && organization.root_features.contains(ROOT_SESSIONS)
            && organization.management_account != account
            && organization.members.contains_key(&account)
    });
    if !is_possible || control.is_suspended(&account) {
        return Err(denied());
    }
    let wanted = number(call.input, "DurationSeconds").unwrap_or(MAX_SECONDS);
    if !(0..=MAX_SECONDS).contains(&wanted) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{wanted}' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to {MAX_SECONDS}"
        )));
    }
    let session = Session {
        account,
        identity: Identity::Root,
        duration: jiff::SignedDuration::from_secs(wanted),
        mfa_at: None,
        policy: Some(policy),
        source_identity: None,
    };
    Ok(json!({
        "Credentials": issue(control, call, session),
        "SourceIdentity": null,
    }))
}
