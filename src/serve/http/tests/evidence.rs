//! Evidence bundles in the background.

use serde_json::json;

use super::client::{Request, Server};

const EVIDENCE: &str = "/api/v1/evidence";

#[tokio::test]
async fn a_time_range_that_makes_no_sense_is_refused() {
    let server = Server::local().await;
    let post = |from: &str, to: &str| Request::json(EVIDENCE, &json!({ "from": from, "to": to }));
    let (january, february) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    for (from, to) in [(february, january), (january, january), (january, "2026-02-01T00:00:01Z")] {
        server.send(&post(from, to)).await.problem(422);
    }
    for (from, to) in [("x", january), ("2026-01-01", january)] {
        server.send(&post(from, to)).await.problem(400);
    }
    let target = json!({ "from": january, "to": february, "target": "s3://other" });
    server.send(&Request::json(EVIDENCE, &target)).await.problem(400);
    assert_eq!(server.get(EVIDENCE).await.json()["bundles"], json!([]));
}

#[tokio::test]
async fn a_bundle_of_another_process_is_not_shown() {
    let server = Server::local().await;
    for path in ["a-1", "a-1/bundle", "..%2ftokens/bundle"] {
        server.get(&format!("{EVIDENCE}/{path}")).await.problem(404);
    }
}
