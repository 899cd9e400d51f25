//! Who a client is.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::super::server::Peer;
use super::{Access, Refusal, scopes};
use crate::config::AccessScope;
use crate::printable::plain;
use crate::serve::tokens::RefusedToken;

/// The longest name of a user that a proxy may send.
const LONGEST_USER: usize = 128;

/// Who a client is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve::http) struct Identity {
    /// How it authenticated.
    pub(in crate::serve::http) kind: IdentityKind,
    /// How logs name it: never a secret.
    pub(in crate::serve::http) name: String,
    scopes: BTreeSet<AccessScope>,
}

/// How a client authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve::http) enum IdentityKind {
    /// Not at all.
    Nobody,
    /// It is a user of this machine.
    Local,
    /// With a token in `Authorization`.
    Token,
    /// With a token in a cookie.
    Cookie,
    /// With a certificate.
    Certificate,
    /// At a proxy.
    Proxy,
}

impl Identity {
    pub(super) fn nobody() -> Self {
        Self { kind: IdentityKind::Nobody, name: "nobody".to_owned(), scopes: BTreeSet::new() }
    }

    /// Whether it may do something.
    pub(in crate::serve::http) fn has(&self, scope: AccessScope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl Access {
    /// Who a client is. A token that is wrong is refused, also where none is needed: a client
    /// with a token expects to be known by it.
    pub(super) async fn identify(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        match (sent.next(), sent.next()) {
            (None, _) => {}
            (Some(sent), None) => return self.by_token(bearer(sent), IdentityKind::Token, now),
            (Some(_), Some(_)) => return Err(unknown("two `Authorization` headers")),
        }
        if let Some(token) = cookie(headers, self.cookie_name())
            && let Ok(identity) = self.by_token(Some(token), IdentityKind::Cookie, now)
        {
            return Ok(identity);
        }
        if let Some(certificate) = &peer.certificate {
            return Ok(Identity {
                kind: IdentityKind::Certificate,
                name: format!("certificate {certificate}"),
                scopes: scopes(&self.settings.client_scopes),
            });
        }
        if let Some(user) = self.user_of_proxy(peer, headers, now).await? {
            return Ok(Identity {
                kind: IdentityKind::Proxy,
                name: format!("user {user}"),
                scopes: scopes(&self.settings.identity_scopes),
            });
        }
        if self.is_open {
            return Ok(Identity {
                kind: IdentityKind::Local,
                name: "local user".to_owned(),
                scopes: scopes(AccessScope::ALL),
            });
        }
        Ok(Identity::nobody())
    }

    fn by_token(
        &self,
        token: Option<&str>,
        kind: IdentityKind,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        let token = token.ok_or_else(|| unknown("`Authorization` has no bearer token"))?;
        let tokens = self.tokens().ok_or_else(|| unknown("there are no tokens"))?;
        match tokens.find(token, now) {
            Ok(entry) => Ok(Identity {
                kind,
                name: format!("token {} ({})", entry.id(), entry.name),
                scopes: entry.scopes.clone(),
            }),
            Err(RefusedToken::Unknown) => Err(unknown("the token is unknown")),
            Err(RefusedToken::Expired(id)) => Err(unknown(&format!("the token {id} has expired"))),
        }
    }

    /// When a token expires; none if it is not valid.
    pub(super) fn token_expires_at(&self, token: &str, now: Timestamp) -> Option<Timestamp> {
        Some(self.tokens()?.find(token, now).ok()?.expires_at)
    }

    /// The user whom a trusted proxy names. Others cannot name one.
    async fn user_of_proxy(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<String>, Refusal> {
        let networks = &self.settings.trusted_proxies;
        let is_trusted =
            peer.address.is_some_and(|address| networks.iter().any(|it| it.contains(address)));
        if !is_trusted {
            return Ok(None);
        }
        let user = match (&self.load_balancer, &self.settings.identity_header) {
            (Some(load_balancer), _) => load_balancer.user(headers, now).await?,
            (None, Some(header)) => user_in(headers, header.name())?,
            (None, None) => None,
        };
        let user = user.as_deref().map(str::trim).unwrap_or_default();
        let is_usable = !user.is_empty() && user.len() <= LONGEST_USER;
        Ok(is_usable.then(|| plain(user).into_owned()))
    }

    /// The name of the cookie with the token. Browsers accept the prefix only over TLS.
    pub(super) fn cookie_name(&self) -> &'static str {
        if self.is_https { "__Host-orgtrail" } else { "orgtrail" }
    }
}

/// The user whom a header names.
fn user_in(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    let mut users = headers.get_all(name).iter();
    match (users.next(), users.next()) {
        // The client may have added one to that of the proxy.
        (Some(_), Some(_)) => Err(unknown("the proxy names two users")),
        (user, _) => Ok(user.and_then(|user| user.to_str().ok()).map(str::to_owned)),
    }
}

/// A client that is not known.
fn unknown(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "the credentials are not valid").because(reason)
}

/// The token of `Authorization: Bearer …`.
fn bearer(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie. With two of the same name, another site of the domain may have set
/// one: neither is used.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|sent| sent.to_str().ok());
    let pairs =
        sent.flat_map(|sent| sent.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
