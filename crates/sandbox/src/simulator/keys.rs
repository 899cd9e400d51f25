//! The key pairs that digests are signed with: one for each Region and about
//! thirty days, as AWS has them.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::signature::Fingerprint;
use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};

/// A new key signs every 28 days…
const PERIOD_SECONDS: i64 = 28 * 86_400;
/// …and is valid for two more, over its successor's first.
const OVERLAP: SignedDuration = SignedDuration::from_hours(48);

/// All key pairs, by Region and period.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    pairs: BTreeMap<String, SigningKey>,
}

/// A key pair.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedKeyPair", into = "SavedKeyPair")]
pub(crate) struct SigningKey {
    region: Region,
    period: i64,
    pair: KeyPair,
    pkcs8: Vec<u8>,
    /// The public key as published: `RSAPublicKey`, now and then
    /// `SubjectPublicKeyInfo`.
    pub(crate) der: Vec<u8>,
    pub(crate) fingerprint: String,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// A key pair as it is saved.
#[derive(Clone, Serialize, Deserialize)]
struct SavedKeyPair {
    region: Region,
    period: i64,
    pkcs8: String,
}

impl Clone for SigningKey {
    fn clone(&self) -> Self {
        Self {
            region: self.region.clone(),
            period: self.period,
            pair: self.pair.clone(),
            pkcs8: self.pkcs8.clone(),
            der: self.der.clone(),
            fingerprint: self.fingerprint.clone(),
            from: self.from,
            until: self.until,
        }
    }
}

impl From<SigningKey> for SavedKeyPair {
    fn from(key: SigningKey) -> Self {
        Self { region: key.region, period: key.period, pkcs8: hex::encode(key.pkcs8) }
    }
}

impl TryFrom<SavedKeyPair> for SigningKey {
    type Error = String;

    fn try_from(kept: SavedKeyPair) -> Result<Self, String> {
        let pkcs8 = hex::decode(&kept.pkcs8).map_err(|error| error.to_string())?;
        let pair = KeyPair::from_pkcs8(&pkcs8).map_err(|error| error.to_string())?;
        Self::new(kept.region, kept.period, pair).ok_or_else(|| "no RSA key pair".to_owned())
    }
}

/// The period that signs at a time.
pub(super) fn period(at: Timestamp) -> i64 {
    at.as_second().div_euclid(PERIOD_SECONDS)
}

/// One period in twelve publishes its key as `SubjectPublicKeyInfo`, which AWS
/// has done too.
fn is_spki(period: i64) -> bool {
    period.rem_euclid(12) == 7
}

impl SigningKey {
    fn new(region: Region, period: i64, pair: KeyPair) -> Option<Self> {
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        let pkcs8 = pkcs8.as_ref().to_vec();
        let der = if is_spki(period) {
            let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
            spki.as_ref().to_vec()
        } else {
            pair.public_key().as_ref().to_vec()
        };
        let from = Timestamp::from_second(period * PERIOD_SECONDS).ok()?;
        Some(Self {
            region,
            period,
            fingerprint: Fingerprint::of(&der).as_str().to_owned(),
            pair,
            pkcs8,
            der,
            from,
            until: from + SignedDuration::from_secs(PERIOD_SECONDS) + OVERLAP,
        })
    }

    /// The signature over a text, in hexadecimal.
    pub(super) fn sign(&self, text: &str) -> Option<String> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .ok()?;
        Some(hex::encode(signature))
    }
}

impl Keys {
    /// Creates the key pair of a period, if missing.
    pub(super) fn make(&mut self, region: &Region, period: i64) {
        let place = format!("{region}/{period}");
        if self.pairs.contains_key(&place) {
            return;
        }
        let key = KeyPair::generate(KeySize::Rsa2048)
            .ok()
            .and_then(|pair| SigningKey::new(region.clone(), period, pair));
        if let Some(key) = key {
            self.pairs.insert(place, key);
        }
    }

    /// The key that signs in a Region at a time.
    pub(super) fn at(&self, region: &Region, at: Timestamp) -> Option<&SigningKey> {
        self.pairs.get(&format!("{region}/{}", period(at)))
    }

    /// The keys of a Region that are valid within a time.
    pub(crate) fn published(
        &self,
        region: &Region,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = &SigningKey> {
        self.pairs
            .values()
            .filter(move |key| key.region == *region && key.from <= until && from <= key.until)
    }
}

#[cfg(test)]
mod tests {
    use orgtrail_base::cloudtrail::signature::PublicKey;

    use super::*;

    #[test]
    fn keys_survive_saving_and_verify_what_they_signed() {
        let region: Region = "eu-central-1".parse().unwrap();
        let at: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        let mut keys = Keys::default();
        keys.make(&region, period(at));
        let saved = serde_json::to_string(&keys).unwrap();
        let read: Keys = serde_json::from_str(&saved).unwrap();
        let key = read.at(&region, at).unwrap();
        assert_eq!(key.fingerprint, keys.at(&region, at).unwrap().fingerprint);
        let signature = key.sign("text").unwrap();
        let public = PublicKey::from_der(&key.der).unwrap();
        assert_eq!(public.verify("text", &signature), Ok(()));
        assert_eq!(read.published(&region, at, at).count(), 1);
        assert_eq!(read.published(&"us-east-1".parse().unwrap(), at, at).count(), 0);
    }

    #[test]
    fn periods_follow_and_overlap() {
        let region: Region = "eu-central-1".parse().unwrap();
        let mut keys = Keys::default();
        keys.make(&region, 7);
        keys.make(&region, 8);
        let boundary = Timestamp::from_second(8 * PERIOD_SECONDS).unwrap();
        assert_eq!(keys.published(&region, boundary, boundary).count(), 2);
        let spki = keys.pairs.values().find(|key| key.period == 7).unwrap();
        assert_eq!(spki.der.len(), 294);
        assert_eq!(keys.at(&region, boundary).unwrap().der.len(), 270);
    }
}
