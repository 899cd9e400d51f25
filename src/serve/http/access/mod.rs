//! Who may do what.
//!
//! A request is admitted if it is addressed to this service, comes from no other site, and
//! its identity has the scope of its route. The decision reads the request's head, the
//! peer and the keys of a load balancer, and nothing else; a refusal is logged without secrets.

mod host;
mod identity;
mod load_balancer;
mod origin;
pub(super) mod route;
pub(super) mod sign_in;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;

use self::host::Hosts;
pub(super) use self::identity::{Identity, IdentityKind};
use self::load_balancer::LoadBalancer;
#[cfg(test)]
pub(in crate::serve::http) use self::load_balancer::tests::signer;
pub(super) use self::origin::is_json;
use self::route::Required;
use super::problem::Problem;
use super::server::Peer;
use super::watched::{OnError, Watched};
use crate::config::{self, AccessScope, Config, WebUrl};
use crate::ops::OpError;
use crate::printable::plain;
use crate::serve::app::App;
use crate::serve::pages;
use crate::serve::tokens::Tokens;
use crate::words::with_causes;

/// How clients are admitted.
#[derive(Debug)]
pub(super) struct Access {
    hosts: Hosts,
    tokens: Option<Watched<Tokens>>,
    load_balancer: Option<LoadBalancer>,
    settings: config::Access,
    /// Whether every client is a user of this machine, and none has to authenticate.
    is_open: bool,
    /// Whether clients reach the service over TLS, here or at a proxy.
    is_https: bool,
}

/// What [`guard`] needs.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) access: Arc<Access>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For the client.
    pub(super) detail: String,
    /// For the log, where it says more.
    pub(super) reason: String,
}

impl Refusal {
    fn new(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), reason: detail.to_owned() }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }
}

impl Access {
    /// The access that a configuration declares.
    ///
    /// # Errors
    /// The file of tokens cannot be used, or the load balancer's keys have no place.
    pub(super) fn new(config: &Config, has_tls: bool) -> Result<Self, OpError> {
        let (listen, settings) = (&config.service.listen, &config.service.access);
        let tokens = settings.tokens.as_deref().map(|file| {
            let read = |files: &[PathBuf]| {
                let file = files.first().map_or(Path::new(""), PathBuf::as_path);
                Tokens::read(file).map_err(|error| with_causes(&error))
            };
            // Tokens of a file that cannot be read may have been revoked.
            Watched::new(vec![PathBuf::from(file)], read, OnError::UseNone)
        });
        let tokens = tokens.transpose().map_err(|error| {
            OpError::usage(error).with_hint("`orgtrail service token` creates a token and the file")
        })?;
        let is_public_https = config.service.public_url.as_ref().is_some_and(WebUrl::is_encrypted);
        Ok(Self {
            hosts: Hosts::new(config),
            tokens,
            load_balancer: LoadBalancer::of(settings)?,
            is_open: listen.is_local() && !settings.authenticates(),
            is_https: has_tls || is_public_https,
            settings: settings.clone(),
        })
    }

    /// Admits a request, or refuses it.
    pub(super) async fn admit(
        &self,
        peer: &Peer,
        method: &Method,
        uri: &http::Uri,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        self.hosts.check(uri, headers)?;
        let required = route::required(method, uri.path());
        let identity = self.identify(peer, headers, now).await;
        origin::check(method, headers, identity.as_ref().ok())?;
        let scope = match required {
            Required::Nothing => return Ok(identity.unwrap_or_else(|_| Identity::nobody())),
            Required::Scope(scope) => scope,
        };
        let identity = identity?;
        if identity.has(scope) {
            return Ok(identity);
        }
        if identity.kind == IdentityKind::Nobody {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "authentication is required"));
        }
        let detail = format!("this needs the scope `{scope}`");
        let reason = format!("{} lacks the scope `{scope}`", identity.name);
        Err(Refusal::new(StatusCode::FORBIDDEN, &detail).because(reason))
    }

    /// The tokens as they are now; none if their file cannot be used.
    fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.as_ref()?.current()
    }
}

/// Admits requests. What authenticated a request is removed from it, so that nothing later
/// can log or repeat it.
pub(super) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    let now = gate.app.now();
    let (method, uri) = (request.method(), request.uri());
    match gate.access.admit(&peer, method, uri, request.headers(), now).await {
        Ok(identity) => {
            let headers = request.headers_mut();
            for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
                headers.remove(name);
            }
            if let Some(header) = &gate.access.settings.identity_header {
                headers.remove(header.name());
            }
            headers.remove(load_balancer::HEADER);
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(refusal) => {
            log(&refusal, &peer, &request);
            refused(&refusal, &request)
        }
    }
}

fn log(refusal: &Refusal, peer: &Peer, request: &Request) {
    let remote = peer.address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
    // The query is left out: clients may put secrets there by mistake.
    let mut path = request.uri().path().to_owned();
    path.truncate(path.floor_char_boundary(200));
    tracing::warn!(
        status = refusal.status.as_u16(),
        method = %request.method(),
        path = %plain(&path),
        remote,
        reason = %plain(&refusal.reason),
        "refused a request"
    );
}

/// The answer to a refused request: browsers that may sign in are sent there.
fn refused(refusal: &Refusal, request: &Request) -> Response {
    let is_unknown = refusal.status == StatusCode::UNAUTHORIZED;
    if route::is_page(request.uri().path()) && accepts_html(request.headers()) {
        let is_get = request.method() == Method::GET;
        return if is_unknown && is_get {
            sign_in::redirect(request.uri())
        } else {
            pages::refused(refusal.status, &refusal.detail)
        };
    }
    let problem = Problem::new(refusal.status, refusal.detail.clone());
    if is_unknown {
        let realm = "Bearer realm=\"orgtrail\"";
        return problem.with_header(header::WWW_AUTHENTICATE, realm).into_response();
    }
    problem.into_response()
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Scopes as a set.
fn scopes(scopes: &[AccessScope]) -> BTreeSet<AccessScope> {
    scopes.iter().copied().collect()
}
