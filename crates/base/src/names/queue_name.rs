use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a standard SQS queue.
///
/// Shape: 1 to 80 letters, digits, hyphens and underscores. FIFO queues are refused: rules of
/// `EventBridge` would need message groups for them.
/// Source: SQS `CreateQueue`, `QueueName`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(Box<str>);

super::string_name!(QueueName, "^[A-Za-z0-9_-]{1,80}$");

impl QueueName {
    fn check(found: &str) -> Result<(), NameError> {
        let fits = (1..=80).contains(&found.len())
            && found.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        fits.then_some(()).ok_or_else(|| {
            NameError::new(
                "a queue name",
                found,
                "1 to 80 letters, digits, hyphens and underscores, not a FIFO queue",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_names_follow_their_pattern() {
        assert!("new-accounts_1".parse::<QueueName>().is_ok());
        for found in ["", "orders.fifo", "a b", &"q".repeat(81)] {
            assert!(found.parse::<QueueName>().is_err(), "{found}");
        }
    }
}
