//! Makes signed chains of digests with their log files, as CloudTrail would,
//! with a test key.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::key::{LogClass, ObjectKey, ObjectKind, Root};
use orgtrail::archive::verify::digest::{
    DigestDocument, HASH_ALGORITHM, ListedLog, SIGNATURE_ALGORITHM, metadata, sha256_hex,
};
use orgtrail::archive::verify::public_keys::{KeyItem, PublicKeySet};
use orgtrail::archive::verify::signature::Fingerprint;

/// A key pair to sign with; the same for the whole process.
pub(crate) fn signer() -> &'static RsaKeyPair {
    static SIGNER: OnceLock<RsaKeyPair> = OnceLock::new();
    SIGNER.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// The signer's public half as `ListPublicKeys` tells it.
pub(crate) fn key_item() -> KeyItem {
    key_item_of(signer())
}

pub(crate) fn key_item_of(pair: &RsaKeyPair) -> KeyItem {
    let der = pair.public_key().as_ref();
    KeyItem {
        value: base64::engine::general_purpose::STANDARD.encode(der),
        validity_start_time: Some("2025-12-20T00:00:00Z".parse().unwrap()),
        validity_end_time: Some("2027-01-20T00:00:00Z".parse().unwrap()),
        fingerprint: Fingerprint::of(der).to_string(),
        region: None,
    }
}

pub(crate) fn key_set() -> PublicKeySet {
    let mut set = PublicKeySet::default();
    set.add_item(&key_item()).unwrap();
    set
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The objects of one bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Object>,
}

/// A chain being written.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) bucket: String,
    pub(crate) root: Root,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) trail: String,
    pub(crate) home_region: String,
    pub(crate) backfill: bool,
    pub(crate) end: Timestamp,
    pub(crate) previous: Option<Previous>,
    /// The keys of its digests.
    pub(crate) digests: Vec<String>,
    /// The keys of its log files, by digest.
    pub(crate) logs: Vec<Vec<String>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Previous {
    bucket: String,
    key: String,
    sha256: String,
    signature: String,
}

pub(crate) const BUCKET: &str = "legacy-trail";
pub(crate) const START: &str = "2026-01-10T08:00:00Z";

impl Chain {
    pub(crate) fn new() -> Self {
        Self {
            bucket: BUCKET.to_owned(),
            root: Root::default(),
            account: "111111111111".to_owned(),
            region: "us-east-1".to_owned(),
            trail: "old_trail".to_owned(),
            home_region: "us-east-1".to_owned(),
            backfill: false,
            end: START.parse().unwrap(),
            previous: None,
            digests: Vec::new(),
            logs: Vec::new(),
        }
    }

    pub(crate) fn key(&self, time: Timestamp, kind: ObjectKind) -> ObjectKey {
        ObjectKey::new(
            self.root.clone(),
            self.account.parse().unwrap(),
            self.region.parse().unwrap(),
            time,
            kind,
        )
        .unwrap()
    }

    /// Writes digests of `hours` hours with `logs` files of `events` events
    /// each into the bucket.
    pub(crate) fn hours(&mut self, into: &mut Bucket, hours: usize, logs: usize, events: usize) {
        for _ in 0..hours {
            let start = self.end;
            let listed = (0..logs).map(|nth| self.log(into, start, nth, events)).collect();
            self.hour(into, listed);
        }
    }

    /// Begins anew after a pause, as after `StopLogging` and `StartLogging`.
    pub(crate) fn restart_after(&mut self, pause: SignedDuration) {
        self.end += pause;
        self.previous = None;
    }

    fn log(&self, into: &mut Bucket, start: Timestamp, nth: usize, events: usize) -> ListedLog {
        let step = SignedDuration::from_mins(5 + 5 * i64::try_from(nth % 10).unwrap());
        let unique = format!("{:016X}", start.as_second().cast_unsigned() << 16 | nth as u64);
        let kind = ObjectKind::Log { class: LogClass::Events, unique: unique.into() };
        let key = self.key(start + step, kind).to_string();
        let text = records(&self.account, &self.region, start, nth, events);
        into.objects.insert(key.clone(), Object { bytes: gzip(&text), metadata: BTreeMap::new() });
        ListedLog {
            s3_bucket: self.bucket.clone(),
            s3_object: key,
            hash_value: sha256_hex(&text),
            hash_algorithm: Some(HASH_ALGORITHM.to_owned()),
            newest_event_time: Some(start.to_string()),
            oldest_event_time: Some(start.to_string()),
        }
    }

