//! Texts of messages: numbers, and errors without the words of libraries.

use std::error::Error;

use indicatif::HumanCount;

use crate::printable::plain;

/// A number and its noun, such as `1 change` or `1,234 changes`.
pub(crate) fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", HumanCount(number))
}

/// An error in JSON, without the words of the library that reads it.
pub(crate) fn json_fault(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let said = error.to_string();
    match error.classify() {
        Category::Io => "it could not be read".to_owned(),
        Category::Eof => "it ends in the middle".to_owned(),
        Category::Syntax => "it is not JSON".to_owned(),
        Category::Data => said.split(" at line ").next().unwrap_or_default().to_owned(),
    }
}

/// An error, without the words of libraries.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref().map_or_else(|| error.to_string(), json_fault)
}

/// An error and its causes, in words.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    joined(error, in_words)
}

/// The same on one line that is safe to print.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    joined(error, |error| {
        let text = in_words(error);
        plain(&text.lines().map(str::trim).collect::<Vec<_>>().join("; ")).into_owned()
    })
}

fn joined(error: &(dyn Error + 'static), words: fn(&(dyn Error + 'static)) -> String) -> String {
    let mut said = words(error);
    let mut text = said.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = words(error);
        // Some errors of libraries repeat their cause in their own message.
        if !said.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        said = next;
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(0_u64, "change"), "0 changes");
        assert_eq!(counted(1_usize, "change"), "1 change");
        assert_eq!(counted(1_234_567_u64, "change"), "1,234,567 changes");
    }

    #[test]
    fn no_library_speaks_of_json() {
        let fault = |text: &str| json_fault(&serde_json::from_str::<Vec<u8>>(text).unwrap_err());
        assert_eq!(fault(""), "it ends in the middle");
        assert_eq!(fault("<html>"), "it is not JSON");
        assert_eq!(fault("{}"), "invalid type: map, expected a sequence");
        let error = serde_json::from_str::<u8>("x").unwrap_err();
        assert_eq!(in_words(&error), "it is not JSON");
        assert_eq!(in_words(&std::io::Error::other("no power")), "no power");
    }
}
