//! What the API answers.

use serde_json::{Value, json};

use super::client::{ACCOUNTS, Request, Server};
use crate::report::contract::live::{LivePart, LiveRound, PartState};
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{Round, Trigger};
use crate::serve::samples;
use crate::store::{DirectoryStore, Store};

async fn document(server: &Server, path: &str, name: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!((&json["document"], &json["version"]), (&json!(name), &json!(1)), "{path}");
    json
}

fn live() -> LiveRound {
    LiveRound {
        id: "250999999999-hourly-00000001".to_owned(),
        schedule: "hourly".to_owned(),
        trigger: Trigger::Schedule,
        scheduled_at: samples::now(),
        attempt: 1,
        replica: "replica-a".to_owned(),
        started_at: samples::now(),
        parts: vec![LivePart {
            part: Part::Drift,
            state: PartState::Waiting,
            started_at: None,
            ended_at: None,
            summary: None,
            outcome: None,
        }],
        phase: None,
        objects: 0,
        copied_bytes: 0,
        messages: Vec::new(),
    }
}

#[tokio::test]
async fn the_status_is_the_same_as_that_of_the_command() {
    let server = Server::local().await;
    let json = document(&server, "/api/v1/status", "service-status").await;
    assert_eq!(json["verdict"], "failed");
    assert_eq!(json["rounds"].as_array().unwrap().len(), 10);
    let expected = server.app.status().await.unwrap();
    assert_eq!(json["sentence"], expected.sentence);
    let schedules = document(&server, "/api/v1/schedules", "service-schedules").await;
    assert_eq!(schedules["schedules"], json["schedules"]);
}

