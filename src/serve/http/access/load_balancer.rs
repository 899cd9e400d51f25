//! Users whom an Application Load Balancer authenticated: it signs what it says about them.
//!
//! Source: Elastic Load Balancing User Guide, "Authenticate users using an Application Load
//! Balancer". Its tokens are JWTs, but with padding, which libraries for JWTs refuse.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Refusal;
use crate::config::{self, WebUrl};
use crate::names::{Arn, Partition};
use crate::ops::OpError;
use crate::serve::outgoing::{Limits, Server};
use crate::words::with_causes;

/// The header with the signed claims about a user.
pub(super) const HEADER: &str = "x-amzn-oidc-data";
/// How many keys are kept: the load balancer has few at a time.
const MOST_KEYS: usize = 64;
/// The longest token that is read. Units: bytes.
const LONGEST: usize = 16 << 10;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A load balancer that is trusted to authenticate users.
#[derive(Debug)]
pub(super) struct LoadBalancer {
    arn: String,
    keys_at: WebUrl,
    server: Server,
    keys: Mutex<BTreeMap<String, Key>>,
}

type Key = SubjectPublicKeyInfoDer<'static>;

/// The first part of a token.
#[derive(Debug, Deserialize)]
struct Head {
    alg: String,
    kid: String,
    signer: String,
    exp: i64,
}

/// The second part.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    email: Option<String>,
    exp: Option<i64>,
}

/// A token in its parts, of which nothing is verified yet.
struct Token<'t> {
    head: Head,
    claims: Claims,
    /// The two parts as they are signed.
    signed: &'t str,
    signature: Vec<u8>,
}

impl LoadBalancer {
    /// The load balancer of a configuration, if it has one.
    ///
    /// # Errors
    /// The place of its keys is unknown, or may not be read.
    pub(super) fn of(settings: &config::Access) -> Result<Option<Self>, OpError> {
        let Some(arn) = &settings.load_balancer else { return Ok(None) };
        let declared = settings.load_balancer_keys.clone();
        // A place that the configuration names may be in a private network.
        let is_private_allowed = declared.is_some();
        let keys_at = declared.or_else(|| published_at(arn)).ok_or_else(|| {
            OpError::usage(format!("AWS documents no place of the keys of {arn}"))
                .with_hint("set `service.access.load_balancer_keys`")
        })?;
        let limits = Limits { tries: 2, ..Limits::default() };
        let server = Server::new(keys_at.clone(), is_private_allowed, limits)
            .map_err(|error| OpError::usage(with_causes(&error)))?;
        Ok(Some(Self { arn: arn.to_string(), keys_at, server, keys: Mutex::default() }))
    }

    /// The user whom the load balancer names in a request; none if it names nobody.
    pub(super) async fn user(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<String>, Refusal> {
        let mut sent = headers.get_all(HEADER).iter();
        let token = match (sent.next(), sent.next()) {
            (None, _) => return Ok(None),
            (Some(token), None) => token.to_str().map_err(|_| refused("it is not ASCII"))?,
            (Some(_), Some(_)) => return Err(refused("there are two")),
        };
        let token = Token::parse(token).map_err(refused)?;
        // The key of another load balancer is as genuine as that of this one.
        if token.head.signer != self.arn {
            return Err(refused("another load balancer signed it"));
        }
        let key = self.key(&token.head.kid).await?;
        token.verify(&key, now).map(Some).map_err(refused)
    }

    /// A public key by its id.
    async fn key(&self, id: &str) -> Result<Key, Refusal> {
        // INVARIANT: the id becomes a part of an address.
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_id) {
            return Err(refused("the id of its key is invalid"));
        }
        // One request at a time: those that wait find the key.
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.get(id) {
            return Ok(key.clone());
        }
        let answer = self.server.get(&self.keys_at.join(id)).await.map_err(|error| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the load balancer's key is unreadable")
                .because(with_causes(&error))
        })?;
        let key = Key::from_pem_slice(&answer).map_err(|_| refused("its key is no public key"))?;
        if keys.len() >= MOST_KEYS {
            keys.clear();
        }
        keys.insert(id.to_owned(), key.clone());
        Ok(key)
    }
}

impl<'t> Token<'t> {
    fn parse(text: &'t str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is too long");
        }
        let (signed, signature) = text.rsplit_once('.').ok_or("it has no signature")?;
        let (head, claims) = signed.split_once('.').ok_or("it has no claims")?;
        let decode = |part: &str| BASE64.decode(part).map_err(|_| "it is not base64");
        let head: Head =
            serde_json::from_slice(&decode(head)?).map_err(|_| "its head is not as documented")?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?)
            .map_err(|_| "its claims are not as documented")?;
        Ok(Self { head, claims, signed, signature: decode(signature)? })
    }

    /// Who it is about, if the key signed it and it has not expired.
    fn verify(self, key: &Key, now: Timestamp) -> Result<String, &'static str> {
        // No other algorithm: the token must not choose how it is verified.
        if self.head.alg != "ES256" {
            return Err("its algorithm is not ES256");
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref())
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| "its signature is wrong")?;
        let expires_at = self.claims.exp.map_or(self.head.exp, |exp| exp.min(self.head.exp));
        if expires_at <= now.as_second() {
            return Err("it has expired");
        }
        Ok(self.claims.email.filter(|email| !email.is_empty()).unwrap_or(self.claims.sub))
    }
}

