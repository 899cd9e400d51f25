//! A second operator who acts while a command waits or runs.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use orgtrail::plan::apply::{StepOutcome, apply};
use orgtrail::plan::plan;

use crate::configured::ConfiguredEnv;
use crate::drift_command::stop_rotation;
use crate::env::{MINIMAL, home};
use crate::retire_env;
use crate::rounds::{LEGACY, LegacyEnv, member};

/// Runs a command at a terminal of its own and does something while its prompt waits,
/// before "y" is typed; its exit code and all that it said.
async fn answered_after(
    env: &ConfiguredEnv,
    config: &str,
    arguments: &[&str],
    meanwhile: impl Future<Output = ()>,
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let plain = env.command(folder.path(), config, arguments);
    answered(&plain, meanwhile).await
}

/// The same of a command that is ready to run.
async fn answered(plain: &Command, meanwhile: impl Future<Output = ()>) -> (Option<i32>, String) {
    let arguments: Vec<&str> = plain.get_args().map(|one| one.to_str().unwrap()).collect();
    let folder = plain.get_current_dir().unwrap();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_orgtrail"), arguments.join(" "));
    let mut at_terminal = Command::new("script");
    at_terminal.args(["-qec", &line, "/dev/null"]).current_dir(folder).env_clear();
    at_terminal.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    for (name, value) in plain.get_envs() {
        at_terminal.env(name, value.unwrap());
    }
    at_terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = at_terminal.spawn().unwrap();
    let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let until_prompt = tokio::task::spawn_blocking(move || {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&said).contains("[y/N] ") {
            match shown.read(&mut buffer) {
                Ok(count) if count > 0 => said.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        (said, shown)
    });
    let (mut said, mut shown) = until_prompt.await.unwrap();
    assert!(String::from_utf8_lossy(&said).contains("[y/N] "), "no prompt: {said:?}");
    meanwhile.await;
    let ended = tokio::task::spawn_blocking(move || {
        typed.write_all(b"y\n").unwrap();
        typed.flush().unwrap();
        // The end of a terminal is an error on some systems.
        let _ = shown.read_to_end(&mut said);
        (child.wait().unwrap().code(), String::from_utf8_lossy(&said).into_owned())
    });
    ended.await.unwrap()
}

/// Raises the archive's default retention to ten years that nobody can lift.
async fn raise_retention(env: &ConfiguredEnv) {
    let retention =
        DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(3650);
    let rule = ObjectLockRule::builder().default_retention(retention.build()).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule)
        .build();
    let call = env.archive().s3().put_object_lock_configuration().bucket("acme-log-archive");
    call.object_lock_configuration(lock).send().await.unwrap();
}

async fn assert_retention_is_raised(env: &ConfiguredEnv) {
    let seen = env.observe().await.object_lock;
    let lock = seen.present().unwrap();
    assert_eq!((lock.mode.as_deref(), lock.days), (Some("COMPLIANCE"), Some(3650)));
}

