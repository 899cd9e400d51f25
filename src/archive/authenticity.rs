//! What authenticates the records below `orgtrail/`: whoever can write there can write
//! one, so that its own text proves nothing.
//!
//! A record is authenticated by a message authentication code (MAC) of a KMS key that
//! the configuration declares, or by its SHA-256 in the configuration.
//!
//! **Invariant**: a MAC is over the record's kind, organization, bucket, key, number, the
//! hash before it and its SHA-256, so that a copy under another name, number, kind or in
//! another archive is not authentic.
//! **Invariant**: a code that could not be checked is [`Authenticity::Unknown`], never
//! authentic.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::MacAlgorithmSpec;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::config::Config;
use crate::names::{Arn, BucketName, OrgId};

/// The object metadata that has the code, in base64.
pub const MAC_METADATA: &str = "orgtrail-mac";

/// The version of the message that a code is over.
const MESSAGE_VERSION: u32 = 1;

/// The longest code that is sent to KMS: one of `HMAC_SHA_256` has 32 bytes. Units: bytes.
const MAX_MAC_BYTES: usize = 64;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// A segment of the run records.
    RunRecord,
    /// An accepted finding.
    Acceptance,
    /// A trail that was retired.
    RetiredTrail,
}

/// A record as stored, and where.
#[derive(Debug, Clone, Copy)]
pub struct StoredRecord<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// Its key in the archive.
    pub key: &'a str,
    /// Its place in the sequence.
    pub number: u64,
    /// The SHA-256 of the record before it, as it states it.
    pub previous_sha256: Option<&'a str>,
    /// The SHA-256 of its bytes as stored, in hexadecimal.
    pub sha256: &'a str,
}

/// Whether it is known who wrote a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Authenticity {
    /// KMS confirmed its code.
    Mac {
        /// The key's ARN.
        mac_key: String,
    },
    /// The configuration, or the command line, lists its SHA-256.
    Listed,
    /// Nothing authenticates it.
    Nothing {
        /// Why.
        reason: String,
    },
    /// Its code could not be checked.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Authenticity {
    /// Whether it is known who wrote the record.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(self, Self::Mac { .. } | Self::Listed)
    }

    /// Why it is not known; `None` where it is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Mac { .. } | Self::Listed => None,
            Self::Nothing { reason } | Self::Unknown { reason } => Some(reason),
        }
    }

    fn nothing(reason: &str) -> Self {
        Self::Nothing { reason: reason.to_owned() }
    }
}

/// The KMS key whose codes authenticate the records of one archive.
#[derive(Debug, Clone)]
pub struct MacKey {
    /// Clients in the key's Region, with the caller's own credentials.
    clients: Clients,
    arn: Arn,
    organization: OrgId,
    bucket: BucketName,
}

impl MacKey {
    /// The key `arn`, which `clients` of its Region use, for the archive `bucket`.
    #[must_use]
    pub fn new(clients: Clients, arn: Arn, organization: OrgId, bucket: BucketName) -> Self {
        Self { clients, arn, organization, bucket }
    }

    /// The key's ARN.
    #[must_use]
    pub fn arn(&self) -> &Arn {
        &self.arn
    }

    /// What the code is over. A JSON array, so that no two records have the same.
    fn message(&self, record: StoredRecord<'_>) -> Blob {
        let StoredRecord { kind, key, number, previous_sha256, sha256 } = record;
        let (organization, bucket) = (self.organization.as_str(), self.bucket.as_str());
        let message = serde_json::json!([
            "orgtrail",
            MESSAGE_VERSION,
            kind,
            organization,
            bucket,
            key,
            number,
            previous_sha256,
            sha256
        ]);
        Blob::new(message.to_string())
    }

    /// The code of a record that is about to be written, as its metadata.
    ///
    /// # Errors
    /// KMS gave none.
    pub async fn code(&self, record: StoredRecord<'_>) -> Result<String, AwsError> {
        const ACTION: &str = "kms:GenerateMac";
        let answer = self
            .clients
            .kms()
            .generate_mac()
            .key_id(self.arn.to_string())
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(self.message(record))
            .send()
            .await
            .at(&self.clients, ACTION)?;
        match answer.mac() {
            Some(mac) if !mac.as_ref().is_empty() => Ok(BASE64_STANDARD.encode(mac.as_ref())),
            _ => Err(self.clients.malformed(ACTION, "no MAC")),
        }
    }

