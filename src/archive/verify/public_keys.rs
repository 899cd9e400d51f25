//! The public keys that digests are verified with, and their Regions and validity.
//!
//! Sources of a set: `ListPublicKeys`, the keys saved in an archive, or the output of `aws
//! cloudtrail list-public-keys`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::signature::{Fingerprint, PublicKey, SignatureError};
use crate::names::Region;

/// The key of the saved public keys, below the archive's prefix: a list from
/// [`PublicKeySet::to_list`].
pub const SAVED_KEYS: &str = "orgtrail/public-keys.json";

/// The period that a digest covers.
const ONE_HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The maximum time from the end of a digest's hour to its signature.
pub(super) const SIGNED_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// The maximum time between the generation and the signature of a backfill digest.
const BACKFILL_SIGNED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// A public key with its validity.
#[derive(Debug, Clone)]
pub struct ValidKey {
    /// The key.
    pub key: PublicKey,
    /// The Region whose digests it signs; any Region if unknown.
    pub region: Option<Region>,
    /// The start of its validity; unlimited if unknown.
    pub from: Option<Timestamp>,
    /// The end of its validity; unlimited if unknown.
    pub until: Option<Timestamp>,
}

/// A set of public keys.
#[derive(Debug, Clone, Default)]
pub struct PublicKeySet {
    keys: BTreeMap<Fingerprint, Vec<ValidKey>>,
}

/// When a digest was signed, as far as known.
#[derive(Debug, Clone, Copy)]
pub enum SignedAt {
    /// Soon after the end of its hour.
    Hour {
        /// The start of the hour.
        start: Timestamp,
        /// The end of the hour.
        end: Timestamp,
    },
    /// The generation time of a backfill digest.
    Backfill(Timestamp),
}

/// Why a digest has no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyLookupError {
    /// No key has the fingerprint.
    #[error("public key not found in Region {region} for fingerprint {fingerprint}")]
    NotFound {
        /// The digest's Region.
        region: Region,
        /// The fingerprint that the digest names.
        fingerprint: Fingerprint,
    },
    /// The key was not valid when the digest was signed.
    #[error("public key {fingerprint} signs from {from} to {until}, not between {start} and {end}")]
    NotValidThen {
        /// The fingerprint that the digest names.
        fingerprint: Fingerprint,
        /// The start of the key's validity.
        from: String,
        /// The end of the key's validity.
        until: String,
        /// The earliest time of the signature.
        start: Timestamp,
        /// The latest time of the signature.
        end: Timestamp,
    },
}

/// Why a list of public keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyListError {
    /// It is not the JSON output of `aws cloudtrail list-public-keys`.
    #[error("not a list of public keys: expected what `aws cloudtrail list-public-keys` prints")]
    NotAList(#[source] serde_json::Error),
    /// A key's value is not base64.
    #[error("the value of key {fingerprint} is not base64")]
    NotBase64 {
        /// The stated fingerprint.
        fingerprint: String,
        /// The decoder's error.
        #[source]
        source: base64::DecodeError,
    },
    /// A key cannot be parsed.
    #[error("key {fingerprint} cannot be used")]
    Unusable {
        /// The stated fingerprint.
        fingerprint: String,
        /// What is wrong with it.
        #[source]
        source: SignatureError,
    },
    /// A key does not match its fingerprint.
    #[error("fingerprint `{stated}` does not belong to its key, which has `{found}`")]
    WrongFingerprint {
        /// The stated fingerprint.
        stated: String,
        /// The MD5 of the key.
        found: Fingerprint,
    },
}

/// The JSON of a list of keys.
///
/// Shape: as `aws cloudtrail list-public-keys` prints it; orgtrail adds
/// `Region` when it saves one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyList {
    /// The keys.
    pub public_key_list: Vec<KeyItem>,
}

/// One key of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyItem {
    /// The DER, in base64.
    pub value: String,
    /// The start of the validity.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub validity_start_time: Option<Timestamp>,
    /// The end of the validity.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub validity_end_time: Option<Timestamp>,
    /// MD5 of the DER, in hexadecimal.
    pub fingerprint: String,
    /// The Region that the key was listed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
}

