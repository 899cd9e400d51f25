//! What authenticates the records below `orgtrail/`: codes of a KMS key, and what the
//! configuration lists.

use std::collections::HashMap;

use aws_sdk_kms::types::{KeySpec, KeyUsageType, MacAlgorithmSpec};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use orgtrail::archive::authenticity::{
    Authenticity, MAC_METADATA, MacKey, RecordKind, RecordTrust, StoredRecord,
};
use orgtrail::aws::{Clients, WriteClients};
use orgtrail::names::Arn;

use crate::env::{TestEnv, writer};

const KEY: &str = "orgtrail/runs/000000000007.jsonl.gz";

fn record() -> StoredRecord<'static> {
    StoredRecord {
        kind: RecordKind::RunRecord,
        key: KEY,
        number: 7,
        previous_sha256: Some("00"),
        sha256: "11",
    }
}

fn with(code: &str) -> HashMap<String, String> {
    [(MAC_METADATA.to_owned(), code.to_owned())].into()
}

/// Clients of the management account, and a new HMAC key of it.
async fn hmac_key(env: &TestEnv) -> (WriteClients, Arn) {
    let clients = writer(&env.sign_in().await.own_clients());
    let key = create(&clients).await;
    (clients, key)
}

async fn create(clients: &WriteClients) -> Arn {
    let create = clients.kms().create_key().key_spec(KeySpec::Hmac256);
    let made = create.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
    let metadata = made.key_metadata.unwrap();
    assert_eq!(metadata.mac_algorithms(), [MacAlgorithmSpec::HmacSha256]);
    metadata.arn.unwrap().parse().unwrap()
}

fn key_of(clients: &Clients, arn: &Arn, organization: &str, bucket: &str) -> MacKey {
    let (organization, bucket) = (organization.parse().unwrap(), bucket.parse().unwrap());
    MacKey::new(clients.clone(), arn.clone(), organization, bucket)
}

fn mac_key(clients: &Clients, arn: &Arn) -> MacKey {
    key_of(clients, arn, "o-exampleorgid", "archive")
}

/// What `key` alone says of a record.
async fn check(
    key: &MacKey,
    record: StoredRecord<'_>,
    metadata: &HashMap<String, String>,
) -> Authenticity {
    let trust = RecordTrust { mac_key: Some(key.clone()), ..RecordTrust::default() };
    trust.of(record, metadata).await
}

fn nothing(reason: &str) -> Authenticity {
    Authenticity::Unauthenticated { reason: reason.to_owned() }
}

#[tokio::test]
async fn a_code_is_of_one_record_at_one_place_in_one_archive() {
    let env = TestEnv::start().await;
    let (clients, arn) = hmac_key(&env).await;
    let key = mac_key(&clients, &arn);
    let code = with(&key.code(record()).await.unwrap());
    let authentic = check(&key, record(), &code).await;
    assert_eq!(authentic, Authenticity::Mac { mac_key: arn.to_string() });
    let r = record();
    for other in [
        StoredRecord { kind: RecordKind::Acceptance, ..r },
        StoredRecord { kind: RecordKind::RetiredTrail, ..r },
        StoredRecord { key: "orgtrail/runs/000000000008.jsonl.gz", ..r },
        StoredRecord { key: "other/orgtrail/runs/000000000007.jsonl.gz", ..r },
        StoredRecord { number: 8, ..r },
        StoredRecord { previous_sha256: None, ..r },
        StoredRecord { previous_sha256: Some("11"), sha256: "00", ..r },
        StoredRecord { sha256: "12", ..r },
    ] {
        let found = check(&key, other, &code).await;
        assert_eq!(found, nothing("its MAC is not valid"), "{other:?}");
    }
    let archives = [("o-exampleorgid", "other-archive"), ("o-anotherorgid", "archive")]
        .map(|(organization, bucket)| key_of(&clients, &arn, organization, bucket));
    for other in archives.into_iter().chain([mac_key(&clients, &create(&clients).await)]) {
        assert!(!check(&other, record(), &code).await.is_authenticated(), "{other:?}");
    }
    for malformed in ["", "no base64!", &BASE64_STANDARD.encode([0; 65])] {
        let found = check(&key, record(), &with(malformed)).await;
        assert_eq!(found, nothing("its MAC is malformed"), "{malformed}");
    }
    let none = check(&key, record(), &HashMap::new()).await;
    assert_eq!(none, nothing("it has no MAC"));
}

#[tokio::test]
async fn a_code_that_kms_does_not_check_is_unknown_and_never_valid() {
    let env = TestEnv::start().await;
    let (clients, arn) = hmac_key(&env).await;
    let key = mac_key(&clients, &arn);
    let code = with(&key.code(record()).await.unwrap());
    let is_unknown = |found: &Authenticity| matches!(found, Authenticity::Unknown { .. });
    clients.kms().disable_key().key_id(arn.to_string()).send().await.unwrap();
    assert!(is_unknown(&check(&key, record(), &code).await));
    assert!(key.code(record()).await.is_err());
    clients.kms().enable_key().key_id(arn.to_string()).send().await.unwrap();
    assert!(check(&key, record(), &code).await.is_authenticated());
    // Its policy lets nobody verify.
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": "*" }, "Resource": "*", "Action": "kms:*" },
        { "Effect": "Deny", "Principal": { "AWS": "*" }, "Resource": "*",
          "Action": "kms:VerifyMac" },
    ] });
    let put = clients.kms().put_key_policy().key_id(arn.to_string());
    put.policy(policy.to_string()).send().await.unwrap();
    let found = check(&key, record(), &code).await;
    assert!(is_unknown(&found) && found.reason().unwrap().contains("VerifyMac"), "{found:?}");
    // A key for encryption gives no codes.
    let made = clients.kms().create_key().send().await.unwrap();
    let other = made.key_metadata.unwrap().arn.unwrap().parse().unwrap();
    assert!(mac_key(&clients, &other).code(record()).await.is_err());
}

#[tokio::test]
async fn what_the_configuration_lists_is_trusted_and_nothing_else_without_a_key() {
    let sha256 = "AB".repeat(32);
    let trust = RecordTrust::listed([&sha256]);
    let listed = sha256.to_lowercase();
    let listed = StoredRecord { sha256: &listed, ..record() };
    assert_eq!(trust.of(listed, &HashMap::new()).await, Authenticity::Listed);
    let other = trust.of(record(), &with("AAAA")).await;
    assert!(!other.is_authenticated() && other.reason().is_some(), "{other:?}");
}
