//! AWS Signature Version 4, as the receiver computes it.

use std::fmt::Write as _;

use aws_lc_rs::{constant_time, digest, hmac};
use http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::percent;

/// The longest life of a presigned URL: seven days.
const MAX_VALID_SECS: i64 = 604_800;

/// A signature as a request carries it, in the header or the query.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) access_key_id: &'a str,
    /// The scope's Region.
    pub(crate) region: &'a str,
    /// The scope's service, by its signing name.
    pub(crate) service: &'a str,
    /// `20260101T000000Z`
    pub(super) date: String,
    /// How long a presigned URL works.
    pub(super) valid_for: Option<SignedDuration>,
    pub(super) session_token: Option<String>,
    day: &'a str,
    signed_headers: String,
    hex: &'a str,
}

impl<'a> Signature<'a> {
    /// The signature that a request carries, where it carries one.
    pub(crate) fn of(parts: &'a Parts) -> Option<Self> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(authorization) = header("authorization") {
            let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?.trim_start();
            let field = |name: &str| {
                fields
                    .split(',')
                    .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            };
            let mut scope = field("Credential")?.split('/');
            return Some(Self {
                access_key_id: scope.next()?,
                day: scope.next()?,
                region: scope.next()?,
                service: scope.next()?,
                date: header("x-amz-date").unwrap_or_default().to_owned(),
                valid_for: None,
                session_token: header("x-amz-security-token").map(str::to_owned),
                signed_headers: field("SignedHeaders")?.to_owned(),
                hex: field("Signature")?,
            });
        }
        let query = parts.uri.query()?;
        let field = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(found, value)| (found == name).then_some(value))
        };
        let credential = field("X-Amz-Credential")?;
        let mut scope = credential.split("%2F").flat_map(|part| part.split('/'));
        Some(Self {
            access_key_id: scope.next()?,
            day: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            date: percent::decode_lossy(field("X-Amz-Date")?),
            valid_for: Some(valid_for(field("X-Amz-Expires")?)?),
            session_token: field("X-Amz-Security-Token").map(percent::decode_lossy),
            signed_headers: percent::decode_lossy(field("X-Amz-SignedHeaders")?),
            hex: field("X-Amz-Signature")?,
        })
    }

    /// When it was signed.
    pub(super) fn signed_at(&self) -> Option<Timestamp> {
        let date = self.date.strip_suffix('Z')?;
        let at = DateTime::strptime("%Y%m%dT%H%M%S", date).ok()?;
        Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    /// Whether the signature is that of this request under `secret`.
    ///
    /// # Errors
    /// AWS's message, where it is not.
    pub(super) fn check(
        &self,
        secret: &str,
        parts: &Parts,
        body: &[u8],
    ) -> Result<(), &'static str> {
        if !self.date.starts_with(self.day) || self.day.is_empty() {
            return Err(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            );
        }
        let signed: Vec<&str> = self.signed_headers.split(';').collect();
        if !signed.contains(&"host") {
            return Err(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            );
        }
        let canonical = self.canonical_request(&signed, parts, body);
        let mut to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{}/{}/{}/aws4_request\n",
            self.date, self.day, self.region, self.service
        );
        to_sign.push_str(&hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes())));
        let mut key = sign(format!("AWS4{secret}").as_bytes(), self.day);
        for part in [self.region, self.service, "aws4_request"] {
            key = sign(key.as_ref(), part);
        }
        let wanted = hex::encode(sign(key.as_ref(), &to_sign));
        constant_time::verify_slices_are_equal(wanted.as_bytes(), self.hex.as_bytes()).map_err(
            |_| "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )
    }

    fn canonical_request(&self, signed: &[&str], parts: &Parts, body: &[u8]) -> String {
        let mut canonical = String::with_capacity(512);
        let _ = write!(canonical, "{}\n{}\n", parts.method, percent::encode_path(parts.uri.path()));
        let again = |text: &str| percent::encode(&percent::decode_lossy(text));
        let mut query: Vec<(String, String)> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(name, _)| *name != "X-Amz-Signature")
            .map(|(name, value)| (again(name), again(value)))
            .collect();
        query.sort_unstable();
        let query: Vec<String> =
            query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        canonical.push_str(&query.join("&"));
        canonical.push('\n');
        for name in signed {
            let values: Vec<String> = parts
                .headers
                .get_all(*name)
                .iter()
                .map(|value| {
                    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            let _ = writeln!(canonical, "{name}:{}", values.join(","));
        }
        let hash = hex::encode(digest::digest(&digest::SHA256, body));
        let _ = write!(canonical, "\n{}\n{hash}", self.signed_headers);
        canonical
    }
}

/// How long a presigned URL works: one second to seven days, as AWS allows.
pub(crate) fn valid_for(seconds: &str) -> Option<SignedDuration> {
    let seconds =
        seconds.parse::<i64>().ok().filter(|seconds| (1..=MAX_VALID_SECS).contains(seconds))?;
    Some(SignedDuration::from_secs(seconds))
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_url_works_for_a_second_to_seven_days() {
        assert_eq!(valid_for("604800"), Some(SignedDuration::from_secs(604_800)));
        for refused in ["0", "-1", "604801", "9223372036854775807", "9223372036854775808", ""] {
            assert_eq!(valid_for(refused), None, "{refused}");
        }
    }

    /// AWS's published test suite for Signature Version 4, `get-vanilla-query-order-key-case`.
    #[test]
    fn a_published_signature_is_accepted_and_any_change_refused() {
        let request = |query: &str| {
            let (parts, ()) = http::Request::get(format!("/?{query}"))
                .header("host", "example.amazonaws.com")
                .header("x-amz-date", "20150830T123600Z")
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, \
                     Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
                )
                .body(())
                .unwrap()
                .into_parts();
            parts
        };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let parts = request("Param2=value2&Param1=value1");
        let signature = Signature::of(&parts).unwrap();
        assert_eq!(signature.service, "service");
        assert_eq!(signature.signed_at().unwrap().to_string(), "2015-08-30T12:36:00Z");
        signature.check(secret, &parts, b"").unwrap();
        assert!(signature.check("another secret", &parts, b"").is_err());
        assert!(signature.check(secret, &parts, b"body").is_err());
        let other = request("Param2=value2&Param1=value3");
        assert!(Signature::of(&other).unwrap().check(secret, &other, b"").is_err());
    }
}
