use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a standard SNS topic.
///
/// Shape: 1 to 256 letters, digits, hyphens and underscores. CloudTrail does
/// not deliver to FIFO topics, so `.fifo` is refused.
/// Source: SNS `CreateTopic`, `Name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Box<str>);

super::string_name!(TopicName, "^[A-Za-z0-9_-]{1,256}$");

impl Default for TopicName {
    fn default() -> Self {
        Self("orgtrail".into())
    }
}

impl TopicName {
    /// The topic of the alarms, where none is named.
    pub fn alarms() -> Self {
        Self("orgtrail-alarms".into())
    }

    fn check(found: &str) -> Result<(), NameError> {
        let holds = (1..=256).contains(&found.len())
            && found.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        holds.then_some(()).ok_or_else(|| {
            NameError::new(
                "a topic name",
                found,
                "1 to 256 letters, digits, hyphens and underscores, not a FIFO topic",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_their_pattern() {
        assert_eq!("orgtrail".parse(), Ok(TopicName::default()));
        for found in ["", "orders.fifo", "a b", &"t".repeat(257)] {
            assert!(found.parse::<TopicName>().is_err(), "{found}");
        }
    }
}
