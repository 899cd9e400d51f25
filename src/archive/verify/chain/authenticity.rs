//! Did CloudTrail sign this digest, and is it where it belongs?

use super::{ChainVerifier, Finding, FindingKind, Located, ObjectKey, OpenedDigest, Severity};
use crate::archive::verify::public_keys::KeyLookupError;
use crate::archive::verify::signature::Fingerprint;

/// What one digest by itself proves.
pub(super) enum Verdict {
    /// CloudTrail signed it, and it is where it belongs.
    Authentic(Located),
    /// It is where it belongs; its signature is lost.
    Unsigned(Located),
    /// It proves nothing.
    Refused(Box<Finding>),
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
                Some(Ok(())) => "it is authentic there",
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
            Some(Ok(())) => Verdict::Authentic(located),
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
    ) -> Result<(), Box<Finding>> {
        let finding = |kind| self.at(kind, key).over(opened.start, opened.end);
        let fingerprint = Fingerprint::told(&opened.document.digest_public_key_fingerprint);
        let public_key = self
            .rules
            .keys
            .find(key.region(), &fingerprint, opened.signed_at)
            .map_err(|error: KeyLookupError| {
                let expected = format!("a public key that signs for {} then", key.region());
                let found = finding(FindingKind::PublicKeyNotFound).because(expected, error);
                let severity =
                    if self.rules.keys_complete { Severity::Broken } else { Severity::Incomplete };
                found.weighing(severity)
            })?;
        public_key.verify(&opened.string_to_sign(), signature).map_err(|error| {
            let expected = format!("a signature by key {fingerprint}");
            Box::new(finding(FindingKind::DigestSignature).because(expected, error))
        })
    }
}
