//! Whether CloudTrail signed a digest, before anything that it lists is read.
//!
//! Consolidation checks this before it copies a digest to its key in the archive: the names
//! of digests are predictable, and Object Lock keeps the first object.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::digest::{SIGNATURE_ALGORITHM, metadata, sha256_hex, string_to_sign};
use super::public_keys::{PublicKeySet, SIGNED_WITHIN, SignedAt};
use super::run::RegionKeys;
use super::signature::Fingerprint;
use crate::archive::key::{ObjectKey, ObjectKind};

/// The result of checking a digest's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// CloudTrail signed it and wrote it to this bucket.
    Signed {
        /// The bucket that CloudTrail wrote it to.
        bucket: String,
    },
    /// It has no signature; tools that do not copy metadata drop it.
    Unsigned,
    /// Its public key is older than the keys that AWS lists, and was not saved.
    KeyTooOld(String),
    /// Its public key could not be read from AWS.
    KeyUnknown(String),
    /// CloudTrail did not sign it.
    Forged(String),
    /// It is not a digest, or not the one that its key indicates.
    OtherDigest(String),
}

/// A digest without its list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    aws_account_id: Option<String>,
    digest_start_time: String,
    digest_end_time: String,
    #[serde(rename = "digestS3Bucket")]
    bucket: String,
    #[serde(rename = "digestS3Object")]
    object: String,
    digest_public_key_fingerprint: String,
    #[serde(default)]
    previous_digest_signature: Option<String>,
    #[serde(default, rename = "logFiles")]
    _logs: Option<IgnoredAny>,
}

/// Checks a digest's signature for its object key.
///
/// `inflated` are the digest's bytes; `metadata` gives the object's metadata by name,
/// without `x-amz-meta-`. The account, Region and time of the key must be those of
/// the document.
pub fn attest<'m>(
    key: &ObjectKey,
    inflated: &[u8],
    metadata: impl Fn(&str) -> Option<&'m str>,
    keys: &RegionKeys,
) -> Attestation {
    let forged = |reason: String| Attestation::Forged(reason);
    let other = |reason: String| Attestation::OtherDigest(reason);
    let head: Head = match serde_json::from_slice(inflated) {
        Ok(head) => head,
        Err(error) => return other(error.to_string()),
    };
    if let Some(account) = head.aws_account_id.as_deref().filter(|id| *id != key.account().as_str())
    {
        return other(format!("its content names account {account}"));
    }
    match head.object.parse::<ObjectKey>() {
        Ok(original) if original.is_same_below_root(key) => {}
        _ => return other(format!("CloudTrail wrote it as `{}`", head.object)),
    }
    let hour = head.digest_start_time.parse::<Timestamp>().ok();
    let hour = hour.zip(head.digest_end_time.parse::<Timestamp>().ok());
    let Some((start, end)) = hour.filter(|(start, end)| start <= end) else {
        return other("its hour cannot be read".to_owned());
    };
    if end.as_second() != key.time().as_second() {
        return other(format!("its hour ends at {end}, but its key says {}", key.time()));
    }
    let signature = metadata(metadata::SIGNATURE_ALGORITHM)
        .filter(|algorithm| algorithm.eq_ignore_ascii_case(SIGNATURE_ALGORITHM))
        .and_then(|_| metadata(metadata::SIGNATURE));
    let Some(signature) = signature else { return Attestation::Unsigned };
    let signed_at = match key.kind() {
        ObjectKind::Digest { backfill: true, .. } => {
            let generated = metadata(metadata::BACKFILL_GENERATION_TIMESTAMP);
            match generated.and_then(|time| time.parse().ok()) {
                Some(generated) => SignedAt::Backfill(generated),
                None => return other("a backfill digest without its generation time".to_owned()),
            }
        }
        _ => SignedAt::Hour { start, end },
    };
    let text = string_to_sign(
        &head.digest_end_time,
        &head.bucket,
        &head.object,
        &sha256_hex(inflated),
        head.previous_digest_signature.as_deref(),
    );
    let fingerprint = Fingerprint::from_text(&head.digest_public_key_fingerprint);
    let region = key.region();
    let found = keys.listed.find(region, &fingerprint, signed_at);
    let found = found.or_else(|unlisted| {
        keys.saved.find_saved(region, &fingerprint, signed_at).map_err(|_| unlisted)
    });
    match found {
        Ok(public) => match public.verify(&text, signature) {
            Ok(()) => Attestation::Signed { bucket: head.bucket },
            Err(error) => forged(error.to_string()),
        },
        Err(_) if let Some(failed) = &keys.failed => {
            let why = failed.found.clone().unwrap_or_default();
            Attestation::KeyUnknown(why)
        }
        Err(missing) => {
            let latest = match signed_at {
                SignedAt::Hour { end, .. } => end,
                SignedAt::Backfill(at) => at,
            };
            let latest = latest.checked_add(SIGNED_WITHIN).unwrap_or(latest);
            if reaches(&keys.listed, key, latest) {
                forged(missing.to_string())
            } else {
                Attestation::KeyTooOld(missing.to_string())
            }
        }
    }
}

