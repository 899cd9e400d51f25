//! How many requests this process has sent to AWS.

use std::collections::BTreeMap;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use parking_lot::Mutex;

use super::ErrorKind;
use super::kind::BY_CODE;

static REQUESTS: Mutex<BTreeMap<(String, Option<u16>), u64>> = Mutex::new(BTreeMap::new());
static THROTTLED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
/// The longest error that is searched for its code. Units: bytes.
const LONGEST_ERROR: usize = 8 << 10;

/// The requests of this process, by service and status; none for requests without a response.
#[must_use]
pub fn requests() -> BTreeMap<(String, Option<u16>), u64> {
    REQUESTS.lock().clone()
}

/// The requests of this process that AWS throttled, by service.
#[must_use]
pub fn throttled() -> BTreeMap<String, u64> {
    THROTTLED.lock().clone()
}

/// Counts a request.
pub(crate) fn sent(service: &str, status: Option<u16>) {
    *REQUESTS.lock().entry((service.to_owned(), status)).or_default() += 1;
}

/// Counts a response that throttles.
pub(super) fn answered(service: &str, response: &HttpResponse) {
    if is_throttling(response.status().as_u16(), response.body().bytes().unwrap_or_default()) {
        *THROTTLED.lock().entry(service.to_owned()).or_default() += 1;
    }
}

/// Whether an error is one of throttling, whatever the form of its body.
fn is_throttling(status: u16, body: &[u8]) -> bool {
    match status {
        429 => true,
        400..500 | 503 => {
            let text = String::from_utf8_lossy(body.get(..LONGEST_ERROR).unwrap_or(body));
            let is_letter = |letter: char| letter.is_ascii_alphanumeric();
            let mut words = text.split(|letter| !is_letter(letter));
            words.any(|word| BY_CODE.contains(&(word, ErrorKind::Throttled)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_recognized_in_json_and_xml() {
        for (status, body) in [
            (429, ""),
            (400, r#"{"__type":"com.amazonaws.x#ThrottlingException","message":"Rate exceeded"}"#),
            (503, "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"),
            (400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
        ] {
            assert!(is_throttling(status, body.as_bytes()), "{status} {body}");
        }
        for (status, body) in [
            (200, "SlowDown"),
            (400, r#"{"__type":"ValidationException"}"#),
            (403, "<Error><Code>AccessDenied</Code></Error>"),
            (503, "<Error><Code>ServiceUnavailable</Code></Error>"),
            (400, "NotThrottlingException"),
        ] {
            assert!(!is_throttling(status, body.as_bytes()), "{status} {body}");
        }
    }
}
