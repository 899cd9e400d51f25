//! `plan` and `apply` as a user runs them: killed anywhere, and in front of
//! what cannot be done.

use orgtrail::sandbox::{Effect, Fault};

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, home};

/// Starts an apply and kills it when so many steps are done; tells whether that
/// was before its end.
async fn kill_after(env: &ConfiguredEnv, config: &str, steps: usize) -> bool {
    let mut seen = 0;
    let done = move |line: &str| {
        seen += usize::from(line.ends_with(" done"));
        seen == steps
    };
    let (ended, heard) = env.kill_at(config, &["apply", "--yes"], done).await;
    // What was under way may have been all that was left.
    assert!(ended.is_none_or(|code| code == 0), "{ended:?}: {heard}");
    ended.is_none()
}

/// That both commands refuse this, and say so.
async fn refused(env: &ConfiguredEnv, config: &str, says: &[&str]) {
    for arguments in [["plan"].as_slice(), &["apply", "--yes"]] {
        let ran = env.run(config, arguments).await;
        assert_eq!(ran.code, 12, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        let said = if arguments == ["plan"] { &ran.stdout } else { &ran.stderr };
        for part in says {
            assert!(said.contains(part), "{arguments:?} does not say `{part}`: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_is_killed_anywhere_is_completed_by_the_next() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let env = ConfiguredEnv::new(&config).await;
    // Slow enough that every kill finds calls under way.
    env.sandbox.faults().inject(Fault::every("*", Effect::Latency { milliseconds: 15 }));
    let mut kills = 0;
    for steps in [1, 3, 2, 1] {
        kills += usize::from(kill_after(&env, &config, steps).await);
    }
    assert!(kills >= 2, "{kills} kills");
    env.sandbox.faults().clear();
    let ran = env.run(&config, &["apply", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = env.run(&config, &["plan"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_keys(&env).await;
}

/// One key for the archive and one for the vault, each with its alias.
async fn assert_keys(env: &ConfiguredEnv) {
    let vault = env.desired.config.archive.replication.as_ref().unwrap();
    let vault_clients = env.clients(&vault.account, &vault.region);
    let same = (&vault.account, &vault.region)
        == (env.desired.archive(), &env.desired.config.archive.region);
    let wanted = if same { 2 } else { 1 };
    for clients in [env.archive(), vault_clients] {
        let aliases = clients.kms().list_aliases().send().await.unwrap();
        let named = aliases
            .aliases()
            .iter()
            .filter(|alias| !alias.alias_name().unwrap().starts_with("alias/aws/"))
            .count();
        let mut own = 0;
        for key in clients.kms().list_keys().send().await.unwrap().keys() {
            let key = clients.kms().describe_key().key_id(key.key_id().unwrap()).send().await;
            let key = key.unwrap().key_metadata.unwrap();
            own += usize::from(key.key_manager.unwrap().as_str() == "CUSTOMER");
        }
        assert_eq!((own, named), (wanted, wanted));
    }
}

#[tokio::test]
async fn keys_that_were_made_and_not_named_are_taken_and_not_made_again() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let env = ConfiguredEnv::new(&config).await;
    for call in ["kms:CreateAlias", "kms:EnableKeyRotation"] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        env.apply().await;
        assert!(env.sandbox.faults().triggered()[0].1 > 0, "{call}");
        env.sandbox.faults().clear();
    }
    // Not to know whether a key is ours is no reason to make one.
    env.sandbox.faults().inject(Fault::every("kms:DescribeKey", Effect::Fail { status: 500 }));
    env.apply().await;
    env.sandbox.faults().clear();
    env.converge().await;
    assert_keys(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_name_that_another_account_took_is_refused_with_a_hint() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let other = env.clients(&"333333333333".parse().unwrap(), &home());
    other.s3().create_bucket().bucket("acme-log-archive").send().await.unwrap();
    refused(&env, MINIMAL, &["taken by another account", "hint: ", "archive.bucket"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_another_region_than_the_key_is_refused_with_a_hint() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let elsewhere =
        MINIMAL.replace("acme-log-archive", "acme-elsewhere") + "region = \"eu-west-1\"\n";
    refused(&env, &elsewhere, &["not in the bucket's Region, eu-west-1", "hint: "]).await;
    let ran = env.run(MINIMAL, &["plan"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_over_the_size_limit_is_refused_with_a_hint() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let readers: Vec<String> = (0..700).map(|n| format!("\"300000{n:06}\"")).collect();
    let config = format!("{MINIMAL}readers = [{}]\n", readers.join(", "));
    refused(&env, &config, &["AWS accepts 20480", "hint: ", "name fewer readers"]).await;
    assert!(env.observe().await.archive_bucket.is_absent());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_of_trails_is_refused_with_a_hint_until_one_is_deleted() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let management = env.management();
    management.s3().create_bucket().bucket("other-trails").send().await.unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":["s3:GetBucketAcl","s3:PutObject"],"Resource":["arn:aws:s3:::other-trails","arn:aws:s3:::other-trails/*"]}]}"#;
    management.s3().put_bucket_policy().bucket("other-trails").policy(policy).send().await.unwrap();
    for n in 1..=5 {
        let name = format!("other-{n}");
        let trail = management.cloudtrail().create_trail().name(name);
        trail.s3_bucket_name("other-trails").send().await.unwrap();
    }
    refused(&env, MINIMAL, &["5 trails exist", "other-3", "hint: "]).await;
    management.cloudtrail().delete_trail().name("other-3").send().await.unwrap();
    let ran = env.run(MINIMAL, &["apply", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_permission_is_one_error_and_the_next_run_does_the_rest() {
    // The access-log bucket has a lifecycle too, and is let be.
    let missing = [
        (
            "s3:PutLifecycleConfiguration",
            "arn:aws:s3:::acme-log-archive",
            "archive-bucket/lifecycle",
        ),
        ("kms:CreateKey", "*", "kms-key"),
    ];
    for (action, resource, fails) in missing {
        let env = ConfiguredEnv::new(MINIMAL).await;
        let iam = env.archive();
        let role = "OrganizationAccountAccessRole";
        let deny = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"{action}","Resource":"{resource}"}}}}"#
        );
        let put = iam.iam().put_role_policy().role_name(role).policy_name("deny");
        put.policy_document(deny).send().await.unwrap();
        let ran = env.run(MINIMAL, &["apply", "--yes"]).await;
        assert_eq!(ran.code, 14, "{}{}", ran.stdout, ran.stderr);
        let failed: Vec<&str> =
            ran.stderr.lines().filter(|line| line.contains(" failed: ")).collect();
        assert_eq!(failed.len(), 1, "{}", ran.stderr);
        assert!(failed[0].contains(&format!("{fails}: create failed: ")), "{failed:?}");
        assert_eq!(ran.stderr.matches("  hint: ").count(), 1, "{}", ran.stderr);
        let stopped = ran
            .stderr
            .lines()
            .filter(|line| line.contains(": skipped, because it depends on"))
            .count();
        assert_eq!(stopped > 0, fails == "kms-key", "{}", ran.stderr);
        // All that does not build on it is done.
        let seen = env.observe().await;
        assert!(seen.archive_bucket.present().is_some());
        assert!(seen.trusted_access.present().is_some());
        iam.iam().delete_role_policy().role_name(role).policy_name("deny").send().await.unwrap();
        let ran = env.run(MINIMAL, &["apply", "--yes"]).await;
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let ran = env.run(MINIMAL, &["plan"]).await;
        assert_eq!(ran.code, 0, "{}", ran.stdout);
    }
}
