//! How keys stand in listings: as they are, or percent-encoded.

use std::fmt::Write as _;

use s3s::{S3Result, dto};

use super::error::invalid_argument;

/// How keys are written: as they are, or percent-encoded.
#[derive(Clone, Copy)]
pub(super) struct KeyEncoding(bool);

impl KeyEncoding {
    pub(super) fn new(encoding_type: Option<&dto::EncodingType>) -> S3Result<Self> {
        match encoding_type.map(dto::EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(invalid_argument("Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn write(self, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let mut written = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    written.push(char::from(byte));
                }
                b' ' => written.push('+'),
                _ => {
                    // Writing to a string does not fail.
                    let _ = write!(written, "%{byte:02X}");
                }
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_as_s3_spells_them() {
        let url = KeyEncoding::new(Some(&dto::EncodingType::from_static("url"))).unwrap();
        assert_eq!(url.write("a b/ü+*\u{1}"), "a+b/%C3%BC%2B*%01");
        assert_eq!(KeyEncoding::new(None).unwrap().write("a b"), "a b");
        assert!(KeyEncoding::new(Some(&dto::EncodingType::from_static("base64"))).is_err());
    }
}
