//! Who signed a request.

mod sigv4;

use http::HeaderMap;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde::{Deserialize, Serialize};
pub(super) use sigv4::{Signature, valid_for};

use super::api::ApiError;
use super::clock::real_now;
use super::policy::Document;
use super::simulation::{AccessKey, Control, Simulation};

/// Says that a request did not come over TLS.
pub(super) const INSECURE: &str = "x-orgtrail-insecure";

/// Whether a request stands for one that came over TLS: all do that do not carry
/// `x-orgtrail-insecure: true`, because the endpoint is plain HTTP on loopback.
pub(super) fn is_over_tls(headers: &HeaderMap) -> bool {
    headers.get(INSECURE).is_none_or(|value| value != "true")
}

/// Characters of a client's name for itself that are recorded.
const MAX_USER_AGENT: usize = 1024;
/// How far a client's clock may be off.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Finds out who signed a request to a service other than S3, and for which
/// Region.
///
/// # Errors
/// As AWS answers: the key is unknown, the signature is another, the credentials
/// or the signature have expired, the session token is missing or wrong.
pub(super) fn authenticate(
    simulation: &Simulation,
    parts: &Parts,
    body: &[u8],
) -> Result<(Caller, Region), ApiError> {
    let Some(signature) = Signature::of(parts) else {
        return Err(ApiError::new(
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        ));
    };
    let region = signature.region.parse().map_err(|_| {
        ApiError::new(
            "InvalidSignatureException",
            format!("Credential should be scoped to a valid region, not '{}'", signature.region),
        )
    })?;
    let mut caller = {
        let control = simulation.control.read();
        let key = control.access_keys.get(signature.access_key_id).ok_or_else(invalid_token)?;
        signature
            .check(&key.secret, parts, body)
            .map_err(|message| ApiError::new("InvalidSignatureException", message))?;
        check_time(&signature)?;
        if control.is_suspended(&key.account) {
            return Err(ApiError::access_denied(format!(
                "The account {} is suspended",
                key.account
            )));
        }
        key.caller(
            simulation.partition,
            signature.access_key_id,
            signature.session_token.as_deref(),
        )?
    };
    caller.user_agent = user_agent(&parts.headers);
    Ok((caller, region))
}

/// What a client says that it is, as far as records have room for it.
pub(super) fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get("user-agent").and_then(|value| value.to_str().ok());
    text.unwrap_or_default().chars().take(MAX_USER_AGENT).collect()
}

/// Refuses calls to a Region that the caller's account has not opted into: its
/// credentials are not known there. The sandbox's home Region is every account's.
///
/// Source: AWS Account Management Reference Guide, "Enable or disable AWS Regions
/// in your account".
///
/// # Errors
/// `UnrecognizedClientException`.
pub(super) fn check_enabled(
    simulation: &Simulation,
    control: &Control,
    account: &AccountId,
    region: &Region,
) -> Result<(), ApiError> {
    let known = control.accounts.get(account);
    let enabled = known.is_none_or(|known| known.enabled_regions.contains(region));
    if region.is_opt_in() && *region != simulation.home_region && !enabled {
        return Err(invalid_token());
    }
    Ok(())
}

fn check_time(signature: &Signature<'_>) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::new("InvalidSignatureException", message));
    let now = real_now();
    let valid_for = signature.valid_for.unwrap_or(MAX_SKEW);
    // The last minutes of the year 9999 have no end that a timestamp can hold.
    let times = signature.signed_at().and_then(|at| Some((at, at.checked_add(valid_for).ok()?)));
    let Some((signed_at, until)) = times else {
        return refuse(format!("'{}' is not a valid date", signature.date));
    };
    let stamp = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    if now > until {
        return refuse(format!(
            "Signature expired: {} is now earlier than {} ({} - 15 min.)",
            signature.date,
            stamp(now - MAX_SKEW),
            stamp(now)
        ));
    }
    if signed_at > now + MAX_SKEW {
        return refuse(format!(
            "Signature not yet current: {} is still later than {} ({} + 15 min.)",
            signature.date,
            stamp(now + MAX_SKEW),
            stamp(now)
        ));
    }
    Ok(())
}

