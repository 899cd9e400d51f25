//! Rounds of the service, and what channels receive after them.

use jiff::SignedDuration;
use serde_json::Value;

use crate::env::receiver::Receiver;
use crate::retire_env::{MEMBER, with_legacy_trail};
use crate::service_rounds::{round, service, service_config};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_is_sent_after_the_round_that_misses_it_and_not_again() {
    let env = with_legacy_trail(30).await;
    let state = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let config = format!(
        "{}[[service.notify]]\nname = \"team\"\nkind = \"slack\"\ntarget = \"{}/hook\"\n\
         allow_private = true\nmin_severity = \"critical\"\n",
        service_config(state.path()),
        receiver.origin
    );
    let app = service(&env, &config).await;
    round(&app).await;
    assert_eq!(receiver.received().len(), 0, "nothing is critical");

    let keys = env.sandbox.keys_raw("acme-log-archive", "");
    // The last one, which CloudTrail delivered: what was copied is copied again.
    let own = format!("AWSLogs/{}/{MEMBER}/", env.sandbox.organization_id().unwrap());
    let is_log = |key: &&String| key.contains("/CloudTrail/us-east-1/") && key.starts_with(&own);
    env.sandbox.delete_raw("acme-log-archive", keys.iter().rfind(is_log).unwrap()).unwrap();
    for _ in 0..2 {
        env.sandbox.tick(SignedDuration::from_mins(1));
        // Another process, as after a restart.
        let app = service(&env, &config).await;
        round(&app).await;
        assert_eq!(app.board().newest().unwrap().exit_code, 13);
        assert_eq!(receiver.received().len(), 1);
    }
    let last = receiver.received().pop().unwrap();
    let message: Value = serde_json::from_slice(&last.body).unwrap();
    assert!(message["text"].as_str().unwrap().ends_with(" new"), "{message:#}");
    let text = message["blocks"].to_string();
    assert!(text.contains("critical, new: ") && text.contains(MEMBER), "{text}");
}
