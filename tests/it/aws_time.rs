//! AWS's time is what commands go by, whatever this machine's clock shows.

use http_body_util::Full;
use hyper::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, home};
use crate::loopback::Loopback;
use crate::program::{finish_apart, orgtrail_at};
use crate::retire_env::{TRAIL, config, with_legacy_trail_from};

/// A sandbox whose clock is years ahead, or behind.
const STARTS: [&str; 2] = ["2035-03-01T00:30:00Z", "2024-03-01T00:30:00Z"];

async fn json(env: &ConfiguredEnv, arguments: &[&str]) -> (i32, Value) {
    let arguments = [arguments, &["--format", "json"]].concat();
    let ran = env.run(&config(), &arguments).await;
    (ran.code, ran.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_right_on_a_sandbox_that_is_years_ahead_or_behind() {
    for start in STARTS {
        let env = with_legacy_trail_from(start.parse().unwrap(), 30).await;
        let now = env.sandbox.now();
        // Proven up to AWS's time, and not to a time before the data.
        let (code, report) = json(&env, &["verify"]).await;
        assert_eq!((code, &report["outcome"]), (0, &"proven".into()), "{report:#}");
        let until: Timestamp = report["window"]["to"].as_str().unwrap().parse().unwrap();
        assert_eq!(now.duration_since(until).as_hours(), 2, "{report:#}");
        assert!(report["summary"]["digests"]["valid"].as_u64().unwrap() > 0);
        let lines = env.run(&config(), &["verify", "--format", "aws-cli"]).await;
        assert_eq!(lines.code, 0, "{}{}", lines.stdout, lines.stderr);
        assert!(!lines.stdout.contains("0/0 digest"), "{}", lines.stdout);
        // What was delivered is fresh, whatever silent Regions are.
        let (_, report) = json(&env, &["coverage"]).await;
        assert!(report.to_string().contains(r#""state":"covered""#), "{report:#}");
        let (_, report) = json(&env, &["drift"]).await;
        let at: Timestamp = report["created_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at.duration_since(now).as_mins(), 0, "{report:#}");
        // Whole rounds, with the record's time.
        let (code, round) = json(&env, &["run", "consolidate,verify", "--yes"]).await;
        assert_eq!(code, 0, "{round:#}");
        let begun: Timestamp = round["started_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(begun.duration_since(now).as_mins(), 0, "{round:#}");
        // A bundle is proven elsewhere as it was where it was packed.
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle.tar.zst");
        let bundle = bundle.to_str().unwrap();
        let from = (now - SignedDuration::from_hours(20)).to_string();
        let until = (now - SignedDuration::from_hours(4)).to_string();
        let pack = ["evidence", "--from", &from, "--until", &until, "-o", bundle];
        let (code, packed) = json(&env, &pack).await;
        assert_eq!(code, 0, "{packed:#}");
        let keys = crate::accept_command::keys_of_aws(folder.path(), bundle);
        let (code, report) =
            json(&env, &["verify", bundle, "--offline", "--public-keys", &keys]).await;
        assert_eq!(code, 0, "{report:#}");
        let (_, records) = json(&env, &["records"]).await;
        assert!(records["runs"][0]["started_at"].as_str().unwrap().starts_with(&start[..4]));
        let (code, retired) = json(&env, &["retire", TRAIL, "--yes"]).await;
        assert_eq!((code, &retired["retired"]), (0, &true.into()), "{retired:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_events_cost_what_the_last_days_by_awss_time_had() {
    let env = ConfiguredEnv::at(MINIMAL, STARTS[0].parse().unwrap()).await;
    env.sandbox.set_volume(40.0, Some(vec!["us-east-1".parse().unwrap()]));
    env.converge().await;
    let member: orgtrail::names::AccountId = "333333333333".parse().unwrap();
    let owner = env.clients(&member, &home());
    owner.s3().create_bucket().bucket("copies").send().await.unwrap();
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "cloudtrail.amazonaws.com" },
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": ["arn:aws:s3:::copies", "arn:aws:s3:::copies/*"],
    }] });
    let put = owner.s3().put_bucket_policy().bucket("copies").policy(policy.to_string());
    put.send().await.unwrap();
    let trail = owner.cloudtrail().create_trail().name("copy").s3_bucket_name("copies");
    trail.send().await.unwrap();
    owner.cloudtrail().start_logging().name("copy").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(72));
    let ran = env.run(MINIMAL, &["cost", "--format", "json"]).await;
    let report = ran.json();
    let events = report["duplicates"][0]["management_events_per_month"].as_u64().unwrap();
    assert!(events > 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_sandbox_clock_is_said_once_and_is_no_warning() {
    let env = ConfiguredEnv::at(MINIMAL, STARTS[0].parse().unwrap()).await;
    let ran = env.run(MINIMAL, &["run", "verify,drift"]).await;
    assert_eq!(ran.stderr.matches("the sandbox's clock shows 2035-03-01").count(), 1);
    assert!(!ran.stderr.contains("warning: this machine's clock"), "{}", ran.stderr);
}

/// An AWS whose answers state a time.
async fn stating(date: String) -> Loopback {
    Loopback::start(move |asked, _| {
        let body = match asked.operation.as_str() {
            "GetCallerIdentity" => {
                "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                 <Arn>arn:aws:iam::111111111111:user/a</Arn><Account>111111111111</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>"
            }
            _ => r#"{"__type":"AWSOrganizationsNotInUseException","message":"none"}"#,
        };
        let status = if asked.operation == "GetCallerIdentity" { 200 } else { 400 };
        let response = Response::builder().status(status).header("date", &date);
        Some(response.body(Full::new(body.into())).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_local_clock_is_warned_of_once() {
    #[expect(clippy::disallowed_methods, reason = "the command's own clock is meant")]
    let now = Timestamp::now();
    for (ahead_secs, warns) in [(0, false), (30, false), (600, true), (-7200, true)] {
        let time = now + SignedDuration::from_secs(ahead_secs);
        let server = stating(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("orgtrail.toml"), MINIMAL).unwrap();
        let command = orgtrail_at(&server.url, folder.path(), &["plan", "--quiet"]);
        let said = finish_apart(command).await.stderr;
        let warned = said.matches("warning: this machine's clock is ").count();
        assert_eq!(warned, usize::from(warns), "{ahead_secs}: {said}");
        let side = if ahead_secs > 0 { "behind AWS's" } else { "ahead of AWS's" };
        assert_eq!(said.contains(side), warns, "{ahead_secs}: {said}");
    }
}
