//! `orgtrail run` as a scheduler calls it: alone, twice at once, and in front of
//! what is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::consolidate::copy::Target;
use orgtrail::archive::consolidate::ledger::Ledger;
use orgtrail::archive::consolidate::record::{ChainChecker, sha256_hex};
use orgtrail::aws::{At as _, Aws, AwsError, Clients, WriteClients};
use orgtrail::names::{AccountId, Region};
use orgtrail::sandbox::{Effect, Fault, Legacy, Sandbox};
use serde_json::{Value, json};

use crate::env::{MINIMAL, TestEnv, home, working_day, writer};
use crate::program::{Finished, NOWHERE, finish, orgtrail_at, stop_twice};

pub(crate) const ARCHIVE: &str = "acme-log-archive";
pub(crate) const LEGACY: &str = "old-trail-333";
const ROUND: [&str; 5] = ["run", "consolidate,verify", "--yes", "--format", "json"];

/// An organization whose trail delivered for a day, and a member whose own trail did so
/// before.
pub(crate) struct LegacyEnv {
    env: TestEnv,
    pub(crate) aws: Aws,
    /// The keys of the member's objects.
    pub(crate) legacy: Vec<String>,
    /// The configuration.
    pub(crate) config: String,
}

impl Deref for LegacyEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

/// The lines of a configuration that list the acceptances and retirements that an archive
/// has.
pub(crate) fn trusting(sandbox: &Sandbox) -> String {
    let folders = ["orgtrail/accepted/", "orgtrail/retired/"];
    let keys: Vec<String> =
        folders.iter().flat_map(|folder| sandbox.keys_raw(ARCHIVE, folder)).collect();
    let sha256 = keys.iter().map(|key| sha256_hex(&sandbox.body_raw(ARCHIVE, key).unwrap()));
    let quoted: Vec<String> = sha256.map(|one| format!("\"{one}\"")).collect();
    format!("[records]\nacceptances = [{}]\n", quoted.join(", "))
}

impl LegacyEnv {
    pub(crate) async fn new() -> Self {
        let mut env = Self::provisioned(4).await;
        env.sandbox.tick(SignedDuration::from_hours(26));
        env.fill().await;
        env
    }

    /// An organization with its trail, and nothing delivered yet.
    pub(crate) async fn provisioned(accounts: usize) -> Self {
        let builder = TestEnv::builder().accounts(accounts).at(working_day());
        let env = builder.running_clock().start().await;
        let aws = env.sign_in().await;
        let env = Self { env, aws, legacy: Vec::new(), config: MINIMAL.to_owned() };
        let applied = env.run(&["apply", "--yes"]).await;
        assert_eq!(applied.code, 0, "{}", applied.text());
        env
    }

    /// The member's trail logged for a day, and was stopped when the
    /// organization's had begun.
    async fn fill(&mut self) {
        let account = member();
        self.bucket(&account, LEGACY).await.unwrap();
        let until = self.sandbox.now() - SignedDuration::from_hours(25);
        let legacy = Legacy {
            account,
            bucket: LEGACY.parse().unwrap(),
            prefix: None,
            trail: "old-trail".parse().unwrap(),
            regions: vec![home(), "eu-central-1".parse().unwrap()],
            from: until - SignedDuration::from_hours(24),
            until,
        };
        self.sandbox.fill_legacy(&legacy).unwrap();
        self.legacy = self.sandbox.keys_raw(LEGACY, "AWSLogs/");
        assert!(self.legacy.len() > 48, "{}", self.legacy.len());
    }

