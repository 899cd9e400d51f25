//! Key material that comes from outside.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::json;

use super::crypto::blob;
use super::{ApiError, Call, Control, KeyState, Reply, input, key};
use crate::services::input::seconds;

fn external(key: &super::Key) -> Result<(), ApiError> {
    if key.origin == "EXTERNAL" {
        return Ok(());
    }
    Err(ApiError::new(
        "UnsupportedOperationException",
        format!("{} origin is {} which is not valid for this operation.", key.arn, key.origin),
    ))
}

/// Makes the key that the material is wrapped with. The token is its hash.
pub(super) fn parameters(control: &mut Control, call: &Call<'_>) -> Reply {
    external(call.key(control)?)?;
    algorithm(call, "WrappingAlgorithm")?;
    let internal = |_| key::internal();
    let wrapping = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(internal)?;
    let private: Pkcs8V1Der<'_> = wrapping.as_der().map_err(internal)?;
    let public: PublicKeyX509Der<'_> = wrapping.public_key().as_der().map_err(internal)?;
    let private = STANDARD.encode(private.as_ref());
    let token = token(&private);
    key::update(control, call, |key| {
        key.import = Some(private);
        Ok(json!({
            "KeyId": key.arn,
            "ImportToken": token,
            "PublicKey": STANDARD.encode(public.as_ref()),
            "ParametersValidTo": seconds(call.now + SignedDuration::from_hours(24)),
        }))
    })
}

fn token(private: &str) -> String {
    STANDARD.encode(key::id_of(&[private]))
}

fn algorithm(
    call: &Call<'_>,
    name: &str,
) -> Result<&'static aws_lc_rs::rsa::OaepAlgorithm, ApiError> {
    match input::text(call.input, name).unwrap_or("RSAES_OAEP_SHA_256") {
        "RSAES_OAEP_SHA_256" => Ok(&OAEP_SHA256_MGF1SHA256),
        "RSAES_OAEP_SHA_1" => Ok(&OAEP_SHA1_MGF1SHA1),
        other => {
            Err(ApiError::validation(format!("the sandbox does not support wrapping with {other}")))
        }
    }
}

pub(super) fn import(control: &mut Control, call: &Call<'_>) -> Reply {
    external(call.key(control)?)?;
    let (wrapped, given) = (blob(call, "EncryptedKeyMaterial")?, call.required("ImportToken")?);
    key::update(control, call, |key| {
        let private = key.import.clone().filter(|private| token(private) == given);
        let private =
            private.ok_or_else(|| ApiError::new("InvalidImportTokenException", "unknown token"))?;
        let incorrect = || ApiError::new("IncorrectKeyMaterialException", "not 256 wrapped bits");
        let material = unwrapped(&private, &wrapped).filter(|material| material.len() == 32);
        key.material = hex::encode(material.ok_or_else(incorrect)?);
        if key.state == KeyState::PendingImport {
            key.state = KeyState::Enabled;
        }
        Ok(json!({ "KeyId": key.arn }))
    })
}

/// What was wrapped, by either algorithm: the call does not say by which.
fn unwrapped(private: &str, wrapped: &[u8]) -> Option<Vec<u8>> {
    let private = STANDARD.decode(private).ok()?;
    [&OAEP_SHA256_MGF1SHA256, &OAEP_SHA1_MGF1SHA1].into_iter().find_map(|algorithm| {
        let private = PrivateDecryptingKey::from_pkcs8(&private).ok()?;
        let private = OaepPrivateDecryptingKey::new(private).ok()?;
        let mut room = vec![0; private.min_output_size()];
        let plain = private.decrypt(algorithm, wrapped, &mut room, None).ok()?;
        Some(plain.to_vec())
    })
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    external(call.key(control)?)?;
    key::update(control, call, |key| {
        if matches!(key.state, KeyState::PendingDeletion(_)) {
            return Err(key::pending(key));
        }
        key.state = KeyState::PendingImport;
        Ok(json!({ "KeyId": key.arn }))
    })
}
