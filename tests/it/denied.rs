//! An archive that may not be listed ends every command alike.

use crate::rounds::LegacyEnv;

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_listing_of_the_archive_is_incomplete_with_a_hint_everywhere() {
    let env = LegacyEnv::new().await;
    env.sandbox.revoke("222222222222");
    for command in [&["consolidate", "--yes"][..], &["verify"], &["records"]] {
        let ran = env.run(command).await;
        assert_eq!(ran.code, 14, "{command:?}: {}", ran.text());
        let said = ran.text();
        assert!(said.contains("s3:ListBucket") && said.contains("hint: "), "{command:?}: {said}");
    }
}
