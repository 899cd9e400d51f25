use serde::{Deserialize, Serialize};

use super::NameError;

/// A twelve-digit AWS account id.
///
/// Shape: exactly twelve ASCII digits; leading zeros count, so it is never a
/// number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Box<str>);

super::string_name!(AccountId, "^[0-9]{12}$");

impl AccountId {
    fn check(found: &str) -> Result<(), NameError> {
        if found.len() == 12 && found.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        Err(NameError::new("an account id", found, "twelve digits, as in `111122223333`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_are_an_account_id() {
        assert_eq!("012345678901".parse::<AccountId>().unwrap().as_str(), "012345678901");
    }

    #[test]
    fn anything_else_is_refused_with_what_was_found() {
        for found in
            ["", "11111111111", "1111111111111", "11111111111a", "１１１１１１１１１１１１"]
        {
            assert_eq!(found.parse::<AccountId>().unwrap_err().found, found);
        }
    }
}