fn longer() -> String {
    format!("{MINIMAL}[archive.object_lock]\ndays = 400\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_raised_while_the_prompt_waits_is_not_lowered() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let raised = raise_retention(&env);
    let raised = Box::pin(raised);
    let (code, said) = answered_after(&env, &longer(), &["apply"], raised).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("archive-bucket/object-lock changed during the prompt"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    assert_retention_is_raised(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_carried_out_where_nothing_changed_and_a_changed_tag_is_named() {
    let tagged = format!("{MINIMAL}[trail.tags]\nteam = \"audit\"\n");
    let env = ConfiguredEnv::new(&tagged).await;
    env.converge().await;
    let config = tagged.replacen("audit", "security", 1);
    let untag = async {
        let call = env.archive().s3().delete_bucket_tagging().bucket("acme-log-archive");
        call.send().await.unwrap();
    };
    let (code, said) = answered_after(&env, &config, &["apply"], untag).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("archive-bucket/tags changed during the prompt"), "{said}");
    let (code, said) = answered_after(&env, &config, &["apply"], async {}).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_of_one_check_is_refused_if_anything_changed_while_the_prompt_waits() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    stop_rotation(&env).await;
    let arguments = ["drift", "--check", "key-rotation", "--fix"];
    let raised = Box::pin(raise_retention(&env));
    let (code, said) = answered_after(&env, MINIMAL, &arguments, raised).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("archive-bucket/object-lock changed during the prompt"), "{said}");
    let rotates = async || env.plan().await.step("kms-key/rotation").unwrap().changes.is_empty();
    assert!(!rotates().await);

    // A plan that is limited to one check is compared with one that is limited alike.
    let (code, said) = answered_after(&env, MINIMAL, &arguments, async {}).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(rotates().await);
    assert_retention_is_raised(&env).await;
}

#[tokio::test]
async fn a_guard_that_is_raised_after_it_was_observed_is_not_lowered() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.declare(&format!("{}[trail.tags]\nteam = \"audit\"\n", longer()));
    let observed = env.observe().await;
    let planned = plan(&env.desired, &observed);
    raise_retention(&env).await;
    let results =
        apply(&env.aws, &env.desired, &observed, &planned, &[].into(), &|_| {}).await.unwrap();
    let outcome = |id: &str| &results.iter().find(|result| result.id == id).unwrap().outcome;
    let StepOutcome::Refused { error, hint } = outcome("archive-bucket/object-lock") else {
        panic!("{results:?}");
    };
    assert!(error.contains("COMPLIANCE") && error.contains("3650"), "{error}");
    assert!(hint.as_deref().unwrap_or_default().contains("orgtrail plan"), "{hint:?}");
    // What nobody else touches is done.
    assert_eq!(*outcome("archive-bucket/tags"), StepOutcome::Done);
    assert_retention_is_raised(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_appears_while_consolidation_asks_is_not_copied() {
    let env = LegacyEnv::new().await;
    let folder = tempfile::tempdir().unwrap();
    let plain = env.command(folder.path(), MINIMAL, &["consolidate"]);
    let appears = async {
        env.bucket(&member(), "planted-333").await.unwrap();
        let clients = env.clients(&member(), &home());
        let trail = clients.cloudtrail().create_trail().name("planted");
        trail.s3_bucket_name("planted-333").send().await.unwrap();
    };
    let (code, said) = answered(&plain, appears).await;
    assert_eq!(code, Some(12), "{said}");
    // What is copied, whose it is, and whose logs it may hold stand above the question.
    let listed = format!("s3://{LEGACY} of account 333333333333, for the logs of 333333333333");
    assert!(said.contains(&listed), "{said}");
    assert!(said.contains("s3://planted-333 changed during the prompt"), "{said}");
    assert_eq!(env.records().await, 0);

    let (code, said) = answered(&plain, async {}).await;
    assert_eq!(code, Some(0), "{said}");
    env.assert_arrived_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_trail_goes_while_consolidation_asks_is_not_copied() {
    let env = LegacyEnv::new().await;
    let folder = tempfile::tempdir().unwrap();
    let plain = env.command(folder.path(), MINIMAL, &["consolidate"]);
    let goes = async {
        let clients = env.clients(&member(), &home());
        clients.cloudtrail().delete_trail().name("old-trail").send().await.unwrap();
    };
    let (exit, text) = answered(&plain, goes).await;
    assert_eq!(exit, Some(12), "{text}");
    assert!(text.contains(&format!("s3://{LEGACY} changed during the prompt")), "{text}");
    // `--yes` asks nothing, and copies what there is.
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn mfa_delete_is_not_switched_on_where_the_bucket_changed_under_the_prompt() {
    use aws_sdk_s3::types::{
        BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        LifecycleRuleFilter,
    };

    let config = format!("{MINIMAL}mfa_delete = \"root\"\n[archive.lifecycle]\nenabled = false\n");
    let env = ConfiguredEnv::new(&config).await;
    env.apply().await;
    let account = "222222222222".parse().unwrap();
    let device = env.sandbox.root_mfa_device(&account).unwrap();
    let keys = env.sandbox.root(&account).unwrap();
    let mfa_code = device.current_code();
    let arguments =
        ["mfa-delete", "enable", "--serial", device.serial.as_str(), "--code", &mfa_code];
    let folder = tempfile::tempdir().unwrap();
    let mut plain = env.command(folder.path(), &config, &arguments);
    plain.env("AWS_ACCESS_KEY_ID", keys.access_key_id);
    plain.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key);
    let expire = async {
        let rule = LifecycleRule::builder()
            .id("theirs")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .expiration(LifecycleExpiration::builder().days(1).build())
            .build()
            .unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
        let put = env.archive().s3().put_bucket_lifecycle_configuration();
        let put = put.bucket("acme-log-archive").lifecycle_configuration(rules);
        put.send().await.unwrap();
    };
    let (code, said) = answered(&plain, expire).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("has no lifecycle rules?"), "{said}");
    assert!(said.contains("`acme-log-archive` changed during the prompt"), "{said}");
    let is_on = async || env.observe().await.versioning.present().unwrap().mfa_delete;
    assert!(!is_on().await);

    env.archive().s3().delete_bucket_lifecycle().bucket("acme-log-archive").send().await.unwrap();
    let (code, said) = answered(&plain, async {}).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(is_on().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_changes_while_its_retirement_asks_stays() {
    let env = retire_env::with_legacy_trail(30).await;
    let config = retire_env::config();
    let ran = env.run(&config, &["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let owner = env.clients(&retire_env::account(), &home());
    let move_to = async |prefix: &str| {
        let update = owner.cloudtrail().update_trail().name(retire_env::TRAIL);
        update.s3_key_prefix(prefix).send().await.unwrap();
    };
    let arguments = ["retire", retire_env::TRAIL];
    let moves = Box::pin(move_to("aside"));
    let (code, said) = answered_after(&env, &config, &arguments, moves).await;
    assert_eq!(code, Some(12), "{said}");
    let changed = format!("{} changed during the prompt", retire_env::TRAIL);
    assert!(said.contains(&changed), "{said}");
    let trails = async || {
        let trails = owner.cloudtrail().describe_trails().send().await.unwrap();
        let trails = trails.trail_list.unwrap_or_default();
        trails.into_iter().filter(|one| one.trail_arn() == Some(retire_env::TRAIL)).count()
    };
    assert_eq!(trails().await, 1);

    move_to("").await;
    let (code, said) = answered_after(&env, &config, &arguments, async {}).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(trails().await, 0);
}

#[tokio::test]
async fn a_destroy_takes_nothing_that_changed_after_it_was_observed() {
    use orgtrail::plan::destroy::{destroy, plan_destroy};

    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let observed = env.observe().await;
    let leaving = plan_destroy(&env.desired, &observed);
    let arn = env.desired.trail_arn().to_string();
    let management = env.management();
    let update = management.cloudtrail().update_trail().name(&arn);
    update.enable_log_file_validation(false).send().await.unwrap();
    let results = destroy(&env.aws, &env.desired, &observed, &leaving, &|_| {}).await;
    let trail = results.iter().find(|result| result.id == "trail").unwrap();
    let StepOutcome::Refused { error, hint } = &trail.outcome else { panic!("{results:?}") };
    assert!(error.contains("log_file_validation"), "{error}");
    assert!(hint.as_deref().unwrap_or_default().contains("--dry-run"), "{hint:?}");
    let observed = env.observe().await;
    assert!(observed.trails.present().unwrap().own.is_some());

    let leaving = plan_destroy(&env.desired, &observed);
    let results = destroy(&env.aws, &env.desired, &observed, &leaving, &|_| {}).await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
}

#[tokio::test]
async fn an_alias_that_somebody_takes_after_it_was_observed_is_not_taken_for_ours() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let alias = env.desired.config.key.alias.to_string();
    let free = async || {
        archive.kms().delete_alias().alias_name(&alias).send().await.unwrap();
    };
    free().await;
    let observed = env.observe().await;
    let planned = plan(&env.desired, &observed);
    let made = archive.kms().create_key().send().await.unwrap().key_metadata.unwrap();
    let taken = archive.kms().create_alias().alias_name(&alias).target_key_id(made.key_id);
    taken.send().await.unwrap();
    let carry_out = async |observed, planned| {
        apply(&env.aws, &env.desired, observed, planned, &[].into(), &|_| {}).await.unwrap()
    };
    let results = carry_out(&observed, &planned).await;
    let of_alias = results.iter().find(|result| result.id == "kms-key/alias").unwrap();
    assert!(matches!(of_alias.outcome, StepOutcome::Refused { .. }), "{results:?}");

    free().await;
    let observed = env.observe().await;
    let results = carry_out(&observed, &plan(&env.desired, &observed)).await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
}
