//! Notifications to resources of AWS, under the roles that are generated for them.

use orgtrail::resources::roles::{RoleKind, roles};

use super::roles_env::{ARCHIVE, MANAGEMENT, RolesEnv};
use crate::env::HOME;

fn channels(topic: &str) -> String {
    let channel = |name: &str, kind: &str, target: &str| {
        format!(
            "\n[[service.notify]]\nname = \"{name}\"\nkind = \"{kind}\"\ntarget = \"{target}\"\n"
        )
    };
    [
        channel("topic", "sns", &format!("arn:aws:sns:{HOME}:{MANAGEMENT}:{topic}")),
        channel(
            "bus",
            "event_bridge",
            &format!("arn:aws:events:{HOME}:{ARCHIVE}:event-bus/default"),
        ),
        channel(
            "hub",
            "security_hub",
            &format!("arn:aws:securityhub:{HOME}:{ARCHIVE}:hub/default"),
        ),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generated_roles_send_to_the_declared_targets_and_to_no_other() {
    let env = RolesEnv::in_the_management_account().await;
    let management = env.root(MANAGEMENT).await;
    for topic in ["findings", "other"] {
        management.sns().create_topic().name(topic).send().await.unwrap();
    }
    env.sandbox.enable_security_hub(&ARCHIVE.parse().unwrap(), &HOME.parse().unwrap());
    let env = env.declaring(|config| format!("{config}{}", channels("findings")));
    for role in roles(&env.config) {
        if matches!(role.kind, RoleKind::Management | RoleKind::Archive) {
            let policy = serde_json::to_value(role.policy()).unwrap();
            env.put_policy(&role, &policy).await;
        }
    }
    env.runs(&["service", "test-notification"], 0).await;
    assert_eq!(env.sandbox.events_raw(&ARCHIVE.parse().unwrap()).len(), 2);
    assert_eq!(env.sandbox.findings_raw(&ARCHIVE.parse().unwrap()).len(), 1);

    let env = env.declaring(|config| config.replace(":findings\"", ":other\""));
    let refused = env.output(&["service", "test-notification", "--channel", "topic"]).await;
    assert_eq!(refused.code, 14, "{}", refused.text());
    assert!(refused.stdout.contains("sns:Publish in account 111111111111"), "{}", refused.stdout);
    assert!(refused.stdout.contains("access denied"), "{}", refused.stdout);
}
