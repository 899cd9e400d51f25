//! Time-based one-time passwords: the codes of virtual MFA devices (RFC 6238).

use aws_lc_rs::hmac;
use jiff::Timestamp;

/// How long a code is shown.
const STEP_SECONDS: i64 = 30;

/// The six digits that a device with this seed shows at `at`.
pub(super) fn code(seed: &[u8], at: Timestamp) -> String {
    format!("{:06}", truncated(seed, step(at)) % 1_000_000)
}

/// Whether the code is the device's at `at`, or of the step before or after, as
/// clocks differ.
pub(super) fn accepts(seed: &[u8], code: &str, at: Timestamp) -> bool {
    (-1..=1).any(|drift| {
        format!("{:06}", truncated(seed, step(at).wrapping_add_signed(drift)) % 1_000_000) == code
    })
}

fn step(at: Timestamp) -> u64 {
    u64::try_from(at.as_second() / STEP_SECONDS).unwrap_or(0)
}

/// RFC 4226's dynamic truncation of the HMAC of a counter.
fn truncated(seed: &[u8], counter: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let word = [tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]];
    u32::from_be_bytes(word)
}

/// RFC 4648 base 32, which authenticator apps take seeds in.
pub(super) fn base32(bytes: &[u8]) -> String {
    let alphabet = super::simulation::BASE32.as_bytes();
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0_u8; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            let index = (bits >> (35 - 5 * digit)) & 31;
            text.push(char::from(alphabet[usize::try_from(index).unwrap_or(0)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1.
    #[test]
    fn the_rfcs_vectors_hold() {
        let seed = b"12345678901234567890";
        for (seconds, expected) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let at = Timestamp::from_second(seconds).unwrap();
            assert_eq!(truncated(seed, step(at)) % 100_000_000, expected);
            assert_eq!(code(seed, at), format!("{:06}", expected % 1_000_000));
        }
    }

    #[test]
    fn neighbouring_steps_are_accepted_and_no_others() {
        let seed = b"seed";
        let at = Timestamp::from_second(3_000_000).unwrap();
        let shown = code(seed, at);
        for (seconds, expected) in [(-30, true), (0, true), (30, true), (-90, false), (90, false)] {
            let then = at + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(accepts(seed, &shown, then), expected, "{seconds}");
        }
    }

    /// RFC 4648, section 10, without padding.
    #[test]
    fn base_32_is_the_rfcs() {
        for (bytes, text) in
            [("f", "MY"), ("fo", "MZXQ"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }
}
