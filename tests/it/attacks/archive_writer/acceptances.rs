//! Acceptances that somebody writes who can write below `orgtrail/`.

use jiff::SignedDuration;
use orgtrail::archive::accept::{Acceptance, FORMAT_VERSION, record_key};
use orgtrail::archive::consolidate::record::sha256_hex;
use serde_json::Value;

use crate::consolidate_env::log_body;
use crate::program::finish_apart;
use crate::rounds::{ARCHIVE, LegacyEnv};

/// A log that no digest lists, beside one that the organization's trail delivered in
/// the middle of what digests cover.
pub(super) async fn plant(env: &LegacyEnv) -> String {
    let first = env.delivered();
    let folder = first.rsplit_once('/').unwrap().0;
    let parsed = |key: &str| key.parse::<orgtrail::archive::key::ObjectKey>().unwrap();
    let account = folder.split("/CloudTrail/").next().unwrap();
    let keys = env.sandbox.keys_raw(ARCHIVE, &format!("{account}/CloudTrail/us-east-1/"));
    let after = env.sandbox.now() - SignedDuration::from_hours(20);
    let inner = keys.iter().find(|key| parsed(key).time() > after).unwrap();
    let planted = format!("{}_bbbbbbbbbbbbbbbb.json.gz", inner.rsplit_once('_').unwrap().0);
    env.sandbox.put_raw(ARCHIVE, &planted, log_body("planted")).unwrap();
    planted
}

/// An acceptance of what lies at a key, as orgtrail would write it for its administrator.
pub(super) fn forged(env: &LegacyEnv, key: &str, number: u64, previous: Option<String>) -> Vec<u8> {
    let body = env.sandbox.body_raw(ARCHIVE, key).unwrap();
    let acceptance = Acceptance {
        version: FORMAT_VERSION,
        number,
        previous_sha256: previous,
        key: key.to_owned(),
        version_id: None,
        sha256: sha256_hex(&body),
        size_bytes: body.len() as u64,
        findings: ["log-unlisted", "log-hash", "log-missing", "unexpected-object", "logs-unproven"]
            .map(str::to_owned)
            .into(),
        contradicts_digest: true,
        reason: "known".to_owned(),
        accepted_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        accepted_at: env.sandbox.now(),
        accepted_with: "orgtrail".to_owned(),
    };
    serde_json::to_vec_pretty(&acceptance).unwrap()
}

/// The one finding of an object.
pub(super) fn of<'a>(report: &'a Value, key: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["key"] == key).unwrap_or_else(|| panic!("{report:#}"))
}

pub(super) async fn verify(env: &LegacyEnv) -> (i32, Value) {
    let output = env.run(&["verify", "--format", "json"]).await;
    (output.code, output.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_acceptance_makes_no_finding_a_notice() {
    let mut env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let planted = plant(&env).await;
    let record = record_key(None, 0);
    env.sandbox.put_raw(ARCHIVE, &record, forged(&env, &planted, 0, None)).unwrap();
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &planted)["severity"]), (13, &"broken".into()), "{report:#}");
    let finding = of(&report, &record);
    assert_eq!(finding["kind"], "acceptance-unauthenticated", "{report:#}");
    assert_eq!(finding["severity"], "incomplete", "{report:#}");
    let (found, expected) = (finding["found"].to_string(), finding["expected"].to_string());
    assert!(found.contains(&planted) && found.contains("user/admin"), "{found}");
    let sha256 = sha256_hex(&env.sandbox.body_raw(ARCHIVE, &record).unwrap());
    assert!(expected.contains(&sha256) && expected.contains("[records]"), "{expected}");
    let config = std::mem::take(&mut env.config);
    env.config = format!("{config}[drift]\nchain_hours = 48\n");
    let drift = env.run(&["drift"]).await;
    assert_eq!(drift.code, 11, "{}", drift.text());
    assert!(drift.text().contains("CRITICAL org-digest-chain"), "{}", drift.text());
    env.config = config;
    let listed = env.run(&["accept", "--list"]).await;
    assert_eq!(listed.code, 14, "{}", listed.text());
    assert!(listed.text().contains(&sha256) && listed.text().contains("not authenticated"));

    // Neither does it in a bundle, with or without a network.
    let folder = tempfile::tempdir().unwrap();
    let now = env.sandbox.now();
    let window = [26, 2].map(|hours| (now - SignedDuration::from_hours(hours)).to_string());
    let pack = ["evidence", "--from", &window[0], "--until", &window[1], "-o", "b.tar.zst"];
    let packed = env.run_in(folder.path(), &pack).await;
    assert_eq!(packed.code, 13, "{}", packed.text());
    for more in [&["--offline"][..], &[]] {
        let arguments = [&["verify", "b.tar.zst"][..], more].concat();
        let verified = env.run_in(folder.path(), &arguments).await;
        assert_eq!(verified.code, 13, "{more:?}: {}", verified.text());
        assert!(verified.text().contains("acceptance-unauthenticated"), "{}", verified.text());
    }

    // An environment variable authenticates nothing.
    let mut command = env.command(folder.path(), &env.config, &["verify"]);
    command.env("ORGTRAIL__RECORDS__ACCEPTANCES", &sha256);
    let output = finish_apart(command).await;
    assert_eq!(output.code, 2, "{}", output.text());

    // The operator's own configuration does, for these bytes alone.
    env.trust_acceptances();
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &planted)["severity"]), (0, &"notice".into()), "{report:#}");
    assert_eq!(env.run(&["accept", "--list"]).await.code, 0);
    let text = String::from_utf8(forged(&env, &planted, 0, None)).unwrap();
    let other = text.replace("\"known\"", "\"known too\"");
    env.sandbox.put_raw(ARCHIVE, &record, other.into_bytes()).unwrap();
    assert_eq!(verify(&env).await.0, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_acceptance_of_what_is_in_quarantine_ends_no_waiting() {
    let env = LegacyEnv::new().await;
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap().clone();
    let altered = crate::forge::gzip(b"{\"Records\":[]}");
    env.sandbox.put_raw(crate::rounds::LEGACY, &log, altered).unwrap();
    let consolidated = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(consolidated.code, 14, "{}", consolidated.text());
    let kept = env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/").pop().unwrap();
    let record = record_key(None, 0);
    env.sandbox.put_raw(ARCHIVE, &record, forged(&env, &kept, 0, None)).unwrap();
    let consolidated = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(consolidated.code, 14, "{}", consolidated.text());
    let printed = consolidated.text();
    assert!(printed.contains("accepts nothing") && printed.contains(&record), "{printed}");
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 13, "{report:#}");
    assert_eq!(of(&report, &record)["kind"], "acceptance-unauthenticated", "{report:#}");
    let there = env.relocated(&log);
    assert!(env.sandbox.body_raw(ARCHIVE, &there).is_err(), "it is among no logs");
}
