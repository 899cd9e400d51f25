//! `orgtrail service test-notification`, with receivers on this machine.

use std::path::Path;

use serde_json::Value;

use crate::env::MINIMAL;
use crate::env::receiver::{Answer, Receiver};
use crate::program::{Finished, finish_apart, orgtrail};

fn channel(name: &str, kind: &str, lines: &str) -> String {
    format!("[[service.notify]]\nname = \"{name}\"\nkind = \"{kind}\"\n{lines}\n")
}

/// Runs the command with channels, and with a key in its environment.
async fn run(channels: &str, arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), channels, arguments).await
}

async fn run_in(folder: &Path, channels: &str, arguments: &[&str]) -> Finished {
    std::fs::write(folder.join("orgtrail.toml"), format!("{MINIMAL}{channels}")).unwrap();
    let arguments = [&["service", "test-notification"], arguments].concat();
    let mut command = orgtrail(folder, &arguments);
    command.env("HOOK_KEY", "hunter2hunter2");
    finish_apart(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_channel_receives_an_example_and_its_end() {
    let receiver = Receiver::start(Vec::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slack");
    std::fs::write(&file, format!("{}/slack/T0/B0\n", receiver.origin)).unwrap();
    let target =
        |path: &str| format!("target = \"{}/{path}\"\nallow_private = true", receiver.origin);
    let channels = [
        channel("hook", "webhook", &format!("{}\nsecret_env = \"HOOK_KEY\"", target("hook"))),
        channel(
            "chat",
            "slack",
            &format!("secret_file = \"{}\"\nallow_private = true", file.display()),
        ),
        channel("alerts", "alertmanager", &target("am")),
        channel("search", "opensearch", &target("index")),
        channel("ping", "dead_man", &target("ping")),
    ];
    let ran = run(&channels.concat(), &["--format", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let report = ran.json();
    assert_eq!(report["document"], "notification-test");
    assert_eq!(report["deliveries"].as_array().unwrap().len(), 5);
    let requests = receiver.received();
    let mut paths: Vec<&str> =
        requests.iter().map(|it| it.path.split('?').next().unwrap()).collect();
    paths.sort_unstable();
    let expected = [
        "/am/api/v2/alerts",
        "/am/api/v2/alerts",
        "/hook",
        "/hook",
        "/index/_bulk",
        "/index/_bulk",
        "/ping/start",
        "/slack/T0/B0",
        "/slack/T0/B0",
    ];
    assert_eq!(paths, expected);
    let hooks = requests.iter().filter(|it| it.path == "/hook");
    let transitions: Vec<Value> = hooks
        .map(|it| serde_json::from_slice::<Value>(&it.body).unwrap())
        .inspect(|document| assert_eq!(document["is_test"], true))
        .map(|document| document["findings"][0]["transition"].clone())
        .collect();
    assert_eq!(transitions, ["new", "resolved"]);
    assert!(!ran.text().contains("hunter2"), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channel_can_be_tested_and_an_unknown_one_is_refused() {
    let receiver = Receiver::start(Vec::new()).await;
    let lines = format!("target = \"{}/x\"\nallow_private = true", receiver.origin);
    let channels = [channel("one", "slack", &lines), channel("other", "slack", &lines)].concat();
    let ran = run(&channels, &["--channel", "other"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "other: delivered\n"), "{}", ran.text());
    assert_eq!(receiver.received().len(), 2);
    let refused = run(&channels, &["--channel", "third"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("no channel `third`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("one, other"), "{}", refused.stderr);
    let none = run("", &[]).await;
    assert_eq!(none.code, 2, "{}", none.text());
    assert!(none.stderr.contains("has no channel"), "{}", none.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_refuses_is_reported_without_its_secret() {
    let echo = "no such token: hunter2hunter2 at /services/hunter2hunter2";
    let receiver = Receiver::start(vec![Answer::Status(403, echo.to_owned())]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{}/services/hunter2hunter2", receiver.origin)).unwrap();
    let lines = format!("secret_file = \"{}\"\nallow_private = true", file.display());
    let ran = run(&channel("chat", "slack", &lines), &["--log", "debug"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(ran.stdout.contains("chat: not delivered: http://127.0.0.1:"), "{}", ran.stdout);
    assert!(ran.stdout.contains("responded with 403"), "{}", ran.stdout);
    assert!(!ran.text().contains("hunter2"), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_leads_into_a_private_network_is_refused_unless_it_is_allowed() {
    let receiver = Receiver::start(Vec::new()).await;
    let port = receiver.origin.rsplit(':').next().unwrap();
    for (url, says) in [
        (format!("https://127.0.0.1:{port}/x"), "private network"),
        ("https://169.254.169.254/latest/meta-data/".to_owned(), "no address of a server"),
        ("https://[::ffff:10.0.0.1]/x".to_owned(), "private network"),
    ] {
        let ran = run(&channel("chat", "slack", &format!("target = \"{url}\"")), &[]).await;
        assert_eq!(ran.code, 2, "{url}: {}", ran.text());
        assert!(ran.stderr.contains("the channel `chat` cannot be used"), "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{url}: {}", ran.stderr);
    }
    // A name is refused once it is resolved.
    let lines = format!("target = \"https://localhost:{port}/x\"");
    let ran = run(&channel("chat", "slack", &lines), &[]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(ran.stdout.contains("private network"), "{}", ran.text());
    assert!(receiver.received().is_empty());
    let lines = format!("target = \"http://localhost:{port}/x\"\nallow_private = true");
    let ran = run(&channel("chat", "slack", &lines), &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_its_secret_is_refused_before_anything_is_sent() {
    let receiver = Receiver::start(Vec::new()).await;
    let target = format!("target = \"{}/x\"\nallow_private = true", receiver.origin);
    let good = channel("good", "slack", &target);
    for (lines, says) in [
        ("secret_env = \"MISSING\"", "MISSING is not set"),
        ("secret_file = \"/does/not/exist\"", "reading the secret from `/does/not/exist`"),
    ] {
        let bad = channel("bad", "webhook", &format!("{target}\n{lines}"));
        let ran = run(&format!("{good}{bad}"), &[]).await;
        assert_eq!(ran.code, 2, "{}", ran.text());
        assert!(ran.stderr.contains("the channel `bad` cannot be used"), "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    assert!(receiver.received().is_empty());
}