    /// A bucket that an account's trail may write into.
    pub(crate) async fn bucket(&self, account: &AccountId, name: &str) -> Result<(), AwsError> {
        let clients = self.clients(account, &home());
        let made = clients.s3().create_bucket().bucket(name).send().await;
        made.at(&clients, "s3:CreateBucket")?;
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "cloudtrail.amazonaws.com" },
            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
            "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
        }] });
        let put = clients.s3().put_bucket_policy().bucket(name).policy(policy.to_string());
        put.send().await.at(&clients, "s3:PutBucketPolicy").map(drop)
    }

    /// Runs orgtrail with the configuration, in a folder.
    pub(crate) async fn run_in(&self, folder: &Path, arguments: &[&str]) -> Finished {
        self.env.run_in(folder, &self.config, arguments).await
    }

    /// The same in a folder of its own.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        self.env.run(&self.config, arguments).await
    }

    /// Clients of an account, through orgtrail's role there.
    pub(crate) fn clients(&self, account: &AccountId, region: &Region) -> WriteClients {
        writer(&self.aws.clients(account, region))
    }

    /// Lists the acceptances that the archive has in the configuration.
    pub(crate) fn trust_acceptances(&mut self) {
        self.config = format!("{MINIMAL}{}", trusting(&self.sandbox));
    }

    pub(crate) fn archive(&self) -> WriteClients {
        self.clients(&"222222222222".parse().unwrap(), &home())
    }

    /// How many versions each key of the archive has.
    async fn versions(&self) -> BTreeMap<String, usize> {
        let archive = self.archive();
        let mut versions = BTreeMap::new();
        let mut after: (Option<String>, Option<String>) = (None, None);
        loop {
            let page = archive.s3().list_object_versions().bucket(ARCHIVE);
            let page = page.set_key_marker(after.0).set_version_id_marker(after.1);
            let page = page.send().await.unwrap();
            for version in page.versions() {
                *versions.entry(version.key().unwrap().to_owned()).or_default() += 1;
            }
            if page.is_truncated() != Some(true) {
                return versions;
            }
            after = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// The key of a log that the organization's trail delivered.
    pub(crate) fn delivered(&self) -> String {
        let keys = self.sandbox.keys_raw(ARCHIVE, "AWSLogs/");
        let brought: BTreeSet<String> = self.legacy.iter().map(|key| self.relocated(key)).collect();
        let mut own = keys.into_iter().filter(|key| !brought.contains(key));
        own.find(|key| key.contains("/CloudTrail/")).unwrap()
    }

    /// The key that a legacy object has in the archive.
    pub(crate) fn relocated(&self, key: &str) -> String {
        let org = self.sandbox.organization_id().unwrap();
        key.replacen("AWSLogs/", &format!("AWSLogs/{org}/"), 1)
    }

    /// That every legacy object is in the archive, as it was and once.
    pub(crate) async fn assert_arrived_once(&self) {
        let versions = self.versions().await;
        let archive = self.archive();
        for key in &self.legacy {
            let there = self.relocated(key);
            assert_eq!(versions.get(&there), Some(&1), "{there}");
            let wanted = self.sandbox.body_raw(LEGACY, key).unwrap();
            let found = archive.s3().get_object().bucket(ARCHIVE).key(&there);
            let found = found.send().await.unwrap().body.collect().await.unwrap();
            assert_eq!(found.into_bytes(), wanted, "{key}");
        }
    }

    /// How many records there are; that none is missing or altered is held.
    pub(crate) async fn records(&self) -> usize {
        let target = Target {
            clients: Clients::clone(&self.archive()),
            bucket: ARCHIVE.parse().unwrap(),
            storage_class: aws_sdk_s3::types::StorageClass::Standard,
            part_bytes: 5 << 20,
        };
        let ledger = Ledger::new(target, None);
        let mut checker = ChainChecker::default();
        let numbers = ledger.numbers().await.unwrap();
        for (number, size) in &numbers {
            let stored = ledger.stored(*number, *size).await.unwrap();
            checker.check(Some(&stored)).unwrap();
        }
        numbers.len()
    }
}

pub(crate) fn member() -> AccountId {
    "333333333333".parse().unwrap()
}

fn count(round: &Value, name: &str) -> u64 {
    round["parts"][0]["report"]["counts"][name].as_u64().unwrap()
}

fn time(round: &Value, name: &str) -> Timestamp {
    round["parts"][0][name].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rounds_at_once_do_what_one_does() {
    let env = LegacyEnv::new().await;
    // Slow enough that the two are in the same lanes at the same time.
    env.sandbox.faults().inject(Fault::every("s3:*", Effect::Latency { milliseconds: 20 }));
    let (one, other) = tokio::join!(env.run(&ROUND), env.run(&ROUND));
    env.sandbox.faults().clear();
    for output in [&one, &other] {
        assert_eq!(output.code, 0, "{}", output.text());
    }
    let (one, other) = (one.json(), other.json());
    assert!(
        time(&one, "started_at") < time(&other, "ended_at")
            && time(&other, "started_at") < time(&one, "ended_at"),
        "they did not overlap"
    );
    // Each object was copied by one of them, and none by both.
    let copied = count(&one, "copied") + count(&other, "copied");
    assert_eq!(copied, env.legacy.len() as u64);
    for name in ["conflicts", "failed"] {
        assert_eq!(count(&one, name) + count(&other, name), 0, "{name}");
    }
    env.assert_arrived_once().await;
    assert_eq!(env.records().await, 2);
    let third = env.run(&ROUND).await.json();
    assert_eq!((count(&third, "copied"), third["exit_code"].as_u64()), (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_ends_with_the_gravest_of_its_parts() {
    let env = LegacyEnv::new().await;
    let folder = tempfile::tempdir().unwrap();

    // Nobody is there to say yes.
    let refused = env.run(&["run", "consolidate,verify"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.text().contains("--yes"));
    assert_eq!(env.records().await, 0);

    // A part that fails does not stop the next.
    let call = "organizations:ListRoots";
    env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
    let failed = env.run(&ROUND).await;
    env.sandbox.faults().clear();
    assert_eq!(failed.code, 14, "{}", failed.text());
    let printed = failed.json();
    assert_eq!(printed["parts"][0]["report"], Value::Null);
    assert!(printed["parts"][0]["summary"].as_str().unwrap().contains(call), "{printed:#}");
    assert_eq!(printed["parts"][1]["report"]["outcome"], "proven");

    let text = ["run", "consolidate,verify", "--yes", "--report", "round.json"];
    let clean = env.run_in(folder.path(), &text).await;
    assert_eq!(clean.code, 0, "{}", clean.text());
    let written = std::fs::read(folder.path().join("round.json")).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!((&written["version"], &written["exit_code"]), (&json!(1), &json!(0)));
    assert_eq!(count(&written, "copied"), env.legacy.len() as u64);
    let printed = clean.stdout;
    let last: Vec<&str> = printed.lines().rev().take(3).collect();
    assert!(last[2].starts_with("consolidate  clean"), "{printed}");
    assert!(last[1].starts_with("verify       clean") && last[1].contains("PROVEN"), "{printed}");
    assert!(last[0].starts_with("round        clean"), "{printed}");

    // Drift is looked for as its own command does.
    let drift = env.run(&["drift", "--format", "json"]).await;
    let part = env.run(&["run", "drift", "--format", "json"]).await;
    assert_eq!(part.code, drift.code, "{}", part.text());
    assert!([0, 11, 14].contains(&part.code), "{}", part.text());
    let (drift, part) = (drift.json(), part.json());
    let findings = |report: &Value| report["findings"].as_array().unwrap().len();
    assert_eq!(findings(&part["parts"][0]["report"]), findings(&drift));

    // What is missing may come yet, where the round could not bring all.
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let there = env.relocated(log);
    let body = env.sandbox.body_raw(ARCHIVE, &there).unwrap().to_vec();
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
    let verify = env.run(&["verify"]).await;
    assert_eq!(verify.code, 13, "{}", verify.text());
    let printed = env.run(&ROUND).await.json();
    assert_eq!(printed["parts"][1]["exit_code"], 14, "{}", printed["parts"][1]["summary"]);

    // What CloudTrail delivered into the archive itself does not come again.
    let delivered = env.delivered();
    let own = env.sandbox.body_raw(ARCHIVE, &delivered).unwrap().to_vec();
    env.sandbox.delete_raw(ARCHIVE, &delivered).unwrap();
    let printed = env.run(&ROUND).await.json();
    assert_eq!(printed["parts"][1]["exit_code"], 13, "{}", printed["parts"][1]["summary"]);
    env.sandbox.faults().clear();
    env.sandbox.put_raw(ARCHIVE, &delivered, own).unwrap();
    env.sandbox.put_raw(ARCHIVE, &there, body).unwrap();

    // What is broken is graver than what could not be printed.
    let flip = |body: &mut Vec<u8>| body[20] ^= 1;
    env.sandbox.tamper(ARCHIVE, &there, flip).unwrap();
    env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
    let broken = env.run_in(folder.path(), &text).await;
    assert_eq!(broken.code, 13, "{}", broken.text());
    let written = std::fs::read(folder.path().join("round.json")).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let codes = [
        &written["parts"][0]["exit_code"],
        &written["parts"][1]["exit_code"],
        &written["exit_code"],
    ];
    assert_eq!(codes, [14, 13, 13]);
    // No half-written report is left beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_on_its_way_is_not_said_to_be_deleted() {
    let env = LegacyEnv::new().await;
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let there = env.relocated(log);
    // Slow enough that the log is gone before the round looks at it.
    let slow = Effect::Latency { milliseconds: 500 };
    env.sandbox.faults().inject(Fault::every("s3:GetObject", slow));
    let consolidated = async {
        env.until(|it| !it.keys_raw(ARCHIVE, "orgtrail/runs/").is_empty()).await;
        env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    };
    let (done, ()) = tokio::join!(env.run(&ROUND), consolidated);
    assert!(done.text().contains("consolidating again"), "{}", done.text());
    assert_eq!(done.code, 0, "{}", done.text());
    env.sandbox.faults().clear();
    env.assert_arrived_once().await;
    assert_eq!(env.records().await, 2);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_stands_where_the_second_look_is_ended() {
    use std::process::Stdio;

    let env = LegacyEnv::new().await;
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let there = env.relocated(log);
    let faults = env.sandbox.faults();
    faults.inject(Fault::every("s3:GetObject", Effect::Latency { milliseconds: 500 }));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("round.json");
    let arguments = ["run", "consolidate,verify", "--yes", "--report", "round.json"];
    let mut command = env.command(folder.path(), MINIMAL, &arguments);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    env.until(|it| !it.keys_raw(ARCHIVE, "orgtrail/public-keys.json").is_empty()).await;
    // The consolidation is done; the one of `verify` is to hang.
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    faults.inject(Fault::every("s3:PutObject", Effect::Hang));
    env.until(|it| it.faults().triggered()[1].1 > 0).await;
    let within = std::time::Duration::from_mins(1);
    let (code, said) = stop_twice(child, ["-INT"; 2], within).await;
    assert_eq!(code, Some(14), "{said}");
    let round: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let verified = &round["parts"][1];
    assert!(verified["report"].to_string().contains(&there), "{verified:#}");
    assert!(verified["summary"].as_str().unwrap().contains("may not have been copied yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_next_round_is_unproven_and_not_foreign() {
    let env = LegacyEnv::provisioned(4).await;
    env.bucket(&member(), LEGACY).await.unwrap();
    let clients = env.clients(&member(), &home());
    let trail = clients.cloudtrail().create_trail().name("old-trail").s3_bucket_name(LEGACY);
    trail.enable_log_file_validation(true).send().await.unwrap();
    clients.cloudtrail().start_logging().name("old-trail").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(5));
    // In the middle of an hour: the call's log is there, and its digest is not.
    clients.cloudtrail().describe_trails().send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_mins(20));
    let done = env.run(&ROUND).await;
    assert_eq!(done.code, 0, "{}", done.text());
    // Both trails go on; what the old one writes comes with the next round.
    env.sandbox.tick(SignedDuration::from_hours(72));
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("logs-unproven"), "{}", verified.text());
    assert!(!verified.text().contains("log-unlisted"), "{}", verified.text());
    let done = env.run(&ROUND).await;
    assert_eq!(done.code, 0, "{}", done.text());
}

#[tokio::test]
async fn a_round_that_is_not_right_is_refused_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orgtrail.toml"), MINIMAL).unwrap();
    let device = folder.path().join("device");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/null", device).unwrap();
    #[cfg(not(unix))]
    std::fs::create_dir(device).unwrap();
    for arguments in [
        &["run"][..],
        &["run", "verify,repair"],
        &["run", "verify,verify"],
        &["run", "consolidate", "--yes", "--verify-days", "7"],
        &["run", "verify", "--report", "nowhere/round.json"],
        &["run", "verify", "--report", "/proc/round.json"],
        &["run", "verify", "--report", ""],
        &["run", "verify", "--report", "folder/"],
        &["run", "verify", "--report", "device"],
        &["run", "verify", "--verify-days", "0"],
        &["consolidate", "--since", "2026-01-02", "--until", "2026-01-01"],
        &["consolidate", "--concurrency", "0"],
        &["consolidate", "--concurrency", "1025"],
        &["consolidate", "--concurrency", "99999999999999999999"],
        &["run", "consolidate,verify"],
    ] {
        let output = finish(&mut orgtrail_at(NOWHERE, folder.path(), arguments));
        assert_eq!(output.code, 2, "{arguments:?}: {}", output.text());
    }
}
