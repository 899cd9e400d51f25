//! Percent-encoding (RFC 3986).

use std::fmt::Write as _;

/// Undoes percent-encoding; what is no escape stays as it is.
pub fn decode_lossy(text: &str) -> String {
    String::from_utf8_lossy(&bytes(text).0).into_owned()
}

/// Undoes percent-encoding; `None` where a `%` begins no escape, or the bytes
/// are no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let (bytes, whole) = bytes(text);
    String::from_utf8(bytes).ok().filter(|_| whole)
}

/// The bytes that a text stands for, and whether every `%` begins an escape.
fn bytes(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut whole = true;
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2).and_then(|digits| hex::decode(digits).ok()))
            .flatten();
        whole &= first != b'%' || escaped.is_some();
        rest = if escaped.is_some() { &after[2..] } else { after };
        bytes.extend(escaped.unwrap_or_else(|| vec![first]));
    }
    (bytes, whole)
}

/// Percent-encodes all but unreserved characters and those of `kept`.
pub fn encode(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || kept.as_bytes().contains(&byte)
        {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        assert_eq!(encode("a b/ü%", "/"), "a%20b/%C3%BC%25");
        assert_eq!(decode(&encode("a b/ü%", "")).as_deref(), Some("a b/ü%"));
    }

    #[test]
    fn broken_escapes_stay_or_are_refused() {
        for (text, lossy) in [("a%2", "a%2"), ("%zz%41", "%zzA"), ("%+f", "%+f"), ("%", "%")] {
            assert_eq!(decode_lossy(text), lossy);
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("%ff"), None);
        assert_eq!(decode_lossy("%ff"), "\u{fffd}");
    }
}
