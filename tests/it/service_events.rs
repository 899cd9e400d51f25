//! The pages of recorded events: from a finding to its events, and to who was behind them.

use jiff::SignedDuration;
use serde_json::json;
use tokio::task::block_in_place;

use crate::env::HOME;
use crate::rounds::LegacyEnv;
use crate::service_client::Service;

/// The first link of a page that begins so.
fn link(page: &str, beginning: &str) -> String {
    let start = format!("href=\"{beginning}");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {beginning}: {page}"));
    let (rest, _) = rest.split_once('"').unwrap();
    format!("{beginning}{rest}").replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_events_behind_a_finding_are_one_click_away_and_who_did_it_is_the_next() {
    let env = LegacyEnv::provisioned(3).await;
    env.sandbox.tick(SignedDuration::from_hours(1));
    let admin = env.sdk_config(env.administrator(), HOME);
    let trail = aws_sdk_cloudtrail::Client::new(&admin);
    let trails = trail.describe_trails().send().await.unwrap();
    let arn = trails.trail_list()[0].trail_arn().unwrap().to_owned();
    trail.stop_logging().name(&arn).send().await.unwrap();
    trail.start_logging().name(&arn).send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(1));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "{}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"{}\"\n[[service.schedule]]\n\
         name = \"test\"\nrun = [\"detect\"]\ncron = \"0 0 1 1 *\"\n",
        env.config,
        folder.path().join("state").display()
    );
    block_in_place(|| {
        let service = Service::start(env.command(folder.path(), &config, &["serve"]));
        let page = |path: &str| {
            let (status, page) = service.send(&format!("GET {path}"), "", "");
            assert_eq!(status, 200, "{path}: {page}");
            page
        };
        let (status, requested) = service.post("/api/v1/rounds", &json!({ "schedule": "test" }));
        assert_eq!(status, 202, "{requested}");
        let round = format!("/api/v1/rounds/{}", requested["id"].as_str().unwrap());
        while service.get(&round).1["ended_at"].is_null() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let events = page(&link(&page("/drift?q=trail-stopped"), "/events?account="));
        assert!(events.contains("StopLogging"), "{events}");
        assert!(events.contains("orgtrail events search --account"), "{events}");
        // The row of the call leads to who made it.
        let (_, row) = events.split_once("StopLogging").unwrap();
        let who = page(&link(row, "/events/who?who="));
        assert!(who.contains(" was IAM user admin"), "{who}");
        assert!(who.contains("origin"), "{who}");
        // The form alone reads nothing, and says what is wrong with it.
        assert!(page("/events").contains("Nothing was read yet"));
        let wrong = page("/events?account=1&from=24h");
        assert!(wrong.contains("An account id has 12 digits."), "{wrong}");
        let nothing = page("/events?event=NoSuchEvent&from=3h");
        assert!(nothing.contains("No event that was read matches."), "{nothing}");
        assert!(page("/events/who?who=ASIANOBODYEXAMPLE000&at=1h").contains("not found"));
    });
}
