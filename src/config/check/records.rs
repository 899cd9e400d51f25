use super::{Checker, repeated, roles};
use crate::config::Config;

/// The length of a SHA-256 in hexadecimal. Units: digits.
const SHA256_DIGITS: usize = 64;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    if let Some(arn) = &config.records.mac_key {
        let is_key = &*arn.service == "kms"
            && arn.region.is_some()
            && arn.account.is_some()
            && arn.resource_type() == "key"
            && !arn.resource_name().is_empty();
        if !is_key {
            checker
                .error(&["records.mac_key"], format!("found {arn}, expected the ARN of a KMS key"))
                .hint("an alias can be moved to another key: use the ARN of the key");
        }
        roles::partition(config, checker, "records.mac_key", arn);
        if config.key.arn.as_ref() == Some(arn) {
            checker.error(
                &["records.mac_key", "key.arn"],
                "found the key that encrypts the logs, expected an HMAC key",
            );
        }
    }
    let acceptances = &config.records.acceptances;
    for (at, sha256) in acceptances.iter().enumerate() {
        let is_sha256 =
            sha256.len() == SHA256_DIGITS && sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_sha256 {
            checker
                .error(
                    &[&format!("records.acceptances[{at}]")],
                    format!("found `{sha256}`, expected {SHA256_DIGITS} hexadecimal digits"),
                )
                .hint("`orgtrail accept --list` prints the SHA-256 of each acceptance");
        }
    }
    for (at, sha256) in repeated(acceptances) {
        checker
            .warning(&[&format!("records.acceptances[{at}]")], format!("{sha256} is listed twice"));
    }
}
