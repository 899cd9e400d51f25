//! A second operator who acts while a command waits or runs.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use orgtrail::plan::apply::{Outcome, apply};
use orgtrail::plan::plan;

use crate::apply_command::command;
use crate::stage::{MINIMAL, Stage};

/// Runs a command at a terminal of its own and does something while its prompt waits,
/// before "y" is typed; its exit code and all that it said.
async fn answered_after(
    stage: &Stage,
    config: &str,
    arguments: &[&str],
    meanwhile: impl Future<Output = ()>,
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let plain = command(&stage.sandbox, folder.path(), config, arguments);
    let line = format!("{} {}", env!("CARGO_BIN_EXE_orgtrail"), arguments.join(" "));
    let mut at_terminal = Command::new("script");
    at_terminal.args(["-qec", &line, "/dev/null"]).current_dir(folder.path()).env_clear();
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
async fn raise_retention(stage: &Stage) {
    let retention =
        DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(3650);
    let rule = ObjectLockRule::builder().default_retention(retention.build()).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule)
        .build();
    let call = stage.archive().s3().put_object_lock_configuration().bucket("acme-log-archive");
    call.object_lock_configuration(lock).send().await.unwrap();
}

async fn assert_retention_is_raised(stage: &Stage) {
    let seen = stage.observe().await.object_lock;
    let lock = seen.present().unwrap();
    assert_eq!((lock.mode.as_deref(), lock.days), (Some("COMPLIANCE"), Some(3650)));
}

fn longer() -> String {
    format!("{MINIMAL}[archive.object_lock]\ndays = 400\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_raised_while_the_prompt_waits_is_not_lowered() {
    let stage = Stage::new(MINIMAL).await;
    stage.converge().await;
    let raised = raise_retention(&stage);
    let (code, said) = answered_after(&stage, &longer(), &["apply"], raised).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("archive-bucket/object-lock changed while the prompt waited"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    assert_retention_is_raised(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_carried_out_where_nothing_changed_and_a_changed_tag_is_named() {
    let tagged = format!("{MINIMAL}[trail.tags]\nteam = \"audit\"\n");
    let stage = Stage::new(&tagged).await;
    stage.converge().await;
    let config = tagged.replacen("audit", "security", 1);
    let untag = async {
        let call = stage.archive().s3().delete_bucket_tagging().bucket("acme-log-archive");
        call.send().await.unwrap();
    };
    let (code, said) = answered_after(&stage, &config, &["apply"], untag).await;
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("archive-bucket/tags changed while the prompt waited"), "{said}");
    let (code, said) = answered_after(&stage, &config, &["apply"], async {}).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_guard_that_is_raised_after_it_was_observed_is_not_lowered() {
    let mut stage = Stage::new(MINIMAL).await;
    stage.converge().await;
    stage.declare(&format!("{}[trail.tags]\nteam = \"audit\"\n", longer()));
    let observed = stage.observe().await;
    let planned = plan(&stage.desired, &observed);
    raise_retention(&stage).await;
    let results =
        apply(&stage.aws, &stage.desired, &observed, &planned, &[].into(), &|_| {}).await.unwrap();
    let outcome = |id: &str| &results.iter().find(|result| result.id == id).unwrap().outcome;
    let Outcome::Refused { error, hint } = outcome("archive-bucket/object-lock") else {
        panic!("{results:?}");
    };
    assert!(error.contains("COMPLIANCE") && error.contains("3650"), "{error}");
    assert!(hint.as_deref().unwrap_or_default().contains("orgtrail plan"), "{hint:?}");
    // What nobody else touches is done.
    assert_eq!(*outcome("archive-bucket/tags"), Outcome::Done);
    assert_retention_is_raised(&stage).await;
}