impl PublicKeySet {
    /// Reads a saved list, or what `aws cloudtrail list-public-keys` prints.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyListError> {
        let list: KeyList = serde_json::from_slice(json).map_err(KeyListError::NotAList)?;
        let mut set = Self::default();
        for item in &list.public_key_list {
            set.add_item(item)?;
        }
        Ok(set)
    }

    /// The list in the form that [`from_json`](Self::from_json) reads.
    #[must_use]
    pub fn to_list(&self) -> KeyList {
        let item = |key: &ValidKey| KeyItem {
            value: BASE64.encode(key.key.der()),
            validity_start_time: key.from,
            validity_end_time: key.until,
            fingerprint: key.key.fingerprint().to_string(),
            region: key.region.clone(),
        };
        KeyList { public_key_list: self.keys.values().flatten().map(item).collect() }
    }

    /// Adds a key of a list, after checking its fingerprint.
    pub fn add_item(&mut self, item: &KeyItem) -> Result<(), KeyListError> {
        let fingerprint = item.fingerprint.clone();
        let der = BASE64.decode(&item.value).map_err(|source| KeyListError::NotBase64 {
            fingerprint: fingerprint.clone(),
            source,
        })?;
        let key = PublicKey::from_der(&der)
            .map_err(|source| KeyListError::Unusable { fingerprint, source })?;
        if Fingerprint::from_text(&item.fingerprint) != *key.fingerprint() {
            return Err(KeyListError::WrongFingerprint {
                stated: item.fingerprint.clone(),
                found: key.fingerprint().clone(),
            });
        }
        self.add(ValidKey {
            key,
            region: item.region.clone(),
            from: item.validity_start_time,
            until: item.validity_end_time,
        });
        Ok(())
    }

    /// Adds a key unless the set contains it.
    pub fn add(&mut self, key: ValidKey) {
        let known = self.keys.entry(key.key.fingerprint().clone()).or_default();
        let same = |other: &ValidKey| {
            (&other.region, other.from, other.until) == (&key.region, key.from, key.until)
        };
        if !known.iter().any(same) {
            known.push(key);
        }
    }

    /// Adds all keys of another set.
    pub fn extend(&mut self, other: &Self) {
        other.keys.values().flatten().for_each(|key| self.add(key.clone()));
    }

    /// The keys of a Region, limited to the time before the first key of `listed`.
    ///
    /// From its first key on, AWS's list is complete.
    #[must_use]
    pub fn before(&self, listed: &Self, region: &Region) -> Self {
        let of_region = |key: &&ValidKey| key.region.as_ref().is_none_or(|of| of == region);
        let of_listed = listed.keys.values().flatten().filter(of_region);
        // A key with unlimited validity sorts first: nothing precedes it.
        let Some(begin) = of_listed.map(|key| key.from).min() else {
            let mut all = Self::default();
            self.keys.values().flatten().filter(of_region).for_each(|key| all.add(key.clone()));
            return all;
        };
        let mut earlier = Self::default();
        for key in self.keys.values().flatten().filter(of_region) {
            let until = key.until.map_or(begin, |until| begin.map(|begin| begin.min(until)));
            if key.from < until {
                earlier.add(ValidKey { until, ..key.clone() });
            }
        }
        earlier
    }

    /// Whether a Region's keys start before a time, from which AWS's list is complete.
    #[must_use]
    pub fn begins_before(&self, region: &Region, at: Timestamp) -> bool {
        let of_region = |key: &&ValidKey| key.region.as_ref().is_none_or(|of| of == region);
        let begins = |key: &ValidKey| key.from.is_none_or(|from| from <= at);
        self.keys.values().flatten().filter(of_region).any(begins)
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// As [`find`](Self::find), for untrusted keys: their owner may claim an early start of the
    /// hour, so only its end is used.
    pub fn find_saved(
        &self,
        region: &Region,
        fingerprint: &Fingerprint,
        signed: SignedAt,
    ) -> Result<&PublicKey, KeyLookupError> {
        let signed = match signed {
            SignedAt::Hour { start, end } => {
                SignedAt::Hour { start: start.max(later(end, -ONE_HOUR)), end }
            }
            SignedAt::Backfill(at) => SignedAt::Backfill(at),
        };
        self.find(region, fingerprint, signed)
    }

    /// Whether a key of a Region exists.
    #[must_use]
    pub fn has_of(&self, region: &Region) -> bool {
        self.keys.values().flatten().any(|key| key.region.as_ref() == Some(region))
    }

    /// The key that a digest of a Region names, if it was valid when the digest
    /// was signed.
    pub fn find(
        &self,
        region: &Region,
        fingerprint: &Fingerprint,
        signed: SignedAt,
    ) -> Result<&PublicKey, KeyLookupError> {
        let of_region = |key: &&ValidKey| key.region.as_ref().is_none_or(|of| of == region);
        let mut named =
            self.keys.get(fingerprint).into_iter().flatten().filter(of_region).peekable();
        let Some(first) = named.peek().copied() else {
            return Err(KeyLookupError::NotFound {
                region: region.clone(),
                fingerprint: fingerprint.clone(),
            });
        };
        let (start, end) = signed.window();
        let valid = |key: &&ValidKey| {
            key.from.is_none_or(|from| from <= end) && key.until.is_none_or(|until| until >= start)
        };
        named.find(valid).map(|key| &key.key).ok_or_else(|| {
            let stated = |time: Option<Timestamp>, else_: &str| {
                time.map_or_else(|| else_.to_owned(), |time| time.to_string())
            };
            KeyLookupError::NotValidThen {
                fingerprint: fingerprint.clone(),
                from: stated(first.from, "ever"),
                until: stated(first.until, "ever"),
                start,
                end,
            }
        })
    }
}

