//! Who sends a request, and over what: the protocol crate checks signatures,
//! this checks the credentials behind them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use orgtrail_base::percent;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::error::{access_denied, custom, refuse};
use crate::auth::{Caller, is_over_tls, user_agent, valid_for};
use crate::simulation::Simulation;

/// Says which version of TLS a request stands for having come over.
const TLS_VERSION: &str = "x-orgtrail-tls";

/// Who sends a request, and over what.
///
/// The endpoint is plain HTTP on loopback and stands for TLS 1.3, unless a
/// request carries `x-orgtrail-insecure: true` or `x-orgtrail-tls: 1.1`.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` is anonymous.
    pub(super) caller: Option<Caller>,
    /// `None` is plain HTTP.
    pub(super) tls: Option<String>,
}

impl Session {
    /// A session of a principal inside the sandbox, over TLS 1.3.
    pub(crate) fn internal(caller: Caller) -> Self {
        Self { caller: Some(caller), tls: Some("1.3".to_owned()) }
    }
}

fn tls_version(headers: &HeaderMap) -> Option<String> {
    let version = headers.get(TLS_VERSION).and_then(|value| value.to_str().ok());
    is_over_tls(headers).then(|| version.unwrap_or("1.3").to_owned())
}

/// Looks up the secrets that requests are signed with.
pub(super) struct Keys(pub(super) Arc<Simulation>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.control.read().access_keys.get(access_key) {
            Some(key) => Ok(SecretKey::from(key.secret.as_str())),
            None => Err(refuse(
                S3ErrorCode::InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records.",
            )),
        }
    }
}

/// Turns a checked signature into a [`Session`].
pub(super) struct S3Authenticator(pub(super) Arc<Simulation>);

#[async_trait::async_trait]
impl S3Access for S3Authenticator {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let tls = tls_version(cx.headers());
        let caller = match cx.credentials() {
            None => None,
            Some(credentials) => {
                let token = cx.headers().get("x-amz-security-token");
                let token = token.and_then(|value| value.to_str().ok()).map(str::to_owned);
                let query = cx.uri().query().unwrap_or_default();
                check_life(query)?;
                let token = token.or_else(|| in_query(query, "x-amz-security-token"));
                let mut caller = self.caller(&credentials.access_key, token.as_deref())?;
                caller.user_agent = user_agent(cx.headers());
                Some(caller)
            }
        };
        cx.extensions_mut().insert(Arc::new(Session { caller, tls }));
        Ok(())
    }
}

impl S3Authenticator {
    fn caller(&self, access_key: &str, token: Option<&str>) -> S3Result<Caller> {
        let control = self.0.control.read();
        let Some(key) = control.access_keys.get(access_key) else {
            return Err(access_denied("Access Denied"));
        };
        let caller = key.caller(self.0.partition, access_key, token).map_err(|refusal| {
            if refusal.code.starts_with("Expired") { expired_token() } else { invalid_token() }
        })?;
        if control.is_suspended(&caller.account) {
            return Err(access_denied("Access Denied"));
        }
        Ok(caller)
    }
}

fn expired_token() -> S3Error {
    custom("ExpiredToken", StatusCode::BAD_REQUEST, "The provided token has expired.")
}

fn invalid_token() -> S3Error {
    refuse(S3ErrorCode::InvalidToken, "The provided token is malformed or otherwise invalid.")
}

/// A parameter of a presigned URL.
fn in_query(query: &str, name: &str) -> Option<String> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))?
        .1;
    percent::decode(&value.replace('+', " "))
}

/// Refuses a presigned URL that would work for longer than AWS allows, which
/// the protocol crate does not.
fn check_life(query: &str) -> S3Result<()> {
    if in_query(query, "x-amz-expires").is_some_and(|text| valid_for(&text).is_none()) {
        return Err(custom(
            "AuthorizationQueryParametersError",
            StatusCode::BAD_REQUEST,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::INSECURE;

    #[test]
    fn a_request_stands_for_tls_unless_it_says_otherwise() {
        let mut headers = HeaderMap::new();
        assert_eq!(tls_version(&headers).as_deref(), Some("1.3"));
        headers.insert(TLS_VERSION, "1.1".parse().unwrap());
        assert_eq!(tls_version(&headers).as_deref(), Some("1.1"));
        headers.insert(INSECURE, "false".parse().unwrap());
        assert_eq!(tls_version(&headers).as_deref(), Some("1.1"));
        headers.insert(INSECURE, "true".parse().unwrap());
        assert_eq!(tls_version(&headers), None);
    }

    #[test]
    fn a_presigned_url_works_for_seven_days_at_most() {
        assert!(check_life("x=1&X-Amz-Expires=604800").is_ok());
        assert!(check_life("").is_ok());
        for expires in ["604801", "%3604801", "9223372036854775808"] {
            let refused = check_life(&format!("X-Amz-Expires={expires}")).unwrap_err();
            assert_eq!(refused.code().as_str(), "AuthorizationQueryParametersError", "{expires}");
        }
    }
}
