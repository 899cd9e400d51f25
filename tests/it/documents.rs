//! Every document of the contract, as real commands print and store it, matches its schema.

use std::collections::BTreeMap;
use std::path::Path;

use flate2::read::GzDecoder;
use orgtrail::archive::bundle::unpack;
use orgtrail::report::contract::DOCUMENTS;
use serde_json::Value;

use crate::bootstrap_env::CONFIG;
use crate::configured::ConfiguredEnv;
use crate::consolidate_env::log_body;
use crate::env::receiver::Receiver;
use crate::events_detect::SIGMA;
use crate::json_schema::{mismatches, mismatches_of, without_each_field};
use crate::retire_env::{TRAIL, config, with_legacy_trail};
use crate::service_documents;

const ARCHIVE: &str = "acme-log-archive";

/// The fields that some documents of a kind have and others do not.
const SOMETIMES: [&str; 2] = ["identity", "environment_overrides"];

/// Validates documents, and counts those of each kind.
#[derive(Default)]
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn check(&mut self, from: &str, text: &[u8]) -> Value {
        let text = String::from_utf8_lossy(text);
        let document: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{from}: {error}: {text}"));
        let name = document["document"].as_str().unwrap_or_else(|| panic!("{from}: {text}"));
        let schema = schema(name);
        assert_eq!(mismatches(&schema, &document), [""; 0], "{from}: {document:#}");
        for (field, less) in without_each_field(&document) {
            let is_refused = !mismatches(&schema, &less).is_empty();
            assert!(is_refused || SOMETIMES.contains(&field.as_str()), "{from}: without {field}");
        }
        *self.0.entry(name.to_owned()).or_default() += 1;
        document
    }
}

fn schema(name: &str) -> Value {
    let kind = DOCUMENTS.iter().find(|kind| kind.name == name);
    (kind.unwrap_or_else(|| panic!("no document is named {name}")).schema)().to_value()
}

/// A log in the archive that nobody delivered, beside one that CloudTrail did.
async fn plant(env: &ConfiguredEnv) -> String {
    let hour = env.sandbox.now() - jiff::SignedDuration::from_hours(20);
    let time = hour.strftime("_%Y%m%dT%H").to_string();
    let keys = env.sandbox.keys_raw(ARCHIVE, "AWSLogs/");
    let delivered = keys.iter().find(|key| key.contains("_CloudTrail_") && key.contains(&time));
    let (beside, _) = delivered.unwrap_or_else(|| panic!("{keys:#?}")).rsplit_once('_').unwrap();
    let planted = format!("{beside}_bbbbbbbbbbbbbbbb.json.gz");
    let put = env.archive().s3().put_object().bucket(ARCHIVE).key(&planted);
    put.body(log_body("nobody's").into()).send().await.unwrap();
    planted
}

/// A manifest below a folder of an export.
fn first_manifest(folder: &Path) -> Option<std::path::PathBuf> {
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find_map(|path| {
        let is_manifest = path.to_string_lossy().contains("/_manifest-");
        if path.is_dir() { first_manifest(&path) } else { is_manifest.then_some(path) }
    })
}

