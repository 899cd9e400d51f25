//! Signing in with a token, and requests that are refused. These pages have nothing of the
//! organization.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::components::{capital, card, command, note, prose, tag, verdict};
use super::layout::{bare, response};
use crate::printable::plain;

/// The form for a token, with what was wrong with the last one. `next` is the path that it
/// leads to.
pub fn sign_in(status: StatusCode, error: Option<&str>, next: &str) -> Response {
    let form = html! { div.pad {
        @if let Some(error) = error {
            p.note role="alert" { (tag("failed", "Not signed in")) " " (plain(error)) }
        }
        form.filter method="post" action="/sign-in" aria-label="Sign in" {
            label { "Token "
                input name="token" type="password" required autocomplete="off" maxlength="256"; }
            input type="hidden" name="next" value=(plain(next));
            button { "Sign in" }
        }
        (note(&html! {
            "The browser keeps the token in a cookie that scripts cannot read, until the token \
             expires or you sign out."
        }))
        form method="post" action="/sign-out" { button { "Sign out" } }
    } };
    let none = Markup::default();
    let main = html! {
        (verdict("run", &tag("delivering", "Sign in"), "Sign in with a token.", &none, &none))
        (card("token", "Token", &none, &form))
        (card("create", "No token?", &none, &create_token("An administrator of the service \
            creates one. It is shown once:")))
    };
    (status, response(bare("Sign in", &main))).into_response()
}

fn create_token(text: &str) -> Markup {
    html! { div.pad {
        p { (text) }
        (command("Create a token", "orgtrail service token --scope read --days 90"))
    } }
}

/// A request that is refused, and why: the scope that is missing, or another condition.
pub fn refused(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Refused");
    let line = tag("failed", &format!("{} {title}", status.as_u16()));
    let sentence = format!("{}.", capital(&plain(detail)));
    let none = Markup::default();
    let next = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => html! {
            div.pad { p { a href="/sign-in" { "Sign in with another token" } } }
            (create_token("An administrator of the service creates a token, with other scopes \
                if needed:"))
        },
        _ => html! { div.pad { p { (prose(
            "Open the service at its own address: `service.public_url`, or that on which it listens."
        )) } } },
    };
    let main = html! {
        (verdict("bad", &line, &sentence, &none, &none))
        (card("next", "What to do", &none, &next))
    };
    (status, response(bare(title, &main))).into_response()
}
