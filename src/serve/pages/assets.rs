//! The files that pages load: one style sheet and one script, from the binary.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use orgtrail_base::cloudtrail::digest::sha256_hex;

use super::errors::not_found;
use crate::report::html::STYLE;

const SCRIPT: &str = include_str!("live.js");

/// A file, whose name changes with its content: browsers keep it for a year.
#[derive(Debug)]
struct Asset {
    name: String,
    path: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, content: &'static str) -> Self {
        let mut hash = sha256_hex(content.as_bytes());
        hash.truncate(16);
        let name = format!("{stem}.{hash}.{ending}");
        Self { path: format!("/assets/{name}"), name, kind, content }
    }
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        Asset::new("style", "css", "text/css; charset=utf-8", STYLE),
        Asset::new("live", "js", "text/javascript; charset=utf-8", SCRIPT),
    ]
});

/// The path of the style sheet.
pub(super) fn style() -> &'static str {
    &ASSETS[0].path
}

/// The path of the script.
pub(super) fn script() -> &'static str {
    &ASSETS[1].path
}

/// `/assets/{name}`
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [
                (CONTENT_TYPE, asset.kind),
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.content).into_response()
        }
        None => not_found(None, "This file belongs to another version of orgtrail."),
    }
}
