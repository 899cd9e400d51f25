//! RSA signatures: PKCS#1 v1.5 with SHA-256, and the public keys that verify
//! them.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use md5::{Digest as _, Md5};

/// A public key of CloudTrail's.
///
/// Shape: RSA. CloudTrail publishes DER of an `RSAPublicKey` (270 bytes at 2048
/// bits), and has published a `SubjectPublicKeyInfo` (294 bytes): both are read.
#[derive(Clone)]
pub struct PublicKey {
    der: Box<[u8]>,
    fingerprint: Fingerprint,
    parsed: ParsedPublicKey,
}

/// What a digest names its public key by. Shape: MD5 of the key's DER, 32
/// lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Box<str>);

/// Why a signature does not hold, or a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are no RSA public key.
    #[error(
        "{found} bytes are not an RSA public key, expected DER of RSAPublicKey or SubjectPublicKeyInfo"
    )]
    NotAKey {
        /// How many bytes there were.
        found: usize,
    },
    /// The signature is not hexadecimal.
    #[error("the signature is not hexadecimal")]
    NotHexadecimal,
    /// The signature was not made over this text with this key's private half.
    #[error("signature verification failed")]
    Mismatch,
}

impl Fingerprint {
    /// The fingerprint of a key's DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(hex::encode(Md5::digest(der)).into())
    }

    /// A fingerprint, as in documents and responses.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl PublicKey {
    /// Reads a key in either encoding.
    pub fn from_der(der: &[u8]) -> Result<Self, SignatureError> {
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .map_err(|_| SignatureError::NotAKey { found: der.len() })?;
        Ok(Self { der: der.into(), fingerprint: Fingerprint::of(der), parsed })
    }

    /// The bytes as they were read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// MD5 of the bytes as they were read.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Checks a hexadecimal signature over a text.
    pub fn verify(&self, text: &str, signature_hex: &str) -> Result<(), SignatureError> {
        self.verify_hashed(&digest(&SHA256, text.as_bytes()), signature_hex)
    }

    /// Checks a hexadecimal signature over a text of which only the SHA-256 is
    /// known.
    pub fn verify_hashed(
        &self,
        sha256: &Digest,
        signature_hex: &str,
    ) -> Result<(), SignatureError> {
        let signature = hex::decode(signature_hex).map_err(|_| SignatureError::NotHexadecimal)?;
        self.parsed.verify_digest_sig(sha256, &signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

    use super::*;

    fn sign(pair: &RsaKeyPair, text: &str) -> String {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .unwrap();
        hex::encode(signature)
    }

    #[test]
    fn both_encodings_verify_what_the_private_half_signed() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs1 = pair.public_key().as_ref();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        assert_eq!((pkcs1.len(), spki.as_ref().len()), (270, 294));
        let signature = sign(&pair, "text");
        for der in [pkcs1, spki.as_ref()] {
            let key = PublicKey::from_der(der).unwrap();
            assert_eq!(key.verify("text", &signature), Ok(()));
            assert_eq!(key.verify("test", &signature), Err(SignatureError::Mismatch));
            assert_eq!(key.verify("text", "zz"), Err(SignatureError::NotHexadecimal));
            assert_eq!(key.verify("text", ""), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn a_fingerprint_is_the_md5_of_the_der() {
        assert_eq!(Fingerprint::of(b"").as_str(), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(
            PublicKey::from_der(b"no key").unwrap_err(),
            SignatureError::NotAKey { found: 6 }
        );
    }
}
