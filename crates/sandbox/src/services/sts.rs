//! AWS Security Token Service.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::AccountId;
use serde_json::{Value, json};

use super::iam::{Holder, bare};
use super::input::{number, seconds, text};
use super::{Call, Control, Reply, unknown_operation};
use crate::api::ApiError;
use crate::auth::{Caller, Identity};
use crate::clock::real_now;
use crate::policy::{Document, PolicyType, Request};
use crate::simulation::{ALPHANUMERIC, AccessKey, BASE32};
use crate::totp;

/// No session is shorter.
const MIN_SECONDS: i64 = 900;
/// Sessions of sessions are no longer, whatever the role allows.
const MAX_CHAINED_SECONDS: i64 = 3600;
/// Expired credentials are kept to distinguish them from unknown ones, up to this many.
const MAX_KEYS: usize = 50_000;

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        // No policy can deny it.
        "GetCallerIdentity" => Ok(json!({
            "Account": call.caller.account,
            "Arn": call.caller.arn(),
            "UserId": control.user_id(call.caller),
        })),
        "AssumeRole" => assume_role(control, call),
        "AssumeRoot" => super::assume_root::call(control, call),
        "GetSessionToken" => session_token(control, call),
        "GetAccessKeyInfo" => {
            let id = call.required("AccessKeyId")?;
            match control.access_keys.get(id) {
                Some(key) => Ok(json!({ "Account": key.account })),
                None => Err(ApiError::validation(format!("Invalid Access Key Id: {id}"))),
            }
        }
        _ => Err(unknown_operation(call)),
    }
}

fn assume_role(control: &mut Control, call: &Call<'_>) -> Reply {
    let arn = call.required("RoleArn")?;
    let session = call.required("RoleSessionName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(allowed) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    if call.input.get("PolicyArns").is_some() {
        return Err(ApiError::validation("the sandbox supports session policies only as Policy"));
    }
    let denied = || {
        ApiError::access_denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            call.caller.arn()
        ))
    };
    if call.caller.identity == Identity::Root {
        return Err(ApiError::access_denied("Roles may not be assumed by root accounts."));
    }
    let (account, path_and_name, role) = control.role(arn).ok_or_else(denied)?;
    if control.is_suspended(&account) || !call.simulation.faults.is_propagated(arn, call.now) {
        return Err(denied());
    }
    let proven = check_mfa(control, call)?;
    let mut context = vec![("sts:RoleSessionName", session.to_owned())];
    if let Some(external_id) = text(call.input, "ExternalId") {
        context.push(("sts:ExternalId", external_id.to_owned()));
    }
    if proven.is_some() {
        context.push(("aws:MultiFactorAuthPresent", "true".to_owned()));
        context.push(("aws:MultiFactorAuthAge", "0".to_owned()));
    }
    let request = Request {
        action: "sts:AssumeRole",
        resource: arn,
        resource_account: &account,
        region: call.region,
        resource_policy: Some(role.trust.evaluator()),
        context: &context,
        secure_transport: call.secure_transport,
    };
    control.decide(Some(call.caller), &request).map_err(|denial| {
        // STS does not report to strangers what a trust policy lacks.
        if denial.explicit { denial.into() } else { denied() }
    })?;
    let source_identity = source_identity(call)?;
    if let Some(source) = &source_identity {
        let mut context = context.clone();
        context.push(("sts:SourceIdentity", source.clone()));
        let request = Request { action: "sts:SetSourceIdentity", context: &context, ..request };
        control.decide(Some(call.caller), &request).map_err(|_| denied())?;
    }
    let chained =
        call.caller.temporary && matches!(call.caller.identity, Identity::AssumedRole { .. });
    let wanted = number(call.input, "DurationSeconds");
    if chained && wanted.is_some_and(|wanted| wanted > MAX_CHAINED_SECONDS) {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let (max, limit) = (role.max_session_seconds, "MaxSessionDuration set for this role");
    let duration = duration(wanted, MAX_CHAINED_SECONDS, max, limit)?;
    let session_policy = text(call.input, "Policy")
        .map(|policy| Document::new(policy, PolicyType::Session))
        .transpose()
        .map_err(|malformed| ApiError::new("MalformedPolicyDocument", malformed.0))?;
    let identity =
        Identity::AssumedRole { role: path_and_name.to_owned(), session: session.to_owned() };
    let assumed_id = format!("{}:{session}", role.id);
    let assumed =
        Caller { account: account.clone(), identity: identity.clone(), ..call.caller.clone() };
    let packed = session_policy.as_ref().map(|policy| policy.text().len() * 100 / 2048);
    // A trust policy can demand MFA; the session itself does not carry it.
    let mfa_at = None;
    let session = Session {
        account,
        identity,
        duration,
        mfa_at,
        policy: session_policy,
        source_identity: source_identity.clone(),
    };
    Ok(json!({
        "Credentials": issue(control, call, session),
        "AssumedRoleUser": { "AssumedRoleId": assumed_id, "Arn": assumed.arn() },
        "PackedPolicySize": packed,
        "SourceIdentity": source_identity,
    }))
}

