//! A client of the service: a website that an operator visits, a token with a smaller scope,
//! and another machine of the network.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;
use crate::service_client::Service;

fn config(folder: &Path, service: &str) -> String {
    format!("{MINIMAL}[service]\nstate = \"{}\"\n{service}", folder.join("state").display())
}

/// A service on a free port, with lines in its configuration.
async fn service(lines: &str) -> (ConfiguredEnv, TempDir, Service) {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), &format!("listen = \"127.0.0.1:0\"\n{lines}"));
    let command = env.command(folder.path(), &text, &["serve"]);
    let service = tokio::task::spawn_blocking(move || Service::start(command)).await.unwrap();
    (env, folder, service)
}

/// Creates a token with the command, in the file of the service.
async fn token(env: &ConfiguredEnv, folder: &Path, scope: &str) -> String {
    let arguments =
        ["service", "token", "--scope", scope, "--days", "1", "--file", "tokens.toml", "--quiet"];
    let ran = env.run_in(folder, MINIMAL, &arguments).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    ran.stdout.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_website_reads_and_starts_nothing() {
    let (_env, _folder, service) = service("").await;
    // Its name leads to this machine.
    let rebound = service.send("GET /api/v1/status", "host: evil.example", "");
    assert_eq!(rebound.0, 421, "{}", rebound.1);
    assert!(rebound.1.contains("this service does not answer for that host"), "{}", rebound.1);
    // It sends a form, and loads a script.
    let form = "content-type: application/x-www-form-urlencoded\norigin: https://evil.example";
    let sent = service.send("POST /api/v1/rounds", form, "schedule=hourly");
    assert_eq!(sent.0, 403, "{}", sent.1);
    assert!(sent.1.contains("requests of other sites are refused"), "{}", sent.1);
    let script = "sec-fetch-site: cross-site\nsec-fetch-mode: no-cors\nsec-fetch-dest: script";
    assert_eq!(service.send("GET /api/v1/status", script, "").0, 403);
    // The neighbours: the service's own page, and a program of this machine.
    let form = form.replace("https://evil.example", &format!("http://{}", service.address));
    assert_eq!(service.send("POST /api/v1/rounds", &form, "schedule=unknown").0, 422);
    assert_eq!(service.get("/api/v1/status").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_reads_starts_nothing_and_takes_no_logs() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    let read = token(&env, folder.path(), "read").await;
    let run = token(&env, folder.path(), "run").await;
    let stored = std::fs::read_to_string(folder.path().join("tokens.toml")).unwrap();
    assert!(!stored.contains(&read) && !stored.contains(&run), "{stored}");
    let lines = format!(
        "listen = \"127.0.0.1:0\"\n[service.access]\ntokens = \"{}\"\n",
        folder.path().join("tokens.toml").display()
    );
    let command = env.command(folder.path(), &config(folder.path(), &lines), &["serve"]);
    let service = tokio::task::spawn_blocking(move || Service::start(command)).await.unwrap();
    let with =
        |token: &str| format!("authorization: Bearer {token}\ncontent-type: application/json");
    let start = json!({ "schedule": "unknown" }).to_string();
    let refused = service.send("POST /api/v1/rounds", &with(&read), &start);
    assert_eq!(refused.0, 403, "{}", refused.1);
    assert!(refused.1.contains("this needs the scope `run`"), "{}", refused.1);
    for line in ["GET /api/v1/evidence", "POST /api/v1/evidence", "GET /metrics"] {
        assert_eq!(service.send(line, &with(&read), "{}").0, 403, "{line}");
    }
    assert_eq!(service.send("GET /api/v1/status", &with(&run), "").0, 403);
    assert_eq!(service.send("GET /api/v1/status", "", "").0, 401);
    // The neighbours: each token does what it is for.
    assert_eq!(service.send("GET /api/v1/status", &with(&read), "").0, 200);
    assert_eq!(service.send("POST /api/v1/rounds", &with(&run), &start).0, 422);
}

#[tokio::test]
async fn another_machine_gets_no_service_that_asks_for_nothing() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), "listen = \"0.0.0.0:0\"\n");
    let ran = env.run_in(folder.path(), &text, &["serve"]).await;
    assert_eq!(ran.code, 2, "{}", ran.text());
    assert!(ran.stderr.contains("no client has to authenticate"), "{}", ran.stderr);
    assert!(ran.stderr.contains("service.access.tokens"), "{}", ran.stderr);
    // The neighbour: the same for this machine is checked and accepted.
    let text = text.replace("0.0.0.0", "127.0.0.1");
    let ran = env.run_in(folder.path(), &text, &["config", "check"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[tokio::test]
async fn a_file_of_tokens_that_others_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    token(&env, folder.path(), "read").await;
    let file = folder.path().join("tokens.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let lines =
        format!("listen = \"127.0.0.1:0\"\n[service.access]\ntokens = \"{}\"\n", file.display());
    let ran = env.run_in(folder.path(), &config(folder.path(), &lines), &["serve"]).await;
    assert_eq!(ran.code, 2, "{}", ran.text());
    assert!(ran.stderr.contains("others can change the file of tokens"), "{}", ran.stderr);
}
