//! `orgtrail sources` and `consolidate` in organizations whose older trails write
//! where nobody would guess: other accounts, other Regions, odd prefixes, buckets
//! that are gone.

use jiff::SignedDuration;
use orgtrail::config::Config;
use orgtrail::org::{BucketState, Buckets};
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::env::{HOME, MINIMAL};
use crate::sources_env::{ARCHIVE, MANAGEMENT, SourcesEnv, archive, make_bucket};

/// Names, owners and Regions of sources.
fn places(printed: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let sources = printed["sources"].as_array().unwrap().iter();
    sources
        .map(|one| {
            let name = match one["prefix"].as_str() {
                Some(prefix) => format!("{}/{prefix}", text(&one["bucket"])),
                None => text(&one["bucket"]),
            };
            (name, text(&one["owner"]), text(&one["region"]))
        })
        .collect()
}

#[tokio::test]
async fn buckets_are_found_in_the_region_and_account_that_own_them() {
    let env = SourcesEnv::new().await;
    let [one, two, three] = &env.members[..3] else { panic!() };
    // In another Region than its trail's home.
    env.bucket(one, "far-away", "eu-central-1").await;
    env.trail(one, "far", "far-away", None).await;
    // Of several accounts, owned by the last of them.
    env.bucket(three, "collector", HOME).await;
    for account in [one, two, three] {
        env.trail(account, "auditing", "collector", None).await;
    }
    // Of the log archive's.
    env.bucket(&archive(), "before", "eu-west-1").await;
    env.trail(two, "own", "before", Some("logs")).await;
    // Of an account that has no trail that writes there.
    env.bucket(three, "elsewhere", "ap-southeast-2").await;
    env.trail(two, "other", "elsewhere", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));

    let (code, printed) = env.json("", &["sources"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let (one, three) = (one.to_string(), three.to_string());
    let wanted = [
        ("before/logs", ARCHIVE, "eu-west-1"),
        ("collector", &three, HOME),
        ("elsewhere", &three, "ap-southeast-2"),
        ("far-away", &one, "eu-central-1"),
    ];
    let wanted = wanted.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(places(&printed), wanted, "{printed:#}");

    let shown = env.run("", &["sources"]).await.text();
    assert!(shown.contains("OWNER") && shown.contains("ap-southeast-2"), "{shown}");
    assert!(shown.contains("auditing (of 3 accounts or Regions)"), "{shown}");
    assert!(shown.contains(&format!("s3://elsewhere: account {three} owns the bucket")), "{shown}");
    assert!(!shown.contains("s3://before/logs: account"), "{shown}");

    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["complete"]), (0, &true.into()), "{printed:#}");
    for bucket in ["far-away", "collector", "before", "elsewhere"] {
        env.assert_arrived(bucket);
    }
    let (code, printed) = env.json("", &["cost"]).await;
    assert_eq!((code, &printed["failures"]), (0, &json!([])), "{printed:#}");
    assert_eq!(printed["duplicates"].as_array().unwrap().len(), 4, "{printed:#}");
}