/// Whether a Region's listed keys start before a time, so the list is complete for that
/// time.
fn reaches(listed: &PublicKeySet, key: &ObjectKey, at: Timestamp) -> bool {
    listed.begins_before(key.region(), at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
    use base64::Engine as _;

    use super::*;
    use crate::archive::verify::finding::{Finding, FindingKind};
    use crate::archive::verify::public_keys::KeyItem;

    const KEY: &str = "AWSLogs/111111111111/CloudTrail-Digest/us-east-1/2026/01/10/111111111111_CloudTrail-Digest_us-east-1_old_us-east-1_20260110T090000Z.json.gz";

    fn set(pair: &RsaKeyPair) -> PublicKeySet {
        let der = pair.public_key().as_ref();
        let mut set = PublicKeySet::default();
        set.add_item(&KeyItem {
            value: base64::engine::general_purpose::STANDARD.encode(der),
            validity_start_time: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            validity_end_time: Some("2026-02-01T00:00:00Z".parse().unwrap()),
            fingerprint: Fingerprint::of(der).to_string(),
            region: Some("us-east-1".parse().unwrap()),
        })
        .unwrap();
        set
    }

    fn keys(listed: PublicKeySet) -> RegionKeys {
        RegionKeys { listed: Arc::new(listed), saved: Arc::default(), failed: None }
    }

    /// The document and its metadata, signed by a key pair.
    fn signed(pair: &RsaKeyPair, change: &[(&str, &str)]) -> (Vec<u8>, BTreeMap<String, String>) {
        let mut text = format!(
            r#"{{"awsAccountId":"111111111111","digestStartTime":"2026-01-10T08:00:00Z","digestEndTime":"2026-01-10T09:00:00Z","digestS3Bucket":"logs","digestS3Object":"{KEY}","digestPublicKeyFingerprint":"{}","previousDigestSignature":null,"logFiles":[]}}"#,
            Fingerprint::of(pair.public_key().as_ref())
        );
        for (from, to) in change {
            text = text.replace(from, to);
        }
        let head: Head = serde_json::from_str(&text).unwrap();
        let to_sign = string_to_sign(
            &head.digest_end_time,
            &head.bucket,
            &head.object,
            &sha256_hex(text.as_bytes()),
            None,
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), to_sign.as_bytes(), &mut signature)
            .unwrap();
        let metadata = [
            (metadata::SIGNATURE.to_owned(), hex::encode(signature)),
            (metadata::SIGNATURE_ALGORITHM.to_owned(), SIGNATURE_ALGORITHM.to_owned()),
        ];
        (text.into_bytes(), metadata.into())
    }

    fn of(
        key: &str,
        (text, own): &(Vec<u8>, BTreeMap<String, String>),
        keys: &RegionKeys,
    ) -> Attestation {
        let get = |name: &str| own.get(name).map(String::as_str);
        attest(&key.parse().unwrap(), text, get, keys)
    }

    #[test]
    fn a_digest_speaks_for_the_account_region_and_hour_that_cloudtrail_signed() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let known = keys(set(&pair));
        let digest = signed(&pair, &[]);
        let bucket = "logs".to_owned();
        assert_eq!(of(KEY, &digest, &known), Attestation::Signed { bucket });
        // Under another account, Region or hour it is not what its key says.
        for (from, to) in
            [("111111111111", "222222222222"), ("us-east-1", "eu-west-1"), ("T09", "T10")]
        {
            let moved = KEY.replace(from, to);
            assert!(matches!(of(&moved, &digest, &known), Attestation::OtherDigest(_)), "{moved}");
        }
        // Signed for one key and account, and saying another.
        let other = signed(
            &pair,
            &[("\"awsAccountId\":\"111111111111\"", "\"awsAccountId\":\"222222222222\"")],
        );
        assert!(matches!(of(KEY, &other, &known), Attestation::OtherDigest(_)));
        let later = signed(&pair, &[("T09:00:00Z", "T11:00:00Z")]);
        assert!(matches!(of(KEY, &later, &known), Attestation::OtherDigest(_)));
    }

    #[test]
    fn what_another_key_signed_is_forged_and_what_no_list_reaches_is_unknown() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let attacker = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let known = keys(set(&pair));
        assert!(matches!(of(KEY, &signed(&attacker, &[]), &known), Attestation::Forged(_)));
        let digest = signed(&pair, &[]);
        let mut changed = digest.clone();
        changed.0.extend(b" ");
        assert!(matches!(of(KEY, &changed, &known), Attestation::Forged(_)));
        assert_eq!(of(KEY, &(digest.0.clone(), BTreeMap::new()), &known), Attestation::Unsigned);
        // Before AWS's list begins, and where it could not be asked.
        let none = keys(PublicKeySet::default());
        assert!(matches!(of(KEY, &digest, &none), Attestation::KeyTooOld(_)));
        let failed = Some(Finding::new(FindingKind::Unreadable).with_mismatch("keys", "denied"));
        let denied = RegionKeys { failed, ..none };
        assert_eq!(of(KEY, &digest, &denied), Attestation::KeyUnknown("denied".to_owned()));
        // Saved keys prove what AWS's list does not reach.
        let saved = Arc::new(set(&pair));
        let saved = RegionKeys { saved, failed: None, ..denied };
        assert!(matches!(of(KEY, &digest, &saved), Attestation::Signed { .. }));
    }
}