impl SignedAt {
    fn window(self) -> (Timestamp, Timestamp) {
        match self {
            Self::Hour { start, end } => (start, later(end, SIGNED_WITHIN)),
            Self::Backfill(at) => {
                (later(at, -BACKFILL_SIGNED_WITHIN), later(at, BACKFILL_SIGNED_WITHIN))
            }
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

/// Times in the output of the AWS CLI: text, or seconds since 1970.
mod time_text {
    use jiff::Timestamp;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TimeText {
        Text(String),
        Seconds(f64),
    }

    #[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        match Option::<TimeText>::deserialize(from)? {
            None => Ok(None),
            Some(TimeText::Text(text)) => text.parse().map(Some).map_err(D::Error::custom),
            Some(TimeText::Seconds(seconds)) => jiff::SignedDuration::try_from_secs_f64(seconds)
                .and_then(Timestamp::from_duration)
                .map(Some)
                .map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};

    use super::*;

    fn item() -> KeyItem {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = pair.public_key().as_ref();
        KeyItem {
            value: BASE64.encode(der),
            validity_start_time: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            validity_end_time: Some("2026-01-31T00:00:00Z".parse().unwrap()),
            fingerprint: Fingerprint::of(der).to_string(),
            region: None,
        }
    }

    fn at(text: &str) -> SignedAt {
        let end: Timestamp = text.parse().unwrap();
        SignedAt::Hour { start: end - SignedDuration::from_hours(1), end }
    }

    #[test]
    fn what_the_aws_cli_prints_is_read() {
        let item = item();
        let json = format!(
            r#"{{"PublicKeyList": [{{"Fingerprint": "{}", "ValidityEndTime": 1769817600.0, "ValidityStartTime": "2026-01-01T01:00:00+01:00", "Value": "{}"}}]}}"#,
            item.fingerprint, item.value
        );
        let set = PublicKeySet::from_json(json.as_bytes()).unwrap();
        let listed = &set.to_list().public_key_list[0];
        assert_eq!(listed.validity_start_time, item.validity_start_time);
        assert_eq!(listed.validity_end_time, item.validity_end_time);
        assert!(PublicKeySet::from_json(b"[]").is_err());
    }

    #[test]
    fn a_key_under_another_fingerprint_is_refused() {
        let wrong = KeyItem { fingerprint: "0".repeat(32), ..item() };
        let refused = PublicKeySet::default().add_item(&wrong);
        assert!(matches!(refused, Err(KeyListError::WrongFingerprint { .. })));
    }

    #[test]
    fn a_key_is_found_while_it_is_valid() {
        let item = item();
        let mut set = PublicKeySet::default();
        set.add_item(&item).unwrap();
        let name = Fingerprint::from_text(&item.fingerprint);
        let region = "us-east-1".parse().unwrap();
        let holds = |signed| set.find(&region, &name, signed).is_ok();
        assert!(holds(at("2026-01-15T00:00:00Z")));
        // A digest is signed after its hour.
        assert!(holds(at("2025-12-31T23:00:00Z")));
        assert!(!holds(at("2025-12-31T21:00:00Z")));
        assert!(!holds(at("2026-01-31T02:00:00Z")));
        assert!(holds(SignedAt::Backfill("2026-01-31T00:30:00Z".parse().unwrap())));
        assert!(!holds(SignedAt::Backfill("2026-01-31T01:30:00Z".parse().unwrap())));
    }

    #[test]
    fn a_saved_key_does_not_reach_further_for_a_beginning_long_ago() {
        let item = item();
        let mut set = PublicKeySet::default();
        set.add_item(&item).unwrap();
        let name = Fingerprint::from_text(&item.fingerprint);
        let region = "us-east-1".parse().unwrap();
        let end = |text: &str| text.parse::<Timestamp>().unwrap();
        let long = |text| SignedAt::Hour { start: end("2026-01-15T00:00:00Z"), end: end(text) };
        assert!(set.find(&region, &name, long("2026-03-01T00:00:00Z")).is_ok());
        assert!(set.find_saved(&region, &name, long("2026-03-01T00:00:00Z")).is_err());
        assert!(set.find_saved(&region, &name, long("2026-01-31T01:00:00Z")).is_ok());
        assert!(set.find_saved(&region, &name, at("2026-01-31T01:00:00Z")).is_ok());
    }

    #[test]
    fn a_key_of_another_region_is_not_found() {
        let item = KeyItem { region: Some("eu-west-1".parse().unwrap()), ..item() };
        let mut set = PublicKeySet::default();
        set.add_item(&item).unwrap();
        let name = Fingerprint::from_text(&item.fingerprint);
        let find = |region: &str| {
            set.find(&region.parse().unwrap(), &name, at("2026-01-15T00:00:00Z")).map(|_| ())
        };
        assert_eq!(find("eu-west-1"), Ok(()));
        assert!(matches!(find("us-east-1"), Err(KeyLookupError::NotFound { .. })));
    }
}