/// The source identity of the session to be: the caller's, which cannot be changed.
///
/// Source: IAM User Guide, "Monitor and control actions taken with assumed roles".
fn source_identity(call: &Call<'_>) -> Result<Option<String>, ApiError> {
    let stated = text(call.input, "SourceIdentity");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if let Some(stated) = stated
        && (!(2..=64).contains(&stated.len()) || !stated.chars().all(allowed))
    {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{stated}' at 'sourceIdentity' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    match (&call.caller.source_identity, stated) {
        (Some(inherited), Some(stated)) if inherited != stated => Err(ApiError::access_denied(
            "The source identity of a session cannot be changed by role chaining",
        )),
        (Some(inherited), _) => Ok(Some(inherited.clone())),
        (None, stated) => Ok(stated.map(str::to_owned)),
    }
}

fn session_token(control: &mut Control, call: &Call<'_>) -> Reply {
    if call.caller.temporary {
        return Err(ApiError::access_denied(
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let mfa_at = check_mfa(control, call)?;
    let (default, max) =
        if call.caller.identity == Identity::Root { (3600, 3600) } else { (43_200, 129_600) };
    let duration =
        duration(number(call.input, "DurationSeconds"), default, max, "allowed maximum")?;
    let (account, identity) = (call.caller.account.clone(), call.caller.identity.clone());
    let session =
        Session { account, identity, duration, mfa_at, policy: None, source_identity: None };
    Ok(json!({ "Credentials": issue(control, call, session) }))
}

/// When MFA was proven by the call's serial number and code; `None` where the
/// call has neither.
fn check_mfa(control: &Control, call: &Call<'_>) -> Result<Option<Timestamp>, ApiError> {
    let failed = || {
        ApiError::access_denied(
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
    };
    let (serial, code) = match (text(call.input, "SerialNumber"), text(call.input, "TokenCode")) {
        (None, None) => return Ok(None),
        (Some(serial), Some(code)) => (serial, code),
        _ => {
            return Err(ApiError::access_denied(
                "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
            ));
        }
    };
    let account = control.accounts.get(&call.caller.account).ok_or_else(failed)?;
    let device = account.iam.mfa_devices.get(serial).ok_or_else(|| {
        ApiError::access_denied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.",
        )
    })?;
    let holder = match &call.caller.identity {
        Identity::Root => Holder::Root,
        Identity::User(name) => Holder::User(bare(name).to_owned()),
        _ => return Err(failed()),
    };
    if device.holder.as_ref() != Some(&holder) || !totp::accepts(&device.seed, code, real_now()) {
        return Err(failed());
    }
    Ok(Some(real_now()))
}

fn duration(
    wanted: Option<i64>,
    default: i64,
    max: i64,
    limit: &str,
) -> Result<SignedDuration, ApiError> {
    let wanted = wanted.unwrap_or(default.min(max));
    if wanted < MIN_SECONDS {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{wanted}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to {MIN_SECONDS}"
        )));
    }
    if wanted > max {
        return Err(ApiError::validation(format!(
            "The requested DurationSeconds exceeds the {limit}."
        )));
    }
    Ok(SignedDuration::from_secs(wanted))
}

/// What temporary credentials stand for.
pub(super) struct Session {
    pub(super) account: AccountId,
    pub(super) identity: Identity,
    pub(super) duration: SignedDuration,
    pub(super) mfa_at: Option<Timestamp>,
    pub(super) policy: Option<Document>,
    pub(super) source_identity: Option<String>,
}

/// Gives out temporary credentials.
pub(super) fn issue(control: &mut Control, call: &Call<'_>, session: Session) -> Value {
    if control.access_keys.len() > MAX_KEYS {
        let now = real_now();
        control.access_keys.retain(|_, key| key.expires_at.is_none_or(|at| at > now));
    }
    let id = format!("ASIA{}", call.simulation.random_text(BASE32, 16));
    let key = AccessKey {
        secret: call.simulation.random_text(ALPHANUMERIC, 40),
        session_token: Some(call.simulation.random_text(ALPHANUMERIC, 240)),
        account: session.account,
        identity: session.identity,
        expires_at: Some(real_now() + session.duration),
        mfa_at: session.mfa_at,
        session_policy: session.policy,
        source_identity: session.source_identity,
        active: true,
        built_in: false,
        created_at: call.now,
    };
    let answer = json!({
        "AccessKeyId": id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.session_token,
        "Expiration": key.expires_at.map(seconds),
    });
    control.access_keys.insert(id, key);
    answer
}