/// Where AWS publishes the public keys of a load balancer.
fn published_at(arn: &Arn) -> Option<WebUrl> {
    let region = arn.region.as_ref()?;
    let url = match arn.partition {
        Partition::Aws => format!("https://public-keys.auth.elb.{region}.amazonaws.com"),
        Partition::AwsUsGov => {
            format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}")
        }
        _ => return None,
    };
    url.parse().ok()
}

fn refused(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "the credentials are not valid")
        .because(format!("`{HEADER}`: {reason}"))
}

#[cfg(test)]
pub(in crate::serve::http) mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key_pair() -> (EcdsaKeyPair, Key) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let der = der.as_ref().to_vec();
        (pair, Key::from(der))
    }

    /// A key pair's public key in PEM, and what signs with the private key.
    pub(in crate::serve::http) fn signer()
    -> (String, impl Fn(&serde_json::Value, &serde_json::Value) -> String) {
        let (pair, key) = key_pair();
        let der = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        (pem, move |head, claims| sign(&pair, head, claims))
    }

    fn sign(pair: &EcdsaKeyPair, head: &serde_json::Value, claims: &serde_json::Value) -> String {
        // With padding, as the load balancer writes it.
        let encode = |value: &serde_json::Value| {
            base64::engine::general_purpose::URL_SAFE.encode(value.to_string())
        };
        let signed = format!("{}.{}", encode(head), encode(claims));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64::engine::general_purpose::URL_SAFE.encode(signature))
    }

    fn head(algorithm: &str, expires_at: i64) -> serde_json::Value {
        serde_json::json!({
            "typ": "JWT", "alg": algorithm, "kid": "k", "signer": "arn", "exp": expires_at,
        })
    }

    fn verify(token: &str, key: &Key) -> Result<String, &'static str> {
        let now = Timestamp::from_second(NOW).unwrap();
        Token::parse(token).and_then(|token| token.verify(key, now))
    }

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let (pair, key) = key_pair();
        let claims = serde_json::json!({ "sub": "4f1c", "email": "ann@example.com" });
        let token = sign(&pair, &head("ES256", NOW + 1), &claims);
        assert_eq!(verify(&token, &key), Ok("ann@example.com".to_owned()));
        let anonymous = serde_json::json!({ "sub": "4f1c", "email": "" });
        let token = sign(&pair, &head("ES256", NOW + 1), &anonymous);
        assert_eq!(verify(&token, &key), Ok("4f1c".to_owned()));
        let late = sign(&pair, &head("ES256", NOW), &claims);
        assert_eq!(verify(&late, &key), Err("it has expired"));
        let claims = serde_json::json!({ "sub": "4f1c", "exp": NOW - 1 });
        let late = sign(&pair, &head("ES256", NOW + 60), &claims);
        assert_eq!(verify(&late, &key), Err("it has expired"));
    }

    #[test]
    fn a_token_does_not_choose_its_algorithm_nor_its_key() {
        let (pair, key) = key_pair();
        let claims = serde_json::json!({ "sub": "4f1c" });
        for algorithm in ["none", "HS256", "es256", "RS256"] {
            let token = sign(&pair, &head(algorithm, NOW + 1), &claims);
            assert_eq!(verify(&token, &key), Err("its algorithm is not ES256"));
        }
        let token = sign(&pair, &head("ES256", NOW + 1), &claims);
        let (_, other) = key_pair();
        assert_eq!(verify(&token, &other), Err("its signature is wrong"));
    }

    #[test]
    fn the_keys_are_where_aws_publishes_them() {
        let at = |arn: &str| published_at(&arn.parse().unwrap()).map(|url| url.join("k"));
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/a/1";
        let expected = "https://public-keys.auth.elb.eu-west-1.amazonaws.com/k";
        assert_eq!(at(arn).as_deref(), Some(expected));
        let arn = arn.replace("aws:", "aws-us-gov:").replace("eu-west-1", "us-gov-west-1");
        let expected =
            "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/k";
        assert_eq!(at(&arn).as_deref(), Some(expected));
    }

    proptest! {
        #[test]
        fn no_byte_of_a_token_can_be_changed(at in any::<prop::sample::Index>(), byte in 33_u8..127) {
            let (pair, key) = key_pair();
            let claims = serde_json::json!({ "sub": "4f1c", "email": "ann@example.com" });
            let token = sign(&pair, &head("ES256", NOW + 1), &claims);
            let mut changed = token.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            // The padding of the signature means nothing, and the unused bits of its last digit.
            let is_padding = at + 3 >= token.len();
            if changed != token && !is_padding {
                prop_assert!(verify(&changed, &key).is_err());
            }
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "[ -~]{0,200}") {
            let (_, key) = key_pair();
            prop_assert!(verify(&text, &key).is_err());
        }
    }
}
