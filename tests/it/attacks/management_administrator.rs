//! An administrator of the management account: trails that move, accounts that leave.

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;

/// A trail with every delivery that there is.
const DELIVERS: &str = "[topic]\n[cloudwatch_logs]\nenabled = true\n\
                        [guardrail]\nenabled = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn no_destination_of_a_live_trail_changes_without_its_confirmation() {
    let before = format!("{MINIMAL}{DELIVERS}");
    let env = ConfiguredEnv::new(&before).await;
    env.converge().await;
    let settings = async || {
        let seen = env.observe().await;
        let trails = seen.trails.present().unwrap().clone();
        (trails, seen.access_logging.present().cloned())
    };
    let found = settings().await;
    let archive = "bucket = \"acme-log-archive\"\n";
    for (from, to) in [
        (archive, "bucket = \"acme-other-archive\"\n"),
        (archive, "bucket = \"acme-log-archive\"\nprefix = \"aside\"\n"),
        (archive, "bucket = \"acme-log-archive\"\n[archive.access_logging]\nprefix = \"aside\"\n"),
        (
            archive,
            "bucket = \"acme-log-archive\"\n[archive.access_logging]\nbucket = \"acme-aside\"\n",
        ),
        ("[topic]\n", ""),
        ("[topic]\n", "[topic]\nname = \"other\"\n"),
        ("[cloudwatch_logs]\nenabled = true\n", "[cloudwatch_logs]\nenabled = false\n"),
        ("[cloudwatch_logs]\n", "[cloudwatch_logs]\ngroup = \"other\"\n"),
        ("[cloudwatch_logs]\n", "[cloudwatch_logs]\nrole = \"OtherRole\"\n"),
        ("[topic]\n", "[trail]\nname = \"renamed\"\n[topic]\n"),
    ] {
        let config = before.replacen(from, to, 1);
        assert_ne!(config, before);
        // Another confirmation is not this one.
        let arguments = ["apply", "--yes", "--confirm-replaced-key", "--confirm-compliance-lock"];
        let ran = env.run(&config, &arguments).await;
        assert_eq!(ran.code, 12, "{to}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("--confirm-weakened-guard"), "{to}: {}", ran.stderr);
        assert_eq!(settings().await, found, "{to}");
    }
    // A key that changes as well needs both.
    let kms = env.archive();
    let made = kms.kms().create_key().send().await.unwrap().key_metadata.unwrap();
    let named = kms.kms().create_alias().alias_name("alias/other").target_key_id(made.key_id);
    named.send().await.unwrap();
    let both = before.replacen(archive, "bucket = \"acme-other-archive\"\n", 1);
    let both = format!("{both}[key]\nalias = \"alias/other\"\n");
    for one in ["--confirm-weakened-guard", "--confirm-replaced-key"] {
        let ran = env.run(&both, &["apply", "--yes", one]).await;
        assert_eq!(ran.code, 12, "{one}: {}{}", ran.stdout, ran.stderr);
    }
    assert_eq!(settings().await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_move_to_another_bucket_that_is_confirmed_succeeds() {
    let before = format!("{MINIMAL}{DELIVERS}");
    let env = ConfiguredEnv::new(&before).await;
    env.converge().await;
    let moved = before.replacen("acme-log-archive", "acme-other-archive", 1);
    let ran = env.run(&moved, &["apply", "--yes", "--confirm-weakened-guard"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let trails = env.observe().await.trails;
    let own = trails.present().unwrap().own.clone().unwrap();
    assert_eq!(own.settings.s3_bucket_name, "acme-other-archive");
    let ran = env.run(&moved, &["plan"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_trail_says_what_happens_to_the_old_one() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let renamed = format!("{MINIMAL}[trail]\nname = \"renamed\"\n");
    let ran = env.run(&renamed, &["plan"]).await;
    for words in ["orgtrail delivers into the archive now", "is denied access", "trail.name"] {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_turns_off_and_aws_still_has_is_in_the_plan_and_is_drift() {
    let on = "[archive.access_logging]\nenabled = true\n[archive.replication]\nbucket = \"acme-vault\"\n\
              [alarms]\n[guardrail]\nenabled = true\n";
    let before = format!("{MINIMAL}{on}");
    let env = ConfiguredEnv::new(&before).await;
    env.converge().await;
    for (from, to, words) in [
        (
            "enabled = true\n[archive.rep",
            "enabled = false\n[archive.rep",
            "access logs go to s3://",
        ),
        (
            "[archive.replication]\nbucket = \"acme-vault\"\n",
            "",
            "the rule `orgtrail-vault` replicates",
        ),
        ("[alarms]\n", "", "these alarms exist: orgtrail-"),
        (
            "[guardrail]\nenabled = true",
            "[guardrail]\nenabled = false",
            "the service control policy",
        ),
        ("[guardrail]\n", "[guardrail]\nname = \"Other\"\n", "is an earlier guardrail"),
    ] {
        let config = before.replacen(from, to, 1);
        assert_ne!(config, before);
        let ran = env.run(&config, &["plan"]).await;
        // A guardrail of another name is to be created.
        let code = if to.contains("Other") { 10 } else { 0 };
        assert_eq!(ran.code, code, "{words}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.contains("Active in AWS but not in the configuration"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
        let ran = env.run(&config, &["drift", "--check", "undeclared"]).await;
        assert_eq!(ran.code, 11, "{words}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let ran = env.run(&before, &["drift", "--check", "undeclared"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_is_renamed_and_moved_at_once_asks_for_both() {
    let before = format!("{MINIMAL}[guardrail]\nenabled = false\n");
    let env = ConfiguredEnv::new(&before).await;
    env.converge().await;
    let both = before.replacen("acme-log-archive", "acme-other-archive", 1);
    let both = format!("{both}[trail]\nname = \"renamed\"\n");
    let ran = env.run(&both, &["apply", "--yes"]).await;
    assert_eq!(ran.code, 12, "{}{}", ran.stdout, ran.stderr);
    for words in ["--confirm-weakened-guard", "trail.name", "archive.bucket", "acme-log-archive"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let management = env.management();
    let trails = management.cloudtrail().describe_trails().send().await.unwrap();
    assert_eq!(trails.trail_list().len(), 1);
    let ran = env.run(&both, &["apply", "--yes", "--confirm-weakened-guard"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}