    fn hour(&mut self, into: &mut Bucket, log_files: Vec<ListedLog>) {
        let (start, end) = (self.end, self.end + SignedDuration::from_hours(1));
        let kind = ObjectKind::Digest {
            trail: self.trail.parse().unwrap(),
            home_region: self.home_region.parse().unwrap(),
            backfill: self.backfill,
        };
        let key = self.key(end, kind).to_string();
        self.logs.push(log_files.iter().map(|log| log.s3_object.clone()).collect());
        let previous = self.previous.as_ref();
        let document = DigestDocument {
            aws_account_id: Some(self.account.clone()),
            digest_start_time: start.to_string(),
            digest_end_time: end.to_string(),
            digest_s3_bucket: self.bucket.clone(),
            digest_s3_object: key.clone(),
            digest_public_key_fingerprint: key_item().fingerprint,
            digest_signature_algorithm: Some(SIGNATURE_ALGORITHM.to_owned()),
            newest_event_time: (!log_files.is_empty()).then(|| start.to_string()),
            oldest_event_time: (!log_files.is_empty()).then(|| start.to_string()),
            previous_digest_s3_bucket: previous.map(|previous| previous.bucket.clone()),
            previous_digest_s3_object: previous.map(|previous| previous.key.clone()),
            previous_digest_hash_value: previous.map(|previous| previous.sha256.clone()),
            previous_digest_hash_algorithm: previous.map(|_| HASH_ALGORITHM.to_owned()),
            previous_digest_signature: previous.map(|previous| previous.signature.clone()),
            log_files,
        };
        let (bytes, signature) = sign(&document);
        let mut about = BTreeMap::from([
            (metadata::SIGNATURE.to_owned(), signature.clone()),
            (metadata::SIGNATURE_ALGORITHM.to_owned(), SIGNATURE_ALGORITHM.to_owned()),
        ]);
        if self.backfill {
            let generated = end + SignedDuration::from_hours(30);
            about.insert(metadata::BACKFILL_GENERATION_TIMESTAMP.to_owned(), generated.to_string());
        }
        let sha256 = sha256_hex(&bytes);
        into.objects.insert(key.clone(), Object { bytes: gzip(&bytes), metadata: about });
        let bucket = self.bucket.clone();
        self.previous = Some(Previous { bucket, key: key.clone(), sha256, signature });
        self.digests.push(key);
        self.end = end;
    }
}

/// A document's bytes and the signature over them.
pub(crate) fn sign(document: &DigestDocument) -> (Vec<u8>, String) {
    sign_with(signer(), document)
}

/// The signature over a text.
pub(crate) fn sign_text(pair: &RsaKeyPair, text: &str) -> String {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    hex::encode(signature)
}

pub(crate) fn sign_with(pair: &RsaKeyPair, document: &DigestDocument) -> (Vec<u8>, String) {
    let bytes = document.to_bytes().unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    let text = document.string_to_sign(&bytes);
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    (bytes, hex::encode(signature))
}

impl Bucket {
    /// What consolidation makes of the bucket: the same objects under another
    /// root.
    pub(crate) fn relocated(&self, org: &str, prefix: Option<&str>) -> Self {
        let org = Some(org.parse().unwrap());
        let root = Root { prefix: prefix.map(Into::into), org };
        let moved = |(key, object): (&String, &Object)| {
            let key: ObjectKey = key.parse().unwrap();
            (key.under(&root).to_string(), object.clone())
        };
        Self { objects: self.objects.iter().map(moved).collect() }
    }

    /// Writes the bucket as a mirror, metadata beside the objects.
    pub(crate) fn write_to(&self, folder: &Path) {
        for (key, object) in &self.objects {
            let path = folder.join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &object.bytes).unwrap();
            if !object.metadata.is_empty() {
                let text = serde_json::to_vec(&object.metadata).unwrap();
                std::fs::write(folder.join(format!("{key}.metadata.json")), text).unwrap();
            }
        }
    }

    pub(crate) fn get(&mut self, key: &str) -> &mut Object {
        self.objects.get_mut(key).unwrap()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a gzip stream contains, where it is one.
pub(crate) fn try_inflated(gzip: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut bytes).ok()?;
    Some(bytes)
}

pub(crate) fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut bytes).unwrap();
    bytes
}

/// A log file's text: plausible events, no two alike.
fn records(account: &str, region: &str, start: Timestamp, nth: usize, events: usize) -> Vec<u8> {
    use std::fmt::Write as _;

    let mut text = String::from(r#"{"Records":["#);
    let names = ["DescribeInstances", "GetObject", "AssumeRole", "ListBuckets", "Decrypt"];
    for event in 0..events {
        let seed = start
            .as_second()
            .cast_unsigned()
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add((nth * 1000 + event) as u64)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let name = names[event % names.len()];
        text.push_str(if event == 0 { "" } else { "," });
        write!(
            text,
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{seed:016X}:session","arn":"arn:aws:sts::{account}:assumed-role/app-{}/session","accountId":"{account}","accessKeyId":"ASIA{:016X}"}},"eventTime":"{start}","eventSource":"ec2.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"10.{}.{}.{}","userAgent":"aws-sdk-java/2.20 Linux/5.10 OpenJDK_64-Bit_Server_VM/17.0.8","requestParameters":{{"maxResults":{},"nextToken":"{seed:x}"}},"responseElements":null,"requestID":"{:016x}-{nth}","eventID":"{:016x}-{event}","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management"}}"#,
            seed % 7,
            seed.rotate_left(17),
            seed % 251,
            seed % 241,
            seed % 239,
            seed % 1000,
            seed.rotate_left(31),
            seed.rotate_left(43),
        )
        .unwrap();
    }
    text.push_str("]}");
    text.into_bytes()
}
