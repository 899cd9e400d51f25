//! An archive that may not be listed ends every command alike.

use crate::rounds::{Ground, code, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_listing_of_the_archive_is_incomplete_with_a_hint_everywhere() {
    let ground = Ground::lay().await;
    ground.sandbox.revoke("222222222222");
    for command in [&["consolidate", "--yes"][..], &["verify"], &["records"]] {
        let ran = ground.run(command).await;
        assert_eq!(code(&ran), 14, "{command:?}: {}", said(&ran));
        let said = said(&ran);
        assert!(said.contains("s3:ListBucket") && said.contains("hint: "), "{command:?}: {said}");
    }
}