fn invalid_token() -> ApiError {
    ApiError::new(
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
}

fn expired_token() -> ApiError {
    ApiError::new("ExpiredTokenException", "The security token included in the request is expired")
}

impl AccessKey {
    /// Whom the key stands for, where `session_token` belongs to it, its life is
    /// not over and its account not suspended.
    ///
    /// # Errors
    /// `UnrecognizedClientException` or `ExpiredTokenException`.
    pub(super) fn caller(
        &self,
        partition: Partition,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<Caller, ApiError> {
        if self.session_token.as_deref() != session_token || !self.active {
            return Err(invalid_token());
        }
        if self.expires_at.is_some_and(|at| at <= real_now()) {
            return Err(expired_token());
        }
        Ok(Caller {
            partition,
            account: self.account.clone(),
            identity: self.identity.clone(),
            access_key_id: access_key_id.to_owned(),
            mfa_at: self.mfa_at,
            temporary: self.session_token.is_some(),
            issued_at: self.session_token.is_some().then_some(self.created_at),
            source_identity: self.source_identity.clone(),
            user_agent: String::new(),
            session_policy: self.session_policy.clone(),
        })
    }
}

impl Control {
    /// Whether an account is closed: AWS rejects every call.
    pub(super) fn is_suspended(&self, account: &AccountId) -> bool {
        self.organization.as_ref().is_some_and(|organization| organization.is_suspended(account))
    }
}

/// The authenticated principal behind a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The partition of the simulation.
    pub(super) partition: Partition,
    /// The account that the principal belongs to.
    pub(super) account: AccountId,
    /// What kind of principal it is.
    pub(super) identity: Identity,
    /// The access key that signed; empty for services.
    pub(super) access_key_id: String,
    /// When the session was authenticated with MFA; `None` without MFA.
    pub(super) mfa_at: Option<Timestamp>,
    /// Whether the credentials are temporary (a role's or a session token's).
    pub(super) temporary: bool,
    /// When temporary credentials were issued, by the simulated clock.
    pub(super) issued_at: Option<Timestamp>,
    /// The source identity of the session, which those assumed with it inherit.
    pub(super) source_identity: Option<String>,
    /// What the client says that it is.
    pub(super) user_agent: String,
    /// The session policy passed to `AssumeRole`.
    pub(super) session_policy: Option<Document>,
}

/// What kind of principal signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Identity {
    /// The account's root user.
    Root,
    /// An IAM user by path and name without the leading slash: `path/name`.
    User(String),
    /// A session of a role.
    AssumedRole {
        /// The role's path and name without the leading slash: `path/name`.
        role: String,
        /// The session's name.
        session: String,
    },
    /// An AWS service acting on its own: `cloudtrail.amazonaws.com`, on behalf
    /// of the resource with this ARN.
    Service {
        /// The service principal.
        principal: String,
        /// What `aws:SourceArn` says.
        source_arn: Option<String>,
    },
}

impl Caller {
    /// An AWS service calling on behalf of a resource in `account`.
    pub(super) fn service(
        partition: Partition,
        account: &AccountId,
        principal: &str,
        source_arn: Option<String>,
    ) -> Self {
        Self {
            partition,
            account: account.clone(),
            identity: Identity::Service { principal: principal.to_owned(), source_arn },
            access_key_id: String::new(),
            mfa_at: None,
            temporary: false,
            issued_at: None,
            source_identity: None,
            user_agent: String::new(),
            session_policy: None,
        }
    }

    /// The ARN that `GetCallerIdentity` gives and policies name.
    pub(super) fn arn(&self) -> String {
        match &self.identity {
            Identity::Root => Arn::global(self.partition, "iam", &self.account, "root").to_string(),
            Identity::User(name) => {
                Arn::global(self.partition, "iam", &self.account, format!("user/{name}"))
                    .to_string()
            }
            Identity::AssumedRole { role, session } => {
                let name = role.rsplit('/').next().unwrap_or(role);
                let resource = format!("assumed-role/{name}/{session}");
                Arn::global(self.partition, "sts", &self.account, resource).to_string()
            }
            Identity::Service { principal, .. } => principal.clone(),
        }
    }

    /// The ARN that `aws:PrincipalArn` carries: a session's role, else
    /// [`Caller::arn`].
    pub(super) fn principal_arn(&self) -> String {
        match &self.identity {
            Identity::AssumedRole { role, .. } => {
                Arn::global(self.partition, "iam", &self.account, format!("role/{role}"))
                    .to_string()
            }
            _ => self.arn(),
        }
    }
}
