use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Environment;
use crate::local_file;

/// The longest secret. Units: bytes.
const LONGEST: u64 = 64 << 10;

/// A secret, which no log, error or document contains.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret, without the line break that editors put at the end of a file.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The secret itself, for a request that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("reading the secret from `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is no text.
    #[error("the secret in `{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The environment has no such variable.
    #[error("the environment variable {variable} is not set, expected a secret")]
    NotSet {
        /// Its name.
        variable: String,
    },
    /// Nothing is in the file or variable.
    #[error("found an empty secret in {place}")]
    Empty {
        /// The file or variable.
        place: String,
    },
    /// It has characters that no header or URL can have.
    #[error("the secret in {place} has control characters or line breaks, expected one line")]
    Control {
        /// The file or variable.
        place: String,
    },
}

/// Reads the secret of a file or of an environment variable; none if neither is named.
pub(super) fn read(
    file: Option<&str>,
    variable: Option<&str>,
    environment: &Environment,
) -> Result<Option<Secret>, SecretError> {
    let (text, place) = match (file, variable) {
        (Some(file), _) => (of_file(Path::new(file))?, format!("`{file}`")),
        (None, Some(variable)) => {
            let not_set = || SecretError::NotSet { variable: variable.to_owned() };
            let text = environment.var(variable).ok_or_else(not_set)?;
            (text.to_owned(), format!("the environment variable {variable}"))
        }
        (None, None) => return Ok(None),
    };
    let secret = Secret::new(&text);
    if secret.0.is_empty() {
        return Err(SecretError::Empty { place });
    }
    if secret.0.chars().any(char::is_control) {
        return Err(SecretError::Control { place });
    }
    Ok(Some(secret))
}

fn of_file(path: &Path) -> Result<String, SecretError> {
    let bytes = local_file::read(path, LONGEST)
        .map_err(|source| SecretError::File { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|_| SecretError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        [("HOOK_KEY", "of the environment"), ("EMPTY", "\n")].into_iter().collect()
    }

    #[test]
    fn a_secret_is_read_from_a_file_or_a_variable_without_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "of the file\r\n").unwrap();
        let path = path.to_str();
        let read = |file, variable| read(file, variable, &environment()).unwrap();
        assert_eq!(read(path, None).unwrap().expose(), "of the file");
        assert_eq!(read(None, Some("HOOK_KEY")).unwrap().expose(), "of the environment");
        assert_eq!(read(None, None), None);
    }

    #[test]
    fn a_missing_empty_or_broken_secret_is_an_error_that_names_its_place_and_not_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let message = |file, variable| {
            let error = read(file, variable, &environment()).unwrap_err();
            crate::words::in_one_line(&error)
        };
        let file = path.to_str();
        assert!(message(file, None).contains("reading the secret from"), "{}", message(file, None));
        std::fs::write(&path, "two\nlines").unwrap();
        let found = message(file, None);
        assert!(found.contains("expected one line") && !found.contains("two"), "{found}");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(message(file, None).contains("not UTF-8"));
        assert!(message(None, Some("MISSING")).contains("MISSING is not set"));
        assert!(message(None, Some("EMPTY")).contains("empty secret"));
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        assert_eq!(format!("{:?}", Some(Secret::new("hidden"))), "Some(Secret(…))");
    }
}