#[tokio::test]
async fn rounds_are_paged_the_newest_first() {
    let server = Server::local().await;
    let mut ids: Vec<String> = Vec::new();
    let mut path = "/api/v1/rounds?limit=7".to_owned();
    loop {
        let page = document(&server, &path, "service-rounds").await;
        let rounds = page["rounds"].as_array().unwrap();
        assert!(rounds.len() <= 7);
        ids.extend(rounds.iter().map(|round| round["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/rounds?limit=7&before={next}");
    }
    let all: Vec<_> = server.app.board().rounds.iter().map(|round| round.id.clone()).collect();
    assert_eq!(ids, all);
    for query in
        ["limit=0", "limit=501", "limit=x", "before=A", "before=../x", "x=1", "limit=1&limit=2"]
    {
        server.get(&format!("/api/v1/rounds?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn a_round_is_found_by_its_id_and_nothing_else_is_read() {
    let server = Server::local().await;
    let id = samples::round_id(3);
    let round = document(&server, &format!("/api/v1/rounds/{id}"), "service-round").await;
    assert_eq!(round["id"], id);
    for missing in ["000000000000-hourly-00000000", "..%2f..%2fclaims", "A", "%00", "%ff"] {
        server.get(&format!("/api/v1/rounds/{missing}")).await.problem(404);
    }
    server.get(&format!("/api/v1/rounds/{}", "a".repeat(129))).await.problem(404);
}

#[tokio::test]
async fn a_round_that_the_api_tells_of_is_on_the_pages_too() {
    let server = Server::local().await;
    let newest = server.app.board().newest().unwrap().clone();
    // Stored, as by another replica, and not yet read again.
    let id = format!("0{}", &newest.id[1..]);
    let stored = Round { id: id.clone(), ..newest };
    server.app.rounds().add(&stored).await.unwrap();
    assert_ne!(server.app.board().newest().unwrap().id, id);
    let round = document(&server, &format!("/api/v1/rounds/{id}"), "service-round").await;
    assert_eq!(round["id"], id);
    assert_eq!(server.app.board().newest().unwrap().id, id);
    assert!(server.get("/rounds").await.text().contains(&id));
}

#[tokio::test]
async fn a_report_is_the_stored_one_or_a_conversion_of_the_drift_report() {
    let server = Server::local().await;
    let report = |part: &str, format: &str| {
        format!("/api/v1/rounds/{}/report?part={part}&format={format}", samples::round_id(0))
    };
    let stored = server.get(&report("drift", "json")).await;
    assert_eq!(stored.json(), samples::drift(ACCOUNTS));
    for (format, kind, begins) in [
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("sarif", "application/sarif+json", "{"),
        ("csv", "text/csv; charset=utf-8", ""),
        ("junit", "application/xml", "<?xml"),
        ("ocsf", "application/json", ""),
    ] {
        let answer = server.get(&report("drift", format)).await;
        assert_eq!(answer.status, 200, "{format}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(kind));
        let text = answer.text();
        assert!(
            text.starts_with(begins) && text.contains("bucket-tls-only"),
            "{format}: {text:.200}"
        );
        // A page of findings is saved, not shown as one of the service.
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
        assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
    }
    for part in ["verify", "consolidate"] {
        assert_eq!(server.get(&report(part, "json")).await.status, 200, "{part}");
        server.get(&report(part, "html")).await.problem(400);
    }
    server.get(&report("drift", "yaml")).await.problem(400);
    let without = format!("/api/v1/rounds/{}/report?part=drift", samples::round_id(1));
    server.get(&without).await.problem(404);
}

#[tokio::test]
async fn two_rounds_are_compared_in_either_order() {
    let server = Server::local().await;
    let (newest, before) = (samples::round_id(0), samples::round_id(1));
    let path = format!("/api/v1/rounds/{newest}/diff/{before}");
    let diff = document(&server, &path, "service-round-diff").await;
    let all = server.app.board().signals.as_ref().unwrap().signals.len();
    assert_eq!(diff["unchanged"], 2);
    assert_eq!(diff["new"].as_array().unwrap().len(), all - 2);
    assert_eq!((&diff["earlier"], &diff["later"]), (&json!(before), &json!(newest)));
    let reverse = format!("/api/v1/rounds/{before}/diff/{newest}");
    assert_eq!(document(&server, &reverse, "service-round-diff").await, diff);
    let without = format!("/api/v1/rounds/{newest}/diff/{}", samples::round_id(2));
    server.get(&without).await.problem(404);
}

#[tokio::test]
async fn the_running_round_is_shown_with_its_progress() {
    let server = Server::local().await;
    server.get("/api/v1/rounds/running").await.problem(404);
    let progress = server.app.live().start(live());
    let phase = progress.phase("checking accounts", 40);
    phase.step_done();
    let round = document(&server, "/api/v1/rounds/running", "service-live-round").await;
    assert_eq!(round["phase"], json!({ "name": "checking accounts", "done": 1, "steps": 40 }));
    drop(phase);
    server.app.live().end(Outcome::Clean, true);
    server.get("/api/v1/rounds/running").await.problem(404);
}

#[tokio::test]
async fn a_round_is_started_once_for_each_key() {
    let server = Server::local().await;
    let mut requests = server.app.take_requests().unwrap();
    let post = |schedule: &str| Request::json("/api/v1/rounds", &json!({ "schedule": schedule }));
    let key = |request: Request, key: &str| request.header("idempotency-key", key);
    let first = server.send(&key(post("hourly"), "one")).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let json = first.json();
    assert_eq!(
        (&json["document"], &json["schedule"]),
        (&json!("service-requested-round"), &json!("hourly"))
    );
    let id = json["id"].as_str().unwrap();
    assert_eq!(first.header("location"), Some(&*format!("/api/v1/rounds/{id}")));
    let again = server.send(&key(post("hourly"), "one")).await;
    assert_eq!((again.status, again.json()), (202, json.clone()));
    server.send(&key(post("nightly"), "one")).await.problem(422);
    // It waits: another one has no place.
    server.send(&key(post("hourly"), "two")).await.problem(409);
    server.send(&post("hourly")).await.problem(409);
    assert_eq!(requests.recv().await.unwrap().id, id);
    let _progress = server.app.live().start(live());
    let detail = server.send(&key(post("hourly"), "three")).await.problem(409);
    assert!(detail.contains(&live().id), "{detail}");
    // The first answer stays the same while its round runs.
    assert_eq!(server.send(&key(post("hourly"), "one")).await.json(), json);
    let detail = server.send(&post("daily")).await.problem(422);
    assert!(detail.contains("expected one of hourly, nightly, weekly"), "{detail}");
}

#[tokio::test]
async fn a_request_for_a_round_that_means_nothing_starts_none() {
    let server = Server::local().await;
    let mut requests = server.app.take_requests().unwrap();
    let post = |body: &Value| Request::json("/api/v1/rounds", body);
    for body in [
        json!({}),
        json!({ "schedule": 1 }),
        json!([]),
        json!({ "schedule": "hourly", "fix": true }),
    ] {
        server.send(&post(&body)).await.problem(400);
    }
    let good = post(&json!({ "schedule": "hourly" }));
    for key in ["", &"x".repeat(129), "a\tb\u{e9}"] {
        server.send(&good.clone().header("idempotency-key", key)).await.problem(400);
    }
    let two = good.clone().header("idempotency-key", "a").header("idempotency-key", "b");
    server.send(&two).await.problem(400);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let request =
            Request::new(method, "/api/v1/rounds").header("content-type", "application/json");
        let status = server.send(&request).await.status;
        assert_eq!(status, 405, "{method}");
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_form_that_starts_a_round_leads_to_its_page() {
    let server = Server::local().await;
    let origin = format!("http://{}", server.address);
    let form = Request::form("/api/v1/rounds", "schedule=hourly").header("origin", &origin);
    let answer = server.send(&form).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(answer.header("location").unwrap().starts_with("/rounds/"));
}

#[tokio::test]
async fn coverage_is_filtered_and_paged() {
    let server = Server::local().await;
    let coverage = async |query: &str| {
        document(&server, &format!("/api/v1/coverage{query}"), "service-coverage").await
    };
    let all = coverage("").await;
    assert_eq!(all["accounts"].as_array().unwrap().len(), ACCOUNTS);
    assert_eq!(all["regions"].as_array().unwrap().len(), samples::REGIONS.len());
    let dark = coverage("?state=dark").await;
    assert_eq!(dark["accounts"][0]["account"], samples::account(12));
    assert_eq!((dark["matching"].as_u64(), &dark["next"]), (Some(1), &Value::Null));
    let one = coverage(&format!("?account={}", samples::account(7))).await;
    assert_eq!(one["accounts"][0]["cells"][7]["state"], "failed");
    let unit = coverage("?ou=Root/Workloads").await;
    let paths =
        unit["accounts"].as_array().unwrap().iter().map(|it| it["unit_path"].as_str().unwrap());
    assert!(paths.clone().count() > 5 && paths.clone().all(|it| it.starts_with("Root/Workloads/")));
    assert_eq!(coverage("?ou=Root/Work").await["matching"], 0);
    let mut found = Vec::new();
    let mut query = "?limit=9".to_owned();
    loop {
        let page = coverage(&query).await;
        found.extend(page["accounts"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=9&after={next}");
    }
    assert_eq!(json!(found), all["accounts"]);
    for query in ["?state=good", "?account=1", "?limit=501", "?after=x", "?region=x"] {
        server.get(&format!("/api/v1/coverage{query}")).await.problem(400);
    }
    let accounts = document(&server, "/api/v1/accounts?limit=5", "service-accounts").await;
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 5);
    assert!(accounts["next"].is_string());
}

#[tokio::test]
async fn the_chains_of_an_account_show_what_is_not_proven() {
    let server = Server::local().await;
    let path =
        format!("/api/v1/chains?account={}&region={}", samples::account(7), samples::REGIONS[7]);
    let chains = document(&server, &path, "service-chains").await;
    let [chain] = chains["chains"].as_array().unwrap().as_slice() else { panic!("{chains}") };
    assert_eq!(chain["proven"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&chain["findings"][0]["broken"], &chain["findings"][0]["kind"]),
        (&json!(true), &json!("digest-missing"))
    );
    let path = format!("/api/v1/chains?account={}", samples::account(7));
    let all = document(&server, &path, "service-chains").await;
    assert_eq!(all["chains"].as_array().unwrap().len(), samples::REGIONS.len());
    server.get("/api/v1/chains?account=999999999999").await.problem(404);
    server.get("/api/v1/chains").await.problem(400);
}

#[tokio::test]
async fn findings_are_those_since_a_time_and_of_a_severity() {
    let server = Server::local().await;
    let findings = async |query: &str| {
        document(&server, &format!("/api/v1/findings{query}"), "service-findings").await
    };
    let all = findings("").await;
    let count = all["findings"].as_array().unwrap().len();
    assert_eq!(all["matching"], count);
    // One is three days old.
    assert_eq!(findings("?since=2026-11-24T00:00:00Z").await["matching"], count - 1);
    let critical = findings("?severity=critical").await;
    let critical = critical["findings"].as_array().unwrap();
    assert!(!critical.is_empty() && critical.iter().all(|it| it["severity"] == "critical"));
    assert_eq!(findings("?suppressed=true").await["matching"], 1);
    let first = findings("?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let rest = findings(&format!("?after={next}")).await;
    assert_eq!(rest["findings"].as_array().unwrap().len(), count - 1);
    server.get("/api/v1/findings?after=gone").await.problem(410);
    server.get("/api/v1/findings?since=yesterday").await.problem(400);
}

#[tokio::test]
async fn sources_are_those_of_the_newest_consolidation() {
    let server = Server::local().await;
    let sources = document(&server, "/api/v1/sources", "service-sources").await;
    assert_eq!(sources["by_source"].as_object().unwrap().len(), 2);
    assert_eq!((&sources["complete"], &sources["unreadable_regions"]), (&json!(false), &json!(1)));
}

#[tokio::test]
async fn before_the_first_round_everything_is_empty_and_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::Directory(DirectoryStore::open(&folder.path().join("state")).unwrap());
    let app = samples::empty_app(store, "[service]\nlisten = \"127.0.0.1:0\"\n");
    let server = Server::of(app, folder).await;
    for (path, name, empty) in [
        ("status", "service-status", "rounds"),
        ("rounds", "service-rounds", "rounds"),
        ("coverage", "service-coverage", "accounts"),
        ("accounts", "service-accounts", "accounts"),
        ("findings", "service-findings", "findings"),
        ("evidence", "service-bundles", "bundles"),
    ] {
        let json = document(&server, &format!("/api/v1/{path}"), name).await;
        assert_eq!(json[empty], json!([]), "{path}");
    }
    assert_eq!(document(&server, "/api/v1/sources", "service-sources").await["round"], Value::Null);
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_client_that_has_a_document_does_not_get_it_again() {
    let server = Server::local().await;
    let first = server.get("/api/v1/coverage").await;
    let tag = first.header("etag").unwrap();
    let again = server.send(&Request::get("/api/v1/coverage").header("if-none-match", tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag));
    let other = Request::get("/api/v1/accounts").header("if-none-match", tag);
    assert_eq!(server.send(&other).await.status, 200);
    let head = server.send(&Request::new("HEAD", "/api/v1/coverage")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn unknown_paths_of_the_api_are_problems() {
    let server = Server::local().await;
    for path in ["/api", "/api/", "/api/v1", "/api/v2/status", "/api/v1/status/", "/api/v1/apply"] {
        server.get(path).await.problem(404);
    }
    let apply = Request::json("/api/v1/apply", &json!({}));
    server.send(&apply).await.problem(404);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_reported_without_details() {
    let server = Server::local().await;
    let id = samples::round_id(0);
    let rounds = server.folder.path().join("state/reports").join(&id);
    std::fs::remove_dir_all(&rounds).unwrap();
    // A file where the folder was: neither present nor absent.
    std::fs::write(&rounds, "").unwrap();
    let answer = server.get(&format!("/api/v1/rounds/{id}/report?part=drift")).await;
    let detail = answer.problem(503);
    assert!(!detail.contains("reports") && answer.header("retry-after").is_some(), "{detail}");
    assert_eq!(server.get("/api/v1/coverage").await.status, 200, "what is in memory is shown");
}

#[tokio::test]
async fn health_is_about_what_the_service_needs_and_not_about_drift() {
    let server = Server::local().await;
    assert_eq!(server.get("/livez").await.text(), "ok\n");
    let ready = document(&server, "/readyz", "service-readiness").await;
    assert_eq!((&ready["ready"], &ready["failing"]), (&json!(true), &json!([])));
    server.app.keep_configuration("line 3: unknown key".to_owned());
    server.app.set_health(|health| health.credentials = Some("the token expired".to_owned()));
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    let failing = &answer.json()["failing"];
    assert_eq!(failing[0], json!({ "part": "configuration", "reason": "line 3: unknown key" }));
    assert_eq!(failing[1]["part"], "credentials");
    assert_eq!(server.get("/livez").await.status, 200);
    // Reasons name accounts and roles: they are for those who may read.
    let (server, _) = Server::with_tokens().await;
    server.app.set_health(|health| health.state = Some("s3://secret-bucket".to_owned()));
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["failing"], json!([{ "part": "state", "reason": null }]));
}
