//! The form to sign in with a token.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::components::{card, command, note, tag, verdict};
use super::layout::{bare, response};
use crate::printable::plain;

/// The form, with what was wrong with the last try. It leads to the path `next`.
pub(in crate::serve) fn sign_in(status: StatusCode, error: Option<&str>, next: &str) -> Response {
    let form = html! {
        div.pad {
            @if let Some(error) = error {
                p.note role="alert" { (tag("failed", "refused")) " " (plain(error)) }
            }
            form.filter method="post" action="/sign-in" {
                label {
                    "Token "
                    input name="token" type="password" required autocomplete="off";
                }
                input type="hidden" name="next" value=(plain(next));
                button { "Sign in" }
            }
            (note(&html! {
                "The browser keeps the token in a cookie that scripts cannot read, until it expires \
                 or you sign out."
            }))
            form method="post" action="/sign-out" { button { "Sign out" } }
        }
    };
    let create = html! {
        div.pad {
            p { "Create a token where the service runs. It is shown once:" }
            (command("Create a token", "orgtrail service token --scope read --days 90"))
        }
    };
    let none = Markup::default();
    let main = html! {
        (verdict(
            "run",
            &tag("waiting", "Signed out"),
            "Sign in to see the organization.",
            &html! { "This service requires a token." },
            &none,
        ))
        (card("token", "Token", &none, &form))
        (card("create", "No token yet?", &none, &create))
    };
    (status, response(bare("Sign in", &main))).into_response()
}
