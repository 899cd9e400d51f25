//! The documents of the service's API, as a running service answers them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use orgtrail::archive::bundle::unpack;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::configured::ConfiguredEnv;
use crate::service_client::Service;

/// Every document that the API answers, that a round stores, and that `orgtrail status` and
/// `orgtrail service token` print. `period` is one with logs.
pub(crate) fn all(
    env: &ConfiguredEnv,
    config: &str,
    folder: &Path,
    period: [&str; 2],
) -> Vec<Value> {
    let state = folder.join("state");
    let config = format!(
        "{config}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"{}\"\n[[service.schedule]]\n\
         name = \"test\"\nrun = [\"drift\", \"verify\"]\ncron = \"0 0 1 1 *\"\n",
        state.display()
    );
    let printed = |arguments: &[&str]| {
        let output = env.command(folder, &config, arguments).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let token = ["service", "token", "--scope", "read", "--days", "1", "--file", "tokens.toml"];
    let mut documents = vec![printed(&[&token[..], &["--format", "json"]].concat())];
    let service = Service::start(env.command(folder, &config, &["serve"]));
    // The number of an earlier process: what follows is a gap, and then every event.
    let events = service.open("GET /api/v1/events", "last-event-id: 9999", "");
    // The progress of a round is shown once a second: this one takes longer.
    let slow = Effect::Latency { milliseconds: 2500 };
    env.sandbox.faults().inject(Fault::every("cloudtrail:GetTrailStatus", slow).times(1));
    let (status, requested) = service.post("/api/v1/rounds", &json!({ "schedule": "test" }));
    assert_eq!(status, 202, "{requested}");
    let round = requested["id"].as_str().unwrap().to_owned();
    documents.push(requested);
    for line in BufReader::new(events).lines().map(Result::unwrap) {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(data).unwrap();
        let is_last = event["kind"] == "round_ended";
        documents.push(event);
        if is_last {
            break;
        }
    }
    let build = json!({ "from": period[0], "to": period[1] });
    let (status, bundle) = service.post("/api/v1/evidence", &build);
    assert_eq!(status, 202, "{bundle}");
    let place = format!("/api/v1/evidence/{}", bundle["id"].as_str().unwrap());
    // One at a time, unless it has been built already.
    let (status, problem) = service.post("/api/v1/evidence", &build);
    assert!(status == 409 || status == 202, "{problem}");
    let bundle = loop {
        let (_, bundle) = service.get(&place);
        if bundle["state"] != "building" {
            break bundle;
        }
        std::thread::yield_now();
    };
    assert_eq!((&bundle["state"], &bundle["reason"]), (&json!("ready"), &Value::Null));
    let (status, bytes) = service.send_for_bytes(&format!("GET {place}/bundle"), "", "");
    assert_eq!((status, bytes.len() as u64), (200, bundle["size_bytes"].as_u64().unwrap()));
    let file = folder.join("downloaded.tar.zst");
    std::fs::write(&file, bytes).unwrap();
    let unpacked = unpack(&file, folder).unwrap();
    assert!(unpacked.path("manifest.json").exists());
    documents.push(bundle);
    let (account, other) = ("111111111111", "0");
    for path in [
        "status".to_owned(),
        "rounds".to_owned(),
        format!("rounds/{round}"),
        format!("rounds/{round}/diff/{round}"),
        format!("rounds/{round}/report?part=drift"),
        "coverage".to_owned(),
        "accounts".to_owned(),
        format!("chains?account={account}"),
        "findings".to_owned(),
        "sources".to_owned(),
        "schedules".to_owned(),
        "evidence".to_owned(),
        "landing-zone".to_owned(),
    ] {
        let (status, document) = service.get(&format!("/api/v1/{path}"));
        assert_eq!(status, 200, "{path}: {document}");
        documents.push(document);
    }
    let (status, problem) = service.get(&format!("/api/v1/rounds/{other}"));
    assert_eq!(status, 404);
    documents.push(problem);
    documents.push(service.get("/readyz").1);
    documents.push(printed(&["status", "--format", "json"]));
    drop(service);
    documents.extend(of_accounts(env, &config, folder, &state));
    let signals = state.join("reports").join(&round).join("signals.json");
    documents.push(serde_json::from_slice(&std::fs::read(signals).unwrap()).unwrap());
    documents
}

/// What the service stores about accounts: one joins while it does not run.
fn of_accounts(env: &ConfiguredEnv, config: &str, folder: &Path, state: &Path) -> Vec<Value> {
    let create = env.management().organizations().create_account().account_name("new");
    let created = create.email("new@example.com").send();
    tokio::runtime::Handle::current().block_on(created).unwrap();
    let service = Service::start(env.command(folder, config, &["serve"]));
    let joined = loop {
        let (_, document) = service.get("/api/v1/landing-zone");
        if let Some(joined) = document["joined"].as_array().unwrap().first() {
            break joined.clone();
        }
        std::thread::yield_now();
    };
    let events = state.join("accounts/events");
    let folders: Vec<_> =
        std::fs::read_dir(&events).unwrap().map(|it| it.unwrap().path()).collect();
    let [folder] = folders.as_slice() else { panic!("{folders:?}") };
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(joined["account"].as_str().unwrap()), "{name}");
    let files = [state.join("accounts/baseline.json"), folder.join("joined.json")];
    let read = |path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    files.into_iter().map(read).collect()
}