    /// Asks KMS whether a record's code is valid.
    async fn check(
        &self,
        record: StoredRecord<'_>,
        metadata: &HashMap<String, String>,
    ) -> Authenticity {
        let Some(code) = metadata.get(MAC_METADATA) else {
            return Authenticity::nothing("it has no MAC");
        };
        let mac = BASE64_STANDARD.decode(code).ok();
        let Some(mac) = mac.filter(|mac| !mac.is_empty() && mac.len() <= MAX_MAC_BYTES) else {
            return Authenticity::nothing("its MAC is malformed");
        };
        let answer = self
            .clients
            .kms()
            .verify_mac()
            .key_id(self.arn.to_string())
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(self.message(record))
            .mac(Blob::new(mac))
            .send()
            .await
            .at(&self.clients, "kms:VerifyMac");
        match answer {
            Ok(answer) if answer.mac_valid() => Authenticity::Mac { mac_key: self.arn.to_string() },
            Ok(_) => Authenticity::nothing("its MAC is not valid"),
            Err(error) if error.is_code("KMSInvalidMacException") => {
                Authenticity::nothing("its MAC is not valid")
            }
            Err(error) => Authenticity::Unknown {
                reason: format!("its MAC was not checked: {}", error.in_full()),
            },
        }
    }
}

/// What a command trusts records by.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// SHA-256 of records that are trusted, in lowercase hexadecimal.
    pub listed: BTreeSet<String>,
    /// The key of their codes, where one is declared and can be asked.
    pub mac_key: Option<MacKey>,
}

impl Trust {
    /// What a configuration trusts, for its archive. Without the organization no code can
    /// be checked.
    ///
    /// The key is used with the caller's own credentials, in the Region of its ARN: as
    /// whoever runs orgtrail, and by no role of an account.
    #[must_use]
    pub fn of_config(config: &Config, aws: &Aws, organization: Option<&OrgId>) -> Self {
        let declared = config.records.mac_key.as_ref().zip(organization);
        let mac_key = declared.and_then(|(arn, organization)| {
            let clients = aws.clients(&aws.caller().account, arn.region.as_ref()?);
            let bucket = config.archive.bucket.clone();
            Some(MacKey::new(clients, arn.clone(), organization.clone(), bucket))
        });
        Self { mac_key, ..Self::listed(&config.records.acceptances) }
    }

    /// The same with more SHA-256 that are trusted.
    #[must_use]
    pub fn and_listed(mut self, sha256: &[String]) -> Self {
        self.listed.extend(sha256.iter().map(|it| it.to_ascii_lowercase()));
        self
    }

