//! Message authentication codes of HMAC keys.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::crypto::blob;
use super::{ApiError, Call, Control, Key, Reply, key};

/// The longest message that KMS authenticates. Units: bytes.
const MAX_MESSAGE_BYTES: usize = 4096;

/// The algorithm of a key spec, by KMS's name of it.
fn algorithm(spec: &str) -> Option<(&'static str, hmac::Algorithm)> {
    Some(match spec {
        "HMAC_224" => ("HMAC_SHA_224", hmac::HMAC_SHA224),
        "HMAC_256" => ("HMAC_SHA_256", hmac::HMAC_SHA256),
        "HMAC_384" => ("HMAC_SHA_384", hmac::HMAC_SHA384),
        "HMAC_512" => ("HMAC_SHA_512", hmac::HMAC_SHA512),
        _ => return None,
    })
}

/// The key of a call once its caller may use it, and the message.
fn usable<'a>(
    control: &'a Control,
    call: &Call<'_>,
) -> Result<(&'a Key, &'static str, hmac::Key, Vec<u8>), ApiError> {
    let key = call.usable_key(control, call.required("KeyId")?)?;
    let asked = call.required("MacAlgorithm")?;
    let known = algorithm(&key.spec).filter(|(name, _)| *name == asked);
    let Some((name, algorithm)) = known.filter(|_| key.usage == "GENERATE_VERIFY_MAC") else {
        return Err(ApiError::new(
            "InvalidKeyUsageException",
            format!("{} key spec {} does not support {asked}", key.arn, key.spec),
        ));
    };
    let message = blob(call, "Message")?;
    if message.is_empty() || message.len() > MAX_MESSAGE_BYTES {
        return Err(ApiError::validation("Message must be 1 to 4096 bytes"));
    }
    let material = hex::decode(&key.material).map_err(|_| key::internal())?;
    Ok((key, name, hmac::Key::new(algorithm, &material), message))
}

pub(super) fn generate(control: &Control, call: &Call<'_>) -> Reply {
    let (key, algorithm, secret, message) = usable(control, call)?;
    let mac = hmac::sign(&secret, &message);
    Ok(json!({
        "Mac": STANDARD.encode(mac.as_ref()),
        "MacAlgorithm": algorithm,
        "KeyId": key.arn,
    }))
}

pub(super) fn verify(control: &Control, call: &Call<'_>) -> Reply {
    let (key, algorithm, secret, message) = usable(control, call)?;
    let mac = blob(call, "Mac")?;
    hmac::verify(&secret, &message, &mac)
        .map_err(|_| ApiError::new("KMSInvalidMacException", ""))?;
    Ok(json!({ "MacValid": true, "MacAlgorithm": algorithm, "KeyId": key.arn }))
}

/// The algorithm that a key's metadata lists; none for other keys.
pub(super) fn algorithm_of(key: &Key) -> Option<&'static str> {
    algorithm(&key.spec).map(|(name, _)| name)
}
