//! Results as people and programs read them: pure rendering, no effects.

pub mod contract;
pub mod drift;
pub mod verification;

/// What is wrong with JSON, without the words of the library that reads it.
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

/// What an error says, without the words of the libraries below.
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    error.downcast_ref().map_or_else(|| error.to_string(), json_fault)
}

#[cfg(test)]
mod tests {
    use super::*;

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