#[tokio::test]
async fn a_declaration_says_who_reads_and_may_leave_the_region_out() {
    let env = SourcesEnv::new().await;
    let [one, two, _] = &env.members[..3] else { panic!() };
    env.bucket(one, "far-away", "eu-central-1").await;
    env.trail(one, "far", "far-away", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let declared = |account: &str, more: &str| {
        format!("[[consolidate.sources]]\nbucket = \"far-away\"\naccount = \"{account}\"\n{more}")
    };
    // The management account may read it, and does not own it: who does is found.
    let (code, printed) = env.json(&declared(MANAGEMENT, ""), &["sources"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let source = &printed["sources"][0];
    assert_eq!((&source["account"], &source["owner"]), (&json!(MANAGEMENT), &json!(one)));
    assert_eq!(source["region"], "eu-central-1");

    // A Region that is wrong is answered with the right one.
    let wrong = declared(one.as_str(), "region = \"eu-west-1\"\n");
    for command in [&["sources"][..], &["consolidate", "--yes"], &["cost"]] {
        let output = env.run(&wrong, command).await;
        assert_eq!(output.code, 14, "{}", output.text());
        let hint = "hint: the bucket is in eu-central-1, not in eu-west-1";
        assert!(output.text().contains(hint), "{}", output.text());
    }

    // Who may not read it is printed what is missing.
    let output = env.run(&declared(two.as_str(), ""), &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(output.text().contains("hint: "), "{}", output.text());

    // A name that no bucket has is a mistake of the declaration.
    let mistyped = format!("[[consolidate.sources]]\nbucket = \"far-awya\"\naccount = \"{one}\"\n");
    let output = env.run(&mistyped, &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(output.text().contains("no bucket is named far-awya"), "{}", output.text());
    // The other source is brought all the same.
    env.assert_arrived("far-away");
}

#[tokio::test]
async fn a_prefix_is_whatever_a_trail_may_have() {
    let env = SourcesEnv::new().await;
    let [one, two, _] = &env.members[..3] else { panic!() };
    env.bucket(one, "oddly-named", HOME).await;
    let deep = format!("{}/end", ["deep"; 39].join("/"));
    let of_account = format!("AWSLogs/{two}");
    let prefixes = [
        (one, vec!["AWSLogs", "env=prod", "a//b", "/ct"]),
        (two, vec!["cloud trail", "ct/", deep.as_str(), of_account.as_str()]),
    ];
    assert!(deep.len() == 198, "{}", deep.len());
    let mut all = Vec::new();
    for (account, prefixes) in &prefixes {
        for (n, prefix) in prefixes.iter().enumerate() {
            env.trail(account, &format!("trail{n}"), "oddly-named", Some(prefix)).await;
            all.push(*prefix);
        }
    }
    env.sandbox.tick(SignedDuration::from_hours(2));

    let (code, printed) = env.json("", &["sources", "--exact"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let mut found: Vec<&str> = Vec::new();
    for source in printed["sources"].as_array().unwrap() {
        found.push(source["prefix"].as_str().unwrap());
        assert!(source["contents"]["objects"].as_u64().unwrap() > 0, "{source:#}");
        assert_eq!(source["contents"]["with_digests"], true, "{source:#}");
        // What leads to another source is not foreign.
        assert_eq!(source["contents"]["unexpected_folders"], json!([]), "{source:#}");
    }
    all.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, all);

    // Found at any depth, and verified below each.
    let (code, printed) = env.json("", &["verify", "s3://oddly-named"]).await;
    assert_eq!(code, 0, "{printed:#}");
    for prefix in &all {
        let root = format!("{prefix}/AWSLogs/");
        let lanes = printed["scopes"].as_array().unwrap().iter();
        let roots = |lane: &Value| lane["prefixes"].as_array().unwrap().clone();
        let lanes: Vec<_> = lanes.filter(|lane| roots(lane).contains(&json!(root))).collect();
        assert!(!lanes.is_empty(), "{prefix}");
        for lane in lanes {
            let chains = lane["chains"].as_array().unwrap();
            assert_eq!(chains.len(), 4, "{lane:#}");
            assert!(chains.iter().all(|chain| chain["digests"]["valid"] == 2), "{lane:#}");
        }
    }
    let (code, printed) =
        env.json("", &["verify", &format!("s3://oddly-named/{of_account}")]).await;
    assert_eq!(code, 0, "{printed:#}");

    // One is excluded, each can be declared.
    let exclude = "[consolidate]\nexclude = [\"s3://oddly-named/env=prod\"]\n";
    let (code, printed) = env.json(exclude, &["consolidate", "--dry-run"]).await;
    assert_eq!(code, 0, "{printed:#}");
    assert_eq!(printed["excluded_sources"], json!(["s3://oddly-named/env=prod"]));
    assert_eq!(printed["sources"].as_array().unwrap().len(), all.len() - 1);
    let declared = all.iter().map(|prefix| {
        format!(
            "[[consolidate.sources]]\nbucket = \"oddly-named\"\nprefix = \"{prefix}\"\n\
             account = \"{one}\"\n"
        )
    });
    let declared = declared.collect::<Vec<_>>().concat();
    let output = env.run(&declared, &["config", "check"]).await;
    assert_eq!(output.code, 0, "{}", output.text());
    let (code, printed) = env.json(&declared, &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    assert_eq!(printed["unexpected_folders"], json!([]), "{printed:#}");
    env.assert_arrived("oddly-named");
    let (code, printed) = env.json("", &["consolidate", "--dry-run", "--full"]).await;
    assert_eq!((code, &printed["counts"]["copied"]), (0, &0.into()), "{printed:#}");
}

#[tokio::test]
async fn only_a_prefix_that_exists_already_may_be_an_odd_one() {
    let env = SourcesEnv::new().await;
    let odd = "prefix = \"env=prod\"\n";
    let refusal = "archive.prefix is `env=prod`";
    let planned = env.run(odd, &["plan"]).await.text();
    assert!(planned.contains(refusal), "{planned}");
    // The organization's trail has it, whoever gave it.
    let resources = ["", "/env=prod/*"].map(|part| format!("arn:aws:s3:::acme-log-archive{part}"));
    env.open_archive(json!(resources)).await;
    let management = env.clients(&MANAGEMENT.parse().unwrap(), HOME);
    let update = management.cloudtrail().update_trail().name("orgtrail");
    update.s3_key_prefix("env=prod").send().await.unwrap();
    let planned = env.run(odd, &["plan"]).await.text();
    assert!(!planned.contains(refusal), "{planned}");
}

#[tokio::test]
async fn a_control_tower_trail_is_found_undeclared() {
    let env = SourcesEnv::new().await;
    let org = env.sandbox.organization_id().unwrap().to_string();
    let bucket = "aws-controltower-logs";
    env.bucket(&archive(), bucket, "eu-west-1").await;
    let management = env.clients(&MANAGEMENT.parse().unwrap(), HOME);
    let name = "aws-controltower-BaselineCloudTrail";
    let create = management.cloudtrail().create_trail().name(name).s3_bucket_name(bucket);
    let create = create.s3_key_prefix(&org).is_multi_region_trail(true);
    let create = create.is_organization_trail(true).enable_log_file_validation(true);
    create.send().await.unwrap();
    management.cloudtrail().start_logging().name(name).send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(2));
    let (code, printed) = env.json("", &["sources"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let wanted = (format!("{bucket}/{org}"), ARCHIVE.to_owned(), "eu-west-1".to_owned());
    assert_eq!(places(&printed), [wanted]);
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    env.assert_arrived(bucket);
}

#[tokio::test]
async fn a_deleted_bucket_is_reported_once_and_fails_nothing() {
    let env = SourcesEnv::new().await;
    let [one, two, _] = &env.members[..3] else { panic!() };
    for (account, bucket) in [(one, "gone"), (two, "there")] {
        env.bucket(account, bucket, HOME).await;
        env.trail(account, "own", bucket, None).await;
    }
    // Two prefixes of it are two sources.
    env.trail(one, "more", "gone", Some("more")).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    for key in env.sandbox.keys_raw("gone", "") {
        env.sandbox.delete_raw("gone", &key).unwrap();
    }
    let owner = env.clients(one, HOME);
    owner.s3().delete_bucket().bucket("gone").send().await.unwrap();

    for command in [&["sources"][..], &["consolidate", "--yes"], &["cost"]] {
        let output = env.run("", command).await;
        assert_eq!(output.code, 0, "{}", output.text());
        let printed = output.text().matches("s3://gone: the bucket was deleted").count();
        assert_eq!(printed, 1, "{}", output.text());
        assert!(output.text().contains("orgtrail retire arn:"), "{}", output.text());
        let (code, printed) = env.json("", command).await;
        assert_eq!(code, 0, "{printed:#}");
        assert_eq!(printed["missing_sources"][0]["source"], "s3://gone", "{printed:#}");
        assert_eq!(printed["missing_sources"][1]["source"], "s3://gone/more", "{printed:#}");
    }
    env.assert_arrived("there");

    // What is denied is not gone.
    env.sandbox.faults().inject(Fault::every("s3:GetBucketLocation", Effect::Deny));
    env.sandbox.faults().inject(Fault::every("s3:HeadBucket", Effect::Deny));
    env.sandbox.faults().inject(Fault::every("s3:ListBuckets", Effect::Deny));
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["missing_sources"]), (14, &json!([])), "{printed:#}");
    assert_eq!(printed["failures"].as_array().unwrap().len(), 3, "{printed:#}");
}

#[tokio::test]
async fn a_name_that_somebody_outside_took_is_not_read_and_hides_no_other() {
    let env = SourcesEnv::new().await;
    let [one, two, leaver] = &env.members[..3] else { panic!() };
    for (account, bucket) in [(one, "taken"), (two, "there")] {
        env.bucket(account, bucket, HOME).await;
        env.trail(account, "own", bucket, None).await;
    }
    env.sandbox.tick(SignedDuration::from_hours(2));
    for key in env.sandbox.keys_raw("taken", "") {
        env.sandbox.delete_raw("taken", &key).unwrap();
    }
    let owner = env.clients(one, HOME);
    owner.s3().delete_bucket().bucket("taken").send().await.unwrap();
    let management = env.clients(&MANAGEMENT.parse().unwrap(), HOME);
    let remove = management.organizations().remove_account_from_organization();
    remove.account_id(leaver.as_str()).send().await.unwrap();
    // Whoever has the name now lets everybody read.
    let outside = env.root(leaver.as_str()).await;
    let readers = json!([{
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{one}:root") },
        "Action": ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::taken", "arn:aws:s3:::taken/*"],
    }]);
    make_bucket(&outside, "taken", HOME, readers).await;
    let planted = format!(
        "AWSLogs/{one}/CloudTrail/us-east-1/2026/01/01/\
         {one}_CloudTrail_us-east-1_20260101T0005Z_0000000000000000.json.gz"
    );
    let put = outside.s3().put_object().bucket("taken").key(&planted);
    put.body(b"planted".to_vec().into()).send().await.unwrap();

    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    let [failure] = printed["failures"].as_array().unwrap().as_slice() else {
        panic!("{printed:#}")
    };
    assert_eq!(failure["place"], "s3://taken");
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("belongs to no account of the organization"), "{reason}");
    assert!(failure["hint"].as_str().unwrap().contains("[[consolidate.sources]]"));
    let there = env.sandbox.keys_raw("acme-log-archive", "AWSLogs/");
    assert!(!there.iter().any(|key| key.ends_with("_0000000000000000.json.gz")));
    env.assert_arrived("there");
    // It can be declared, by who knows whose it is.
    let declared = format!("[[consolidate.sources]]\nbucket = \"taken\"\naccount = \"{one}\"\n");
    let (code, printed) = env.json(&declared, &["sources"]).await;
    assert_eq!(code, 14, "{printed:#}");
    let stated = format!("{declared}owner = \"{leaver}\"\n");
    let (code, printed) = env.json(&stated, &["sources"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let named = |one: &&Value| one["bucket"] == "taken";
    let taken = printed["sources"].as_array().unwrap().iter().find(named).unwrap().clone();
    assert_eq!(taken["owner"], json!(leaver), "{taken:#}");
}

#[tokio::test]
async fn an_owner_that_cannot_be_entered_is_proven_through_who_may_read() {
    let env = SourcesEnv::new().await;
    let [one, _, three] = &env.members[..3] else { panic!() };
    env.bucket(three, "shared", "eu-central-1").await;
    let closed = env.clients(three, HOME);
    closed.s3().create_bucket().bucket("closed").send().await.unwrap();
    let excluded = format!("[organization]\nexcluded_accounts = [\"{three}\"]");
    let config: Config = MINIMAL.replace("[organization]", &excluded).parse().unwrap();
    let buckets = Buckets::new(env.aws.clone(), config.organization, None);
    let find =
        async |name: &str| buckets.find(&name.parse().unwrap(), std::slice::from_ref(one)).await;
    match find("shared").await {
        BucketState::Found(place) => {
            assert_eq!(place.owner.as_ref(), Some(three));
            assert_eq!(place.reader.as_str(), MANAGEMENT);
            assert_eq!(place.region.as_str(), "eu-central-1");
        }
        other => panic!("{other:?}"),
    }
    // Nobody who could be asked may read it: it may be the excluded account's.
    match find("closed").await {
        BucketState::Unknown(why) => {
            assert!(why.reason.contains(three.as_str()), "{}", why.reason);
            assert!(why.hint.is_some());
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(find("never-made").await, BucketState::Missing));
    // Without the organization nothing can be printed of it.
    let read = "organizations:DescribeOrganization";
    env.sandbox.faults().inject(Fault::every(read, Effect::Deny));
    let config: Config = MINIMAL.parse().unwrap();
    let buckets = Buckets::new(env.aws.clone(), config.organization, None);
    let state = buckets.find(&"closed".parse().unwrap(), std::slice::from_ref(one)).await;
    assert!(matches!(state, BucketState::Unknown(_)), "{state:?}");
}

#[tokio::test]
async fn what_lies_in_the_archive_is_no_part_of_a_source_there() {
    let env = SourcesEnv::new().await;
    let one = &env.members[0];
    let resources = [String::new(), format!("/AWSLogs/{one}/*")];
    let resources = resources.map(|part| format!("arn:aws:s3:::acme-log-archive{part}"));
    env.open_archive(json!(resources)).await;
    env.trail(one, "own", "acme-log-archive", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let (code, printed) = env.json("", &["sources", "--exact"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let own = env.sandbox.keys_raw("acme-log-archive", &format!("AWSLogs/{one}/")).len();
    assert_eq!(printed["sources"][0]["contents"]["objects"], own, "{printed:#}");
}

#[tokio::test]
async fn keys_of_a_region_that_one_member_enabled_are_asked_for_there() {
    let env = SourcesEnv::new().await;
    let one = &env.members[0];
    let regions = [HOME, "eu-south-2"].map(|region| region.parse().unwrap());
    env.sandbox.set_volume(2.0, Some(regions.into()));
    let clients = env.clients(one, HOME);
    let enable = clients.account_management().enable_region();
    enable.region_name("eu-south-2").send().await.unwrap();
    env.bucket(one, "with-opt-in", HOME).await;
    env.trail(one, "own", "with-opt-in", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let digests = env.sandbox.keys_raw("with-opt-in", "");
    assert!(digests.iter().any(|key| key.contains("/CloudTrail-Digest/eu-south-2/")));
    // Nobody else is known there.
    let management = env.clients(&MANAGEMENT.parse().unwrap(), "eu-south-2");
    let refused = management.cloudtrail().list_public_keys().send().await.unwrap_err();
    let code = aws_sdk_cloudtrail::error::ProvideErrorMetadata::code(&refused);
    assert_eq!(code, Some("UnrecognizedClientException"));

    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["failures"]), (0, &json!([])), "{printed:#}");
    let saved = env.sandbox.body_raw("acme-log-archive", "orgtrail/public-keys.json").unwrap();
    let saved: Value = serde_json::from_slice(&saved).unwrap();
    let keys = saved["PublicKeyList"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["Region"] == "eu-south-2"), "{saved:#}");

    let proves = |printed: &Value| {
        let lanes = printed["scopes"].as_array().unwrap().iter();
        let mut lanes = lanes.filter(|lane| lane["region"] == "eu-south-2");
        lanes.any(|lane| !lane["proven"].as_array().unwrap().is_empty())
    };
    for target in [&["verify"][..], &["verify", "s3://with-opt-in"]] {
        let (code, printed) = env.json("", target).await;
        assert_eq!(code, 0, "{printed:#}");
        assert!(proves(&printed), "{printed:#}");
    }
    // Denied everywhere is unknown, and says what is missing.
    env.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Deny));
    let output = env.run("", &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(output.text().contains("the public keys of eu-south-2"), "{}", output.text());
    assert!(output.text().contains("cloudtrail:ListPublicKeys"), "{}", output.text());
}
