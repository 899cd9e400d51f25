//! Messages of servers and libraries, in plain words.

use aws_credential_types::provider::error::CredentialsError;

use crate::printable::plain;
use crate::words::in_one_line;

/// Why there are no credentials, in plain words. The SDK's chain of providers lists each
/// that it tried, and why it has none, on lines of their own.
pub(super) fn credentials_fault(error: &(dyn std::error::Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                return "none in the environment, the profile, a web identity token, the container or the instance"
                    .to_owned();
            }
            // Its own message only says that an error occurred.
            Some(loading) => {
                return std::error::Error::source(loading)
                    .map_or_else(|| in_one_line(error), in_one_line);
            }
            None => next = error.source(),
        }
    }
    in_one_line(error)
}

/// Why there was no response, in plain words.
pub(super) fn network_fault(error: &(dyn std::error::Error + 'static)) -> String {
    use std::io::ErrorKind as Io;
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        next = error.source();
    }
    match kind {
        Some(Io::ConnectionRefused) => "the connection was refused".to_owned(),
        Some(Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof) => {
            "the connection broke".to_owned()
        }
        Some(Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown) => {
            "the endpoint cannot be reached".to_owned()
        }
        _ => {
            let text = deepest.to_string();
            one_line(text.split(" (os error ").next().unwrap_or_default())
        }
    }
}

/// A server's message on one line, without control characters.
pub(super) fn one_line(message: &str) -> String {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    plain(words.trim_end_matches('.')).into_owned()
}

/// The Region that S3 expects a request to be signed for, from its message.
pub(super) fn expected_region(message: &str) -> Option<&str> {
    message.split_once("; expecting '")?.1.split('\'').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_credentials_are_reported_without_the_providers_words() {
        let none =
            CredentialsError::not_loaded("no credentials found in chain. Attempted:\nEnvironment");
        let said = credentials_fault(&none);
        assert!(said.starts_with("none in the environment, the profile"), "{said}");
        let ended = std::io::Error::other("the SSO session ended");
        assert_eq!(
            credentials_fault(&CredentialsError::provider_error(ended)),
            "the SSO session ended"
        );
    }

    #[test]
    fn a_network_failure_is_reported_without_the_libraries_words() {
        #[derive(Debug, thiserror::Error)]
        #[error("client error (Connect)")]
        struct Above(#[source] std::io::Error);
        let fault = |error: std::io::Error| network_fault(&Above(error));
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(fault(refused), "the connection was refused");
        let odd = std::io::Error::other("no such name (os error 11)");
        assert_eq!(fault(odd), "no such name");
    }

    #[test]
    fn a_servers_message_has_no_control_characters() {
        assert_eq!(one_line(" not\n \u{1b}[2J here\u{7}. "), "not \\u001b[2J here\\u0007");
        let error = std::io::Error::other("two\nlines\u{1b}[1m");
        assert_eq!(in_one_line(&error), "two; lines\\u001b[1m");
    }

    #[test]
    fn a_refused_signature_names_the_expected_region() {
        let message = "The authorization header is malformed; the region 'us-east-1' is wrong; \
                       expecting 'eu-central-1'";
        assert_eq!(expected_region(message), Some("eu-central-1"));
        assert_eq!(expected_region("something else"), None);
    }
}
