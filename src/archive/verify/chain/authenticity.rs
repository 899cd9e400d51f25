//! Authentication of a digest: its signature and its address.

use super::{ChainVerifier, Finding, FindingKind, ObjectKey, ParsedDigest, Placement, Severity};
use crate::archive::verify::public_keys::KeyLookupError;
use crate::archive::verify::signature::Fingerprint;

/// The verdict about a single digest.
pub(super) enum Verdict {
    /// CloudTrail signed it, and it is at its proper address.
    Authentic(Placement, KeyProvenance),
    /// It is at its proper address, without its signature.
    Unsigned(Placement),
    /// It is not proven.
    Refused(Box<Finding>),
}

/// The provenance of the public key that a signature verifies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyProvenance {
    /// AWS listed it, or the user gave it.
    Listed,
    /// It was only saved with the archive.
    Saved,
}

impl ChainVerifier {
    pub(super) fn authenticate(
        &self,
        key: &ObjectKey,
        parsed: &ParsedDigest,
        placement: Option<Placement>,
    ) -> Verdict {
        let signed =
            parsed.signature.as_ref().map(|signature| self.check_signature(key, parsed, signature));
        let Some(placement) = placement else {
            let document = &parsed.document;
            let authentic = match &signed {
                Some(Ok(KeyProvenance::Listed)) => "it is authentic there",
                Some(Ok(KeyProvenance::Saved)) => {
                    "it is authentic there, but only by a saved key that AWS does not list"
                }
                Some(Err(_)) => "its signature does not verify either",
                None => "it has lost its signature",
            };
            let belongs = format!("{}/{}", document.digest_s3_bucket, document.digest_s3_object);
            let finding = self
                .at(FindingKind::DigestMoved, key)
                .with_mismatch(
                    "the digest for this key",
                    format!("the digest of {belongs}; {authentic}"),
                )
                .with_period(parsed.start, parsed.end);
            return Verdict::Refused(Box::new(finding));
        };
        match signed {
            Some(Ok(provenance)) => Verdict::Authentic(placement, provenance),
            Some(Err(finding)) => Verdict::Refused(finding),
            None => Verdict::Unsigned(placement),
        }
    }

    /// Checks a signature over a digest.
    pub(super) fn check_signature(
        &self,
        key: &ObjectKey,
        parsed: &ParsedDigest,
        signature: &str,
    ) -> Result<KeyProvenance, Box<Finding>> {
        let finding = |kind| self.at(kind, key).with_period(parsed.start, parsed.end);
        let fingerprint = Fingerprint::from_text(&parsed.document.digest_public_key_fingerprint);
        let config = &self.config;
        let (region, signed_at) = (key.region(), parsed.signed_at);
        let (public_key, provenance) = config
            .keys
            .find(region, &fingerprint, signed_at)
            .map(|key| (key, KeyProvenance::Listed))
            .or_else(|unlisted| {
                match config.saved_keys.find_saved(region, &fingerprint, signed_at) {
                    Ok(key) => Ok((key, KeyProvenance::Saved)),
                    Err(_) => Err(unlisted),
                }
            })
            .map_err(|error: KeyLookupError| {
                let expected = format!("a public key that signs for {} then", key.region());
                let is_unknown = matches!(error, KeyLookupError::NotFound { .. });
                let has_of_region = config.keys.has_of(region) || config.saved_keys.has_of(region);
                let kind = if is_unknown && config.keys_given && !has_of_region {
                    FindingKind::PublicKeyMissing
                } else {
                    FindingKind::PublicKeyNotFound
                };
                let found = finding(kind).with_mismatch(expected, error);
                if config.keys_complete { found } else { found.with_severity(Severity::Incomplete) }
            })?;
        match public_key.verify(&parsed.string_to_sign(), signature) {
            Ok(()) => Ok(provenance),
            Err(error) => {
                let expected = format!("a signature by key {fingerprint}");
                Err(Box::new(finding(FindingKind::DigestSignature).with_mismatch(expected, error)))
            }
        }
    }
}
