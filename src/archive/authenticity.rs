//! Authentication of the records below `orgtrail/`. Anyone who can write there can write a
//! record, so its content alone proves nothing.
//!
//! A record is authenticated by a message authentication code (MAC) of a KMS key that
//! the configuration declares, or by its SHA-256 in the configuration.
//!
//! **Invariant**: a MAC covers the record's kind, organization, bucket, key, number, the
//! previous hash and its SHA-256, so a copy under another name, number or kind, or in
//! another archive, is not authentic.
//! **Invariant**: a MAC that could not be checked is [`Authenticity::Unknown`], never
//! authentic.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::MacAlgorithmSpec;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::config::Config;
use crate::names::{Arn, BucketName, OrgId};

/// The object metadata with the MAC, in base64.
pub const MAC_METADATA: &str = "orgtrail-mac";

/// The version of the message that the MAC covers.
const MESSAGE_VERSION: u32 = 1;

/// The longest MAC that is sent to KMS: one of `HMAC_SHA_256` has 32 bytes. Units: bytes.
const MAX_MAC_BYTES: usize = 64;

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// A segment of the run records.
    RunRecord,
    /// An accepted finding.
    Acceptance,
    /// A trail that was retired.
    RetiredTrail,
    /// What was proven of the archive.
    ProofRecord,
}

/// A stored record: its identity and hash.
#[derive(Debug, Clone, Copy)]
pub struct StoredRecord<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// Its key in the archive.
    pub key: &'a str,
    /// Its place in the sequence.
    pub number: u64,
    /// The SHA-256 of the previous record, as this record states it.
    pub previous_sha256: Option<&'a str>,
    /// The SHA-256 of its bytes as stored, in hexadecimal.
    pub sha256: &'a str,
}

/// Whether a record's writer is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticity {
    /// KMS confirmed its MAC.
    Mac {
        /// The key's ARN.
        mac_key: String,
    },
    /// The configuration, or the command line, lists its SHA-256.
    Listed,
    /// Nothing authenticates it.
    Unauthenticated {
        /// Why.
        reason: String,
    },
    /// Its MAC could not be checked.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Authenticity {
    /// Whether the record's writer is authenticated.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(self, Self::Mac { .. } | Self::Listed)
    }

    /// Why the writer is not authenticated; `None` if it is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Mac { .. } | Self::Listed => None,
            Self::Unauthenticated { reason } | Self::Unknown { reason } => Some(reason),
        }
    }

    fn nothing(reason: &str) -> Self {
        Self::Unauthenticated { reason: reason.to_owned() }
    }
}

/// The KMS key whose MACs authenticate the records of one archive.
#[derive(Debug, Clone)]
pub struct MacKey {
    /// Clients in the key's Region, with the caller's own credentials.
    clients: Clients,
    arn: Arn,
    organization: OrgId,
    bucket: BucketName,
}

impl MacKey {
    /// The key `arn` for the archive `bucket`; `clients` are those of the key's Region.
    #[must_use]
    pub fn new(clients: Clients, arn: Arn, organization: OrgId, bucket: BucketName) -> Self {
        Self { clients, arn, organization, bucket }
    }

    /// The key's ARN.
    #[must_use]
    pub fn arn(&self) -> &Arn {
        &self.arn
    }

    /// The message that the MAC covers: a JSON array, so no two records have the same message.
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

    /// The MAC of a record to write, for its metadata.
    ///
    /// # Errors
    /// KMS returned no MAC.
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

    /// Lets KMS verify a record's MAC.
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

/// How a command decides which records to trust.
#[derive(Debug, Clone, Default)]
pub struct RecordTrust {
    /// SHA-256 of records that are trusted, in lowercase hexadecimal.
    pub listed: BTreeSet<String>,
    /// The MAC key, if one is declared and available.
    pub mac_key: Option<MacKey>,
}

impl RecordTrust {
    /// What a configuration trusts, for its archive. Without the organization, no MAC can be
    /// checked.
    ///
    /// The key is used with the caller's own credentials, in the Region of its ARN, not with a
    /// role in an account.
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

    /// Adds trusted SHA-256 hashes.
    #[must_use]
    pub fn and_listed(mut self, sha256: &[String]) -> Self {
        self.listed.extend(sha256.iter().map(|it| it.to_ascii_lowercase()));
        self
    }

    /// Trusts only records with these SHA-256 hashes.
    #[must_use]
    pub fn listed<'a>(sha256: impl IntoIterator<Item = &'a String>) -> Self {
        let listed = sha256.into_iter().map(|it| it.to_ascii_lowercase()).collect();
        Self { listed, mac_key: None }
    }

    /// Whether a record's writer is authenticated.
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