fn run(env: &ConfiguredEnv, folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let arguments = [arguments, &["--format", "json"]].concat();
    let output = env.command(folder, &config(), &arguments).output().unwrap();
    assert!(
        !output.stdout.is_empty(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_that_commands_print_or_store_matches_its_schema() {
    let env = with_legacy_trail(30).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("rules")).unwrap();
    std::fs::write(folder.join("rules/user.yml"), SIGMA).unwrap();
    let mut seen = Seen::default();
    let mut check = |arguments: &[&str]| {
        let text = tokio::task::block_in_place(|| run(&env, folder, arguments));
        seen.check(&format!("orgtrail {}", arguments.join(" ")), &text)
    };
    for arguments in [
        &["config", "check"][..],
        &["config", "show"],
        &["config", "roles"],
        &["explain"],
        &["plan", "--out", "saved.plan"],
        &["apply", "saved.plan", "--yes"],
        &["accounts"],
        &["doctor"],
        &["coverage"],
        &["sources"],
        &["consolidate", "--dry-run"],
        &["consolidate", "--yes"],
        &["records"],
        &["verify"],
        &["events", "search", "--limit", "20", "--proof"],
        &["events", "who", "orgtrail", "--sessions"],
        &["events", "reconcile"],
        &["events", "detect", "--since", "2d", "--baseline", "1d", "--proof"],
        &["events", "detect", "--rules", "rules", "--lint"],
        &["events", "export", "--to", "lake"],
        &["cost"],
        &["drift"],
        &["drift", "--baseline", "drift.json"],
        &["run", "consolidate,verify,drift", "--yes"],
        &["retire", TRAIL, "--yes"],
        &["destroy", "--dry-run"],
        &["demo", "--accounts", "4"],
        &["sandbox", "up", "--detach", "--accounts", "4"],
        &["sandbox", "tick"],
        &["sandbox", "confirm"],
    ] {
        let document = check(arguments);
        if arguments == ["drift"] {
            std::fs::write(folder.join("drift.json"), document.to_string()).unwrap();
        }
    }
    let mut bootstrap = env.command(folder, CONFIG, &["bootstrap", "--format", "json"]);
    let bootstrap = tokio::task::block_in_place(|| bootstrap.output());
    seen.check("orgtrail bootstrap", &bootstrap.unwrap().stdout);
    let mut check = |arguments: &[&str]| {
        let text = tokio::task::block_in_place(|| run(&env, folder, arguments));
        seen.check(&format!("orgtrail {}", arguments.join(" ")), &text)
    };
    let planted = plant(&env).await;
    check(&["accept", &planted, "--reason", "ticket 4711", "--yes"]);
    check(&["accept", "--list"]);
    let now = env.sandbox.now();
    let [from, until] = [20, 4].map(|hours| {
        let time = now - jiff::SignedDuration::from_hours(hours);
        time.strftime("%Y-%m-%dT%H:00:00Z").to_string()
    });
    check(&["evidence", "--from", &from, "--until", &until, "-o", "bundle.tar.zst"]);
    let mut down = env.command(folder, &config(), &["sandbox", "down"]);
    assert!(tokio::task::block_in_place(|| down.status()).unwrap().success());

    // What a channel receives.
    let receiver = Receiver::start(Vec::new()).await;
    let channel = format!(
        "[[service.notify]]\nname = \"hook\"\nkind = \"webhook\"\ntarget = \"{}\"\n\
         allow_private = true\nsecret_env = \"HOOK_KEY\"\n",
        receiver.origin
    );
    let with_channel = format!("{}\n{channel}", config());
    let arguments = ["service", "test-notification", "--format", "json"];
    let mut command = env.command(folder, &with_channel, &arguments);
    let tested = tokio::task::block_in_place(|| command.env("HOOK_KEY", "key").output()).unwrap();
    seen.check("orgtrail service test-notification", &tested.stdout);
    for request in receiver.received() {
        seen.check("a request to a webhook", &request.body);
    }

    // What the service answers and stores.
    let answered = tokio::task::block_in_place(|| {
        service_documents::all(&env, &config(), folder, [&from, &until])
    });
    for document in answered {
        seen.check("orgtrail serve", document.to_string().as_bytes());
    }

    // What they saved and stored.
    seen.check("saved.plan", &std::fs::read(folder.join("saved.plan")).unwrap());
    let bundle = unpack(&folder.join("bundle.tar.zst"), folder).unwrap();
    for file in ["manifest.json", "report.json"] {
        seen.check(file, &std::fs::read(bundle.path(file)).unwrap());
    }
    let manifest = first_manifest(&folder.join("lake/events")).unwrap();
    seen.check("a manifest of an export", &std::fs::read(manifest).unwrap());
    for key in env.sandbox.keys_raw(ARCHIVE, "orgtrail/") {
        let body = env.sandbox.body_raw(ARCHIVE, &key).unwrap();
        // The public keys are in the form in which AWS lists them.
        if key == "orgtrail/public-keys.json" {
            continue;
        }
        let (document, row_type) = match key.split('/').nth(1) {
            Some("runs") => ("run-record", "Row"),
            Some("proofs") => ("proof-record", "ProvenUnit"),
            _ => {
                seen.check(&key, &body);
                continue;
            }
        };
        let text = std::io::read_to_string(GzDecoder::new(&body[..])).unwrap();
        let (head, rows) = text.split_once('\n').unwrap();
        seen.check(&key, head.as_bytes());
        let schema = schema(document);
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            assert_eq!(mismatches_of(&schema, row_type, &row), [""; 0], "{key}: {row:#}");
        }
    }
    let missing: Vec<&str> =
        DOCUMENTS.iter().map(|kind| kind.name).filter(|name| !seen.0.contains_key(*name)).collect();
    assert!(missing.is_empty(), "nothing printed or stored {missing:?}");
}
