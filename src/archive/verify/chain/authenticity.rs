//! Did CloudTrail sign this digest, and is it where it belongs?

use super::{ChainVerifier, Finding, FindingKind, Located, ObjectKey, OpenedDigest, Severity};
use crate::archive::verify::public_keys::KeyLookupError;
use crate::archive::verify::signature::Fingerprint;

/// What one digest by itself proves.
pub(super) enum Verdict {
    /// CloudTrail signed it, and it is where it belongs.
    Authentic(Located, Vouched),
    /// It is where it belongs; its signature is lost.
    Unsigned(Located),
    /// It proves nothing.
    Refused(Box<Finding>),
}

/// Whether the key that a signature verifies with is CloudTrail's for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouched {
    /// AWS listed it, or whoever asks gave it.
    Yes,
    /// It was only saved beside the archive.
    No,
}

impl ChainVerifier {
    pub(super) fn authenticate(
        &self,
        key: &ObjectKey,
        opened: &OpenedDigest,
        located: Option<Located>,
    ) -> Verdict {
        let signed =
            opened.signature.as_ref().map(|signature| self.check_signature(key, opened, signature));
        let Some(located) = located else {
            let document = &opened.document;
            let authentic = match &signed {
                Some(Ok(Vouched::Yes)) => "it is authentic there",
                Some(Ok(Vouched::No)) => {
                    "by a saved key that AWS does not list it is authentic there"
                }
                Some(Err(_)) => "its signature does not verify either",
                None => "it has lost its signature",
            };
            let belongs = format!("{}/{}", document.digest_s3_bucket, document.digest_s3_object);
            let finding = self
                .at(FindingKind::DigestMoved, key)
                .because(
                    "the digest of this place",
                    format!("the digest of {belongs}; {authentic}"),
                )
                .over(opened.start, opened.end);
            return Verdict::Refused(Box::new(finding));
        };
        match signed {
            Some(Ok(vouched)) => Verdict::Authentic(located, vouched),
            Some(Err(finding)) => Verdict::Refused(finding),
            None => Verdict::Unsigned(located),
        }
    }

    /// Checks a signature over a digest, wherever it was found.
    pub(super) fn check_signature(
        &self,
        key: &ObjectKey,
        opened: &OpenedDigest,
        signature: &str,
    ) -> Result<Vouched, Box<Finding>> {
        let finding = |kind| self.at(kind, key).over(opened.start, opened.end);
        let fingerprint = Fingerprint::told(&opened.document.digest_public_key_fingerprint);
        let rules = &self.rules;
        let (region, signed_at) = (key.region(), opened.signed_at);
        let (public_key, vouched) = rules
            .keys
            .find(region, &fingerprint, signed_at)
            .map(|key| (key, Vouched::Yes))
            .or_else(|unlisted| {
                match rules.saved_keys.find_saved(region, &fingerprint, signed_at) {
                    Ok(key) => Ok((key, Vouched::No)),
                    Err(_) => Err(unlisted),
                }
            })
            .map_err(|error: KeyLookupError| {
                let expected = format!("a public key that signs for {} then", key.region());
                let is_unknown = matches!(error, KeyLookupError::NotFound { .. });
                let has_of_region = rules.keys.has_of(region) || rules.saved_keys.has_of(region);
                let kind = if is_unknown && rules.keys_given && !has_of_region {
                    FindingKind::PublicKeyMissing
                } else {
                    FindingKind::PublicKeyNotFound
                };
                let found = finding(kind).because(expected, error);
                if rules.keys_complete { found } else { found.weighing(Severity::Incomplete) }
            })?;
        match public_key.verify(&opened.string_to_sign(), signature) {
            Ok(()) => Ok(vouched),
            Err(error) => {
                let expected = format!("a signature by key {fingerprint}");
                Err(Box::new(finding(FindingKind::DigestSignature).because(expected, error)))
            }
        }
    }
}