    /// Trusts records with these SHA-256 alone.
    #[must_use]
    pub fn listed<'a>(sha256: impl IntoIterator<Item = &'a String>) -> Self {
        let listed = sha256.into_iter().map(|it| it.to_ascii_lowercase()).collect();
        Self { listed, mac_key: None }
    }

    /// Whether it is known who wrote a record.
    pub async fn of(
        &self,
        record: StoredRecord<'_>,
        metadata: &HashMap<String, String>,
    ) -> Authenticity {
        if self.listed.contains(record.sha256) {
            return Authenticity::Listed;
        }
        match &self.mac_key {
            Some(mac_key) => mac_key.check(record, metadata).await,
            None => Authenticity::nothing(
                "the configuration does not list its SHA-256, and no MAC key is available",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_sdk_kms::types::{KeySpec, KeyUsageType};

    use super::*;
    use crate::aws::Settings;
    use crate::sandbox::{Options, Sandbox};

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
    async fn hmac_key(sandbox: &Sandbox) -> (Clients, Arn) {
        let keys = sandbox.administrator().unwrap();
        let keys = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
        let base = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(sandbox.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        let aws = Aws::with_base(Settings::default(), base).await.unwrap();
        let clients = aws.own_clients();
        (clients.clone(), create(&clients).await)
    }

    async fn create(clients: &Clients) -> Arn {
        let create = clients.kms().create_key().key_spec(KeySpec::Hmac256);
        let made = create.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
        let metadata = made.key_metadata.unwrap();
        assert_eq!(metadata.mac_algorithms(), [MacAlgorithmSpec::HmacSha256]);
        metadata.arn.unwrap().parse().unwrap()
    }

    fn mac_key(clients: &Clients, arn: &Arn) -> MacKey {
        let organization = "o-exampleorgid".parse().unwrap();
        MacKey::new(clients.clone(), arn.clone(), organization, "archive".parse().unwrap())
    }

    #[tokio::test]
    async fn a_code_is_of_one_record_at_one_place_in_one_archive() {
        let sandbox = Sandbox::start(Options::new("us-east-1".parse().unwrap())).await.unwrap();
        let (clients, arn) = hmac_key(&sandbox).await;
        let key = mac_key(&clients, &arn);
        let code = with(&key.code(record()).await.unwrap());
        let authentic = key.check(record(), &code).await;
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
            let found = key.check(other, &code).await;
            assert_eq!(found, Authenticity::nothing("its MAC is not valid"), "{other:?}");
        }
        let archives = [("o-exampleorgid", "other-archive"), ("o-anotherorgid", "archive")].map(
            |(org, bucket)| {
                MacKey::new(
                    clients.clone(),
                    arn.clone(),
                    org.parse().unwrap(),
                    bucket.parse().unwrap(),
                )
            },
        );
        for other in archives.into_iter().chain([mac_key(&clients, &create(&clients).await)]) {
            assert!(!other.check(record(), &code).await.is_authenticated(), "{other:?}");
        }
        for malformed in ["", "no base64!", &BASE64_STANDARD.encode([0; 65])] {
            let found = key.check(record(), &with(malformed)).await;
            assert_eq!(found, Authenticity::nothing("its MAC is malformed"), "{malformed}");
        }
        let none = key.check(record(), &HashMap::new()).await;
        assert_eq!(none, Authenticity::nothing("it has no MAC"));
        sandbox.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_code_that_kms_does_not_check_is_unknown_and_never_valid() {
        let sandbox = Sandbox::start(Options::new("us-east-1".parse().unwrap())).await.unwrap();
        let (clients, arn) = hmac_key(&sandbox).await;
        let key = mac_key(&clients, &arn);
        let code = with(&key.code(record()).await.unwrap());
        let is_unknown = |found: &Authenticity| matches!(found, Authenticity::Unknown { .. });
        clients.kms().disable_key().key_id(arn.to_string()).send().await.unwrap();
        assert!(is_unknown(&key.check(record(), &code).await));
        assert!(key.code(record()).await.is_err());
        clients.kms().enable_key().key_id(arn.to_string()).send().await.unwrap();
        assert!(key.check(record(), &code).await.is_authenticated());
        // Its policy lets nobody verify.
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": "*" }, "Resource": "*", "Action": "kms:*" },
            { "Effect": "Deny", "Principal": { "AWS": "*" }, "Resource": "*",
              "Action": "kms:VerifyMac" },
        ] });
        let put = clients.kms().put_key_policy().key_id(arn.to_string());
        put.policy(policy.to_string()).send().await.unwrap();
        let found = key.check(record(), &code).await;
        assert!(is_unknown(&found) && found.reason().unwrap().contains("VerifyMac"), "{found:?}");
        // A key for encryption gives no codes.
        let made = clients.kms().create_key().send().await.unwrap();
        let other = made.key_metadata.unwrap().arn.unwrap().parse().unwrap();
        assert!(mac_key(&clients, &other).code(record()).await.is_err());
        sandbox.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_the_configuration_lists_is_trusted_and_nothing_else_without_a_key() {
        let sha256 = "AB".repeat(32);
        let trust = Trust::listed([&sha256]);
        let listed = sha256.to_lowercase();
        let listed = StoredRecord { sha256: &listed, ..record() };
        assert_eq!(trust.of(listed, &HashMap::new()).await, Authenticity::Listed);
        let other = trust.of(record(), &with("AAAA")).await;
        assert!(!other.is_authenticated() && other.reason().is_some(), "{other:?}");
    }
}
