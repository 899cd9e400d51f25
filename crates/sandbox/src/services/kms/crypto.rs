//! Encryption with a key: AES-256-GCM, bound to the encryption context.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{ApiError, Call, Control, Key, Reply, access, input, key};

/// Nonce and tag around what is encrypted.
const NONCE_BYTES: usize = 12;

fn invalid_ciphertext() -> ApiError {
    ApiError::new("InvalidCiphertextException", "")
}

/// The context in one unambiguous text.
fn bound(context: &BTreeMap<String, String>) -> Vec<u8> {
    json!(context).to_string().into_bytes()
}

fn secret(key: &Key) -> Result<RandomizedNonceKey, ApiError> {
    let bytes = hex::decode(&key.material).map_err(|_| key::internal())?;
    RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| key::internal())
}

/// `key ARN \0 nonce sealed`.
fn seal(key: &Key, context: &BTreeMap<String, String>, plain: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut sealed = plain.to_vec();
    let nonce = secret(key)?
        .seal_in_place_append_tag(Aad::from(bound(context)), &mut sealed)
        .map_err(|_| key::internal())?;
    let mut whole = key.arn.to_string().into_bytes();
    whole.push(0);
    whole.extend_from_slice(nonce.as_ref());
    whole.extend(sealed);
    Ok(whole)
}

fn usable<'a>(control: &'a Control, call: &Call<'_>, wanted: &str) -> Result<&'a Key, ApiError> {
    let key = call.usable_key(control, wanted)?;
    if key.spec != "SYMMETRIC_DEFAULT" {
        return Err(ApiError::new(
            "InvalidKeyUsageException",
            format!("{} is not a symmetric encryption key", key.arn),
        ));
    }
    Ok(key)
}

pub(super) fn blob(call: &Call<'_>, name: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD
        .decode(call.required(name)?)
        .map_err(|_| ApiError::new("SerializationException", format!("{name} is not base64")))
}

pub(super) fn encrypt(control: &Control, call: &Call<'_>) -> Reply {
    let key = usable(control, call, call.required("KeyId")?)?;
    let plain = blob(call, "Plaintext")?;
    if plain.len() > 4096 {
        return Err(ApiError::validation("Plaintext must be at most 4096 bytes"));
    }
    let sealed = seal(key, &input::map(call.input, "EncryptionContext"), &plain)?;
    Ok(json!({
        "CiphertextBlob": STANDARD.encode(sealed),
        "KeyId": key.arn,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

pub(super) fn decrypt(control: &Control, call: &Call<'_>) -> Reply {
    let whole = blob(call, "CiphertextBlob")?;
    let split = whole.iter().position(|byte| *byte == 0).ok_or_else(invalid_ciphertext)?;
    let arn = std::str::from_utf8(&whole[..split]).map_err(|_| invalid_ciphertext())?;
    let key = usable(control, call, arn)?;
    if let Some(wanted) = input::text(call.input, "KeyId") {
        let wanted = access::find_key(control, &call.caller.account, call.region, wanted)?;
        if wanted.arn != key.arn {
            return Err(ApiError::new(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            ));
        }
    }
    let rest = &whole[split + 1..];
    if rest.len() < NONCE_BYTES {
        return Err(invalid_ciphertext());
    }
    let (nonce, sealed) = rest.split_at(NONCE_BYTES);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| invalid_ciphertext())?;
    let context = input::map(call.input, "EncryptionContext");
    let mut sealed = sealed.to_vec();
    let plain = secret(key)?
        .open_in_place(nonce, Aad::from(bound(&context)), &mut sealed)
        .map_err(|_| invalid_ciphertext())?;
    Ok(json!({
        "KeyId": key.arn,
        "Plaintext": STANDARD.encode(plain),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

pub(super) fn generate_data_key(control: &Control, call: &Call<'_>, plaintext: bool) -> Reply {
    let key = usable(control, call, call.required("KeyId")?)?;
    let length =
        match (input::text(call.input, "KeySpec"), input::number(call.input, "NumberOfBytes")) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(bytes @ 1..=1024)) => {
                usize::try_from(bytes).map_err(|_| key::internal())?
            }
            _ => {
                return Err(ApiError::validation(
                    "Please specify either number of bytes or key spec.",
                ));
            }
        };
    let mut plain = vec![0; length];
    aws_lc_rs::rand::fill(&mut plain).map_err(|_| key::internal())?;
    let sealed = seal(key, &input::map(call.input, "EncryptionContext"), &plain)?;
    let mut reply = json!({ "CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.arn });
    if plaintext {
        reply["Plaintext"] = STANDARD.encode(plain).into();
    }
    Ok(reply)
}
