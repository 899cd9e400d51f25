//! Responses of the handlers: statuses, headers and error pages.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use maud::{PreEscaped, html};

use super::{empty, live_round, text};
use crate::serve::app::App;
use crate::serve::evidence::Bundles;
use crate::serve::pages::{
    Allowed, CONTENT_SECURITY_POLICY, assets, chain, coverage, evidence, not_found_at, overview,
    refused, round, rounds, sign_in,
};
use crate::serve::rounds::Rounds;
use crate::serve::samples;

async fn read(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
    (status, String::from_utf8(body.into()).unwrap())
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

async fn app() -> (tempfile::TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let app = samples::app(folder.path(), samples::ACCOUNTS, "").await;
    (folder, app)
}

#[tokio::test]
async fn a_page_has_a_strict_policy_and_is_not_stored() {
    let (_folder, app) = app().await;
    let response = overview::page(State(app), uri("/?x=%22%3E")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-security-policy"], CONTENT_SECURITY_POLICY);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let (_, page) = read(response).await;
    assert!(page.contains("<link rel=\"stylesheet\" href=\"/assets/style."), "{page}");
    assert!(page.contains("href=\"/?x=%22%3E\">Reload"), "{page}");
    for inline in ["<style", " style=", " onclick=", "javascript:", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn files_have_names_of_their_content_and_are_kept() {
    let asset = |path: &str| {
        let name = path.strip_prefix("/assets/").unwrap().to_owned();
        assets::asset(Path(name))
    };
    let style = asset(assets::style()).await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(style.headers()["cache-control"], "public, max-age=31536000, immutable");
    let script = asset(assets::script()).await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    let (status, page) = read(asset("/assets/style.0123456789abcdef.css").await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("This file belongs to another version of orgtrail."), "{page}");
}

#[tokio::test]
async fn what_is_not_known_is_named_with_a_way_back() {
    let (_folder, app) = app().await;
    let of_chain = |account: &str, region: &str| {
        let path = Path((account.to_owned(), region.to_owned()));
        chain::page(State(app.clone()), path, uri("/chains/x/y"))
    };
    for (account, region) in
        [("999999999999", "eu-central-1"), ("100000000008", "mars-1"), ("<b>", "../x")]
    {
        let (status, page) = read(of_chain(account, region).await).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let what =
            html! { "Nothing is known about the account `" (account) "` in `" (region) "`." };
        assert!(page.contains(&what.0), "{page}");
        assert!(page.contains("<a href=\"/coverage\">Coverage</a>"), "{page}");
    }
    for id in ["none", "../../etc/passwd", "%00"] {
        let path = Path(id.to_owned());
        let (status, page) =
            read(round::page(State(app.clone()), path, uri("/rounds/x")).await).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{page}");
        assert!(page.contains(&format!("There is no round `{id}`.")), "{page}");
    }
    let (status, page) = read(not_found_at(&uri("//evil.example/x"))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!page.contains("href=\"//"), "{page}");
}

#[tokio::test]
async fn a_round_is_compared_with_the_one_before_or_a_chosen_one() {
    let (_folder, app) = app().await;
    let page = |id: String, address: String| {
        let app = app.clone();
        async move { read(round::page(State(app), Path(id), uri(&address)).await).await }
    };
    let newest = samples::round_id(0);
    let (status, shown) = page(newest.clone(), format!("/rounds/{newest}")).await;
    assert_eq!(status, StatusCode::OK);
    let shown = text(&PreEscaped(shown));
    assert!(shown.contains("Changes since the round of 25 Nov, 02:23"), "{shown}");
    assert!(shown.contains("new | high | bucket-tls-only"), "{shown}");
    // A round whose findings are not stored.
    let other = samples::round_id(2);
    let (_, shown) = page(newest.clone(), format!("/rounds/{newest}?other={other}")).await;
    assert!(shown.contains("One of the rounds has no stored findings to compare."), "{shown}");
    let (status, shown) = page(newest.clone(), format!("/rounds/{newest}?other=../x")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(shown.contains("The other round is not in the state."), "{shown}");
    // The round that runs has no report yet.
    let _progress = app.live().start(live_round());
    let id = live_round().id;
    let (status, shown) = page(id.clone(), format!("/rounds/{id}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(shown.contains(assets::script()), "{shown}");
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_said_instead_of_showing_old_results() {
    let folder = tempfile::tempdir().unwrap();
    let app = empty(folder.path());
    let (status, page) = read(overview::page(State(app.clone()), uri("/")).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("The service is starting: it has not read its state yet."), "{page}");
    // Read once, it is shown.
    app.refresh().await.unwrap();
    let (status, page) = read(overview::page(State(app.clone()), uri("/")).await).await;
    assert_eq!((status, page.contains("No round has finished yet.")), (StatusCode::OK, true));

    let (_folder, app) = self::app().await;
    app.set_health(|health| {
        health.state = Some(
            "the object rounds/: s3:ListBucket in account 100000000002 (eu-central-1): \
             access denied: <not> authorized"
                .to_owned(),
        );
    });
    for response in [
        overview::page(State(app.clone()), uri("/")).await,
        coverage::page(State(app.clone()), uri("/coverage")).await,
    ] {
        let (status, page) = read(response).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let page = text(&PreEscaped(page));
        assert!(page.contains("The state of the service cannot be read."), "{page}");
        assert!(page.contains("The last good answer was less than 1 min ago."), "{page}");
        assert!(page.contains("Missing permission | s3:ListBucket"), "{page}");
        assert!(page.contains("access denied: &lt;not&gt; authorized"), "{page}");
        assert!(page.contains("it may have changed."), "{page}");
    }
}

#[tokio::test]
async fn refusals_name_the_scope_and_nothing_of_the_organization() {
    let detail = "this needs the scope `run`";
    let (status, page) = read(refused(StatusCode::FORBIDDEN, detail)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let shown = text(&PreEscaped(page.clone()));
    assert!(shown.starts_with("403 Forbidden\nThis needs the scope `run`."), "{shown}");
    assert!(shown.contains("Sign in with another token"), "{shown}");
    assert!(!page.contains("<nav") && !page.contains("acme"), "{page}");
    let (status, page) = read(refused(StatusCode::MISDIRECTED_REQUEST, "another host")).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(page.contains("Another host.") && !page.contains("/sign-in"), "{page}");
}

#[tokio::test]
async fn the_form_to_sign_in_says_what_was_wrong_and_leads_back() {
    let response = sign_in(StatusCode::UNAUTHORIZED, Some("The token is not valid."), "/a?b=\"");
    assert_eq!(response.headers()["content-security-policy"], CONTENT_SECURITY_POLICY);
    let (status, page) = read(response).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(page.contains("role=\"alert\""), "{page}");
    assert!(page.contains("name=\"next\" value=\"/a?b=&quot;\""), "{page}");
    let (_, page) = read(sign_in(StatusCode::OK, None, "/")).await;
    assert!(!page.contains("role=\"alert\""), "{page}");
}

#[tokio::test]
async fn only_clients_that_may_start_rounds_get_the_buttons() {
    let (_folder, app) = app().await;
    let page = |allowed: Option<Allowed>| {
        let app = app.clone();
        async move {
            let allowed = allowed.map(axum::Extension);
            read(rounds::page(State(app), allowed, uri("/rounds")).await).await.1
        }
    };
    let form = "<form method=\"post\" action=\"/api/v1/rounds\">";
    assert!(!page(None).await.contains(form));
    assert!(!page(Some(Allowed::default())).await.contains(form));
    let may_run = Allowed { run: true, bundles: None };
    assert_eq!(page(Some(may_run.clone())).await.matches(form).count(), 3);
    // The API refuses a second round.
    let _progress = app.live().start(live_round());
    assert!(!page(Some(may_run)).await.contains(form));
}

#[tokio::test]
async fn only_clients_with_the_scope_see_bundles_and_build_them() {
    let (folder, app) = app().await;
    let page = |allowed: Allowed, address: &'static str| {
        let (app, allowed) = (app.clone(), Some(axum::Extension(allowed)));
        async move { read(evidence::page(State(app), allowed, uri(address)).await).await.1 }
    };
    let form = "<form method=\"post\" action=\"/api/v1/evidence\">";
    let shown = page(Allowed::default(), "/evidence").await;
    assert!(!shown.contains(form) && shown.contains("a token that has the scope"), "{shown}");
    let bundles = Some(Bundles::open(&folder.path().join("bundles")).unwrap());
    let allowed = Allowed { run: false, bundles };
    let address = "/evidence?account=100000000008&first=2026-11-01&last=2026-11-02";
    let shown = page(allowed.clone(), address).await;
    for part in [
        form,
        "name=\"from\" value=\"2026-11-01T00:00:00Z\"",
        "name=\"to\" value=\"2026-11-03T00:00:00Z\"",
        "name=\"accounts\" value=\"100000000008\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("name=\"regions\""), "{shown}");
    assert!(!page(allowed, "/evidence?account=1").await.contains(form));
}

#[tokio::test]
async fn a_round_that_was_requested_has_a_page_before_it_starts() {
    let (_folder, app) = app().await;
    let page = |id: String| {
        let app = app.clone();
        async move { read(round::page(State(app), Path(id), uri("/rounds/x")).await).await }
    };
    let name = app.config().service.schedule[0].name.clone();
    let id = Rounds::new_id(&name, app.now());
    let (status, shown) = page(id.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(shown.contains("This round has no report yet."), "{shown}");
    // Neighbours: of another schedule, and of last week.
    let last_week = app.now() - jiff::SignedDuration::from_hours(7 * 24);
    for id in [id.replace("hourly", "yearly"), Rounds::new_id(&name, last_week)] {
        assert_eq!(page(id).await.0, StatusCode::NOT_FOUND);
    }
}
