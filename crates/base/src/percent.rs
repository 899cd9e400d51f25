//! Percent-encoding (RFC 3986).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// Undoes percent-encoding; what is no escape stays as it is.
pub fn decode_lossy(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Undoes percent-encoding; `None` where a `%` begins no escape, or the bytes
/// are no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let is_escape = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    text.split('%').skip(1).all(is_escape).then(|| decoded.into_owned())
}

/// Percent-encodes all but unreserved characters.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The same of a path, whose slashes stay.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATHS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        assert_eq!(encode_path("a b/ü%-._~"), "a%20b/%C3%BC%25-._~");
        assert_eq!(encode("a/b"), "a%2Fb");
        assert_eq!(decode(&encode("a b/ü%")).as_deref(), Some("a b/ü%"));
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
