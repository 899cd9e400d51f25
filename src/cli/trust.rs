//! Records below `orgtrail/` that nothing authenticates.

use super::Context;

/// A SHA-256 in hexadecimal.
pub(super) fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected 64 hexadecimal digits".to_owned())
}

/// What makes records count, as it is written in the configuration.
pub(super) fn lines_to_add<'a>(sha256: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = sha256.into_iter().map(|one| format!("\"{one}\"")).collect();
    format!("  [records]\n  acceptances = [{}]", quoted.join(", "))
}

/// Says that a record that was written does not count yet, and what makes it count.
pub(super) fn print_unauthenticated(context: &Context, sha256: &str) {
    context.out.warn(
        "the record is not authenticated, so it has no effect yet: add its SHA-256 to the configuration, or set `records.mac_key` first",
    );
    context.out.warn(lines_to_add([sha256]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_has_64_hexadecimal_digits() {
        assert_eq!(sha256(&"A".repeat(64)), Ok("a".repeat(64)));
        for wrong in ["", "a", &"g".repeat(64), &"a".repeat(65)] {
            assert!(sha256(wrong).is_err(), "{wrong}");
        }
    }
}
