//! Genuine CloudTrail keys and signatures, through the product's own functions.

use std::path::PathBuf;

use aws_lc_rs::digest::{Digest, SHA256};
use base64::Engine as _;
use orgtrail::archive::verify::public_keys::{KeyItem, PublicKeySet};
use orgtrail::archive::verify::signature::{PublicKey, SignatureError};
use serde_json::Value;

#[test]
fn genuine_keys_and_signatures_check_out() {
    let Some(vectors) = vectors() else { return };
    let keys: Vec<PublicKey> = vectors["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            let value = key["value_b64"].as_str().unwrap();
            let fingerprint = key["fingerprint"].as_str().unwrap();
            // The set checks the fingerprint.
            let item = KeyItem {
                value: value.to_owned(),
                validity_start_time: None,
                validity_end_time: None,
                fingerprint: fingerprint.to_owned(),
                region: None,
            };
            PublicKeySet::default().add_item(&item).unwrap();
            let der = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
            let wanted = if key["encoding"] == "SPKI" { 294 } else { 270 };
            assert_eq!(der.len(), wanted);
            let key = PublicKey::from_der(&der).unwrap();
            assert_eq!(key.fingerprint().as_str(), fingerprint);
            key
        })
        .collect();
    assert!(keys.len() >= 4);

    let signatures = vectors["signatures"].as_array().unwrap();
    assert!(signatures.len() >= 2);
    for signature in signatures {
        let hash = hex::decode(signature["recovered_sha256"].as_str().unwrap()).unwrap();
        let hash = Digest::import_less_safe(&hash, &SHA256).unwrap();
        let text = signature["signature_hex"].as_str().unwrap();
        for key in &keys {
            let wanted = if key.fingerprint().as_str() == signature["fingerprint"] {
                Ok(())
            } else {
                Err(SignatureError::Mismatch)
            };
            assert_eq!(key.verify_hashed(&hash, text), wanted);
        }
    }
}

fn vectors() -> Option<Value> {
    let path = test_data()?.join("digest-vectors.json");
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// The folder of genuine CloudTrail material, which is not part of the project.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests have no configuration, and a skipped test says so"
)]
pub(crate) fn test_data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    let folder = std::env::var_os("ORGTRAIL_TEST_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no genuine CloudTrail material at {}", folder.display());
    None
}
