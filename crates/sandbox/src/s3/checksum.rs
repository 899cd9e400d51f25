//! Checksums: stored with every object, verified where the client sent one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3ErrorCode, S3Result, dto};
use serde::{Deserialize, Serialize};

use super::error::{invalid_request, refuse};

/// The checksum algorithms of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(super) fn parse(text: &str) -> S3Result<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or_else(|| {
            invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(super) fn of(self, body: &[u8]) -> Checksum {
        let mut value = [0; 32];
        match self {
            Self::Crc32 => value[..4].copy_from_slice(&Crc32::checksum(body)),
            Self::Crc32c => value[..4].copy_from_slice(&Crc32c::checksum(body)),
            Self::Crc64Nvme => value[..8].copy_from_slice(&Crc64Nvme::checksum(body)),
            Self::Sha1 => value[..20].copy_from_slice(Sha1::checksum(body).as_ref()),
            Self::Sha256 => value[..32].copy_from_slice(Sha256::checksum(body).as_ref()),
        }
        Checksum { algorithm: self, value, parts: None }
    }

    fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether a multipart object's checksum is over its parts' checksums
    /// unless the upload says otherwise.
    pub(super) fn is_composite_by_default(self) -> bool {
        self != Self::Crc64Nvme
    }
}

/// A checksum of an object's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    value: [u8; 32],
    /// The number of parts when it is a checksum of the parts' checksums.
    pub(super) parts: Option<u16>,
}

impl Checksum {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.value[..self.algorithm.width()]
    }

    /// As the headers carry it: base64, and `-parts` for a composite one.
    pub(super) fn text(&self) -> String {
        let text = STANDARD.encode(self.bytes());
        match self.parts {
            Some(parts) => format!("{text}-{parts}"),
            None => text,
        }
    }

    /// The checksum over parts' checksums.
    pub(super) fn composite(algorithm: Algorithm, parts: &[Self]) -> Self {
        let joined: Vec<u8> = parts.iter().flat_map(Self::bytes).copied().collect();
        let mut whole = algorithm.of(&joined);
        whole.parts = u16::try_from(parts.len()).ok();
        whole
    }

    /// `value` if this is of that algorithm.
    pub(super) fn text_of(&self, algorithm: Algorithm) -> Option<String> {
        (self.algorithm == algorithm).then(|| self.text())
    }

    pub(super) fn kind(&self) -> dto::ChecksumType {
        let kind = if self.parts.is_some() {
            dto::ChecksumType::COMPOSITE
        } else {
            dto::ChecksumType::FULL_OBJECT
        };
        dto::ChecksumType::from_static(kind)
    }
}

/// Fills the checksum members of an output.
macro_rules! set_checksums {
    ($output:expr, $checksum:expr) => {{
        use $crate::s3::checksum::Algorithm;
        let checksum = &$checksum;
        $output.checksum_crc32 = checksum.text_of(Algorithm::Crc32);
        $output.checksum_crc32c = checksum.text_of(Algorithm::Crc32c);
        $output.checksum_crc64nvme = checksum.text_of(Algorithm::Crc64Nvme);
        $output.checksum_sha1 = checksum.text_of(Algorithm::Sha1);
        $output.checksum_sha256 = checksum.text_of(Algorithm::Sha256);
    }};
}
pub(super) use set_checksums;

/// What a client said about the content it sent.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) md5: Option<String>,
    /// At most one, as S3 wants it.
    pub(super) checksum: Option<(Algorithm, String)>,
    /// `x-amz-sdk-checksum-algorithm`.
    pub(super) algorithm: Option<Algorithm>,
}

impl Claims {
    /// Reads headers and, for streamed uploads, trailers.
    pub(super) fn read(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> S3Result<Self> {
        let text = |map: &HeaderMap, name: &str| {
            map.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut claims = Self { md5: text(headers, "content-md5"), ..Self::default() };
        for algorithm in Algorithm::ALL {
            let found = text(headers, algorithm.header())
                .or_else(|| trailers.and_then(|map| text(map, algorithm.header())));
            if let Some(found) = found {
                if claims.checksum.is_some() {
                    return Err(invalid_request(
                        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                    ));
                }
                claims.checksum = Some((algorithm, found));
            }
        }
        if let Some(name) = text(headers, "x-amz-sdk-checksum-algorithm") {
            claims.algorithm = Some(Algorithm::parse(&name)?);
        }
        Ok(claims)
    }

    /// Whether the client vouched for the content at all.
    pub(super) fn any(&self) -> bool {
        self.md5.is_some() || self.checksum.is_some()
    }

    /// Holds the claims against the content.
    ///
    /// # Errors
    /// `BadDigest` where one does not hold, `InvalidDigest` or `InvalidRequest`
    /// where it could not hold for any content.
    pub(super) fn verify(&self, body: &[u8], md5: [u8; 16]) -> S3Result<Checksum> {
        if let Some(claimed) = &self.md5 {
            let decoded = STANDARD.decode(claimed).ok().filter(|bytes| bytes.len() == 16);
            let Some(decoded) = decoded else {
                return Err(refuse(
                    S3ErrorCode::InvalidDigest,
                    "The Content-MD5 you specified was invalid.",
                ));
            };
            if decoded != md5 {
                return Err(refuse(
                    S3ErrorCode::BadDigest,
                    "The Content-MD5 you specified did not match what we received.",
                ));
            }
        }
        let algorithm = match &self.checksum {
            Some((algorithm, _)) => *algorithm,
            None => self.algorithm.unwrap_or(Algorithm::Crc64Nvme),
        };
        let computed = algorithm.of(body);
        if let Some((_, claimed)) = &self.checksum {
            let decoded = STANDARD.decode(claimed).ok();
            if decoded.as_ref().is_none_or(|bytes| bytes.len() != algorithm.width()) {
                return Err(invalid_request(format!(
                    "Value for {} header is invalid.",
                    algorithm.header()
                )));
            }
            if decoded.as_deref() != Some(computed.bytes()) {
                return Err(refuse(
                    S3ErrorCode::BadDigest,
                    format!(
                        "The {} you specified did not match the calculated checksum.",
                        algorithm.as_str()
                    ),
                ));
            }
        }
        Ok(computed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (algorithm, answer) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            assert_eq!(algorithm.of(b"123456789").text(), answer, "{algorithm:?}");
        }
    }

    #[test]
    fn a_wrong_claim_is_a_bad_digest() {
        let claims = Claims {
            checksum: Some((Algorithm::Sha256, Algorithm::Sha256.of(b"other").text())),
            ..Claims::default()
        };
        assert_eq!(claims.verify(b"this", [0; 16]).unwrap_err().code().as_str(), "BadDigest");
        assert!(claims.verify(b"other", [0; 16]).is_ok());
    }
}
