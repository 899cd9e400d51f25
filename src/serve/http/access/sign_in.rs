//! Signing in with a token, for browsers: the token is kept in a cookie that scripts cannot
//! read and other sites cannot send.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, Uri, header};

use super::Gate;
use crate::serve::pages;

/// The longest path that signing in leads to.
const LONGEST_PATH: usize = 512;

pub(in crate::serve::http) fn router() -> Router<Gate> {
    Router::new().route("/sign-in", get(form).post(sign_in)).route("/sign-out", post(sign_out))
}

/// Sends a browser to the form, and after it back.
pub(super) fn redirect(from: &Uri) -> Response {
    let back = from.path_and_query().map_or("/", |path| path.as_str());
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(back) = own_path(back).filter(|back| *back != "/") {
        query.append_pair("next", back);
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    see_other(&format!("/sign-in{separator}{query}"))
}

async fn form(uri: Uri) -> Response {
    pages::sign_in(StatusCode::OK, None, &next_of(uri.query().unwrap_or_default().as_bytes()))
}

async fn sign_in(State(gate): State<Gate>, body: Bytes) -> Response {
    let next = next_of(&body);
    let token = value_of(&body, "token").unwrap_or_default();
    let token = token.trim();
    let now = gate.app.now();
    let Some(expires_at) = gate.access.token_expires_at(token, now) else {
        tracing::warn!("refused to sign in: the token is not valid");
        return pages::sign_in(StatusCode::UNAUTHORIZED, Some("The token is not valid."), &next);
    };
    let seconds = expires_at.duration_since(now).as_secs().max(0);
    with_cookie(&gate, see_other(&next), token, seconds)
}

async fn sign_out(State(gate): State<Gate>) -> Response {
    with_cookie(&gate, see_other("/sign-in"), "", 0)
}

fn with_cookie(gate: &Gate, mut response: Response, token: &str, seconds: i64) -> Response {
    let secure = if gate.access.is_https { "; Secure" } else { "" };
    let cookie = format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}",
        gate.access.cookie_name()
    );
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// The value of a field of a form.
fn value_of(form: &[u8], name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(form);
    fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn next_of(form: &[u8]) -> String {
    let next = value_of(form, "next").unwrap_or_default();
    own_path(&next).unwrap_or("/").to_owned()
}

/// A path of this service. A browser takes `//` and `/\` for another site.
fn own_path(path: &str) -> Option<&str> {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_own = path.starts_with('/') && !path.starts_with("//");
    (is_plain && is_own && path.len() <= LONGEST_PATH).then_some(path)
}
