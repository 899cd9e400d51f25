//! The tokens with which clients of the service authenticate.
//!
//! The file has the SHA-256 of each token, never the token. Tokens are random, so their
//! hashes need no salt and reveal nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::digest::sha256_hex;
use serde::Deserialize;

use crate::config::AccessScope;
use crate::local_file;
use crate::ops::{Explain, Outcome};

/// The longest file that is read. Units: bytes.
const LONGEST: u64 = 1 << 20;
/// The most tokens of a file.
const MOST: usize = 1000;
/// What every token begins with, so that scanners for secrets recognize it.
const PREFIX: &str = "orgtrail_";
/// The longest token that is looked up.
const LONGEST_TOKEN: usize = 256;
/// The longest name.
const LONGEST_NAME: usize = 64;
/// The first line of a new file.
const HEAD: &str = "# Tokens of the service. Delete an entry to revoke its token.\n";

/// A token. It is shown once, and never logged.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What is stored of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its name.
    pub name: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// What it allows.
    pub scopes: BTreeSet<AccessScope>,
    /// From when it allows nothing.
    pub expires_at: Timestamp,
}

impl TokenEntry {
    /// How logs name the token.
    #[must_use]
    pub fn id(&self) -> &str {
        self.sha256.get(..8).unwrap_or_default()
    }
}

/// The tokens of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<TokenEntry>);

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedToken {
    /// No entry has it.
    Unknown,
    /// It has expired; this is how logs name it.
    Expired(String),
}

/// A file of tokens that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read or written.
    #[error("the file of tokens `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no file of tokens.
    #[error("the file of tokens: {0}")]
    Malformed(String),
    /// Others could add a token.
    #[error("others can change the file of tokens `{}`", path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
    },
    /// The token cannot be created as requested.
    #[error("{0}")]
    Usage(String),
    /// The machine has no random numbers.
    #[error("this machine has no random numbers")]
    NoRandomness,
}

impl Explain for TokensError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::WritableByOthers { .. } => {
                Some("remove their write permission: chmod go-w".to_owned())
            }
            Self::Malformed(_) => Some(
                "`orgtrail service token` writes the file; delete entries, and edit nothing else"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::NoRandomness => Outcome::Unexpected,
            _ => Outcome::Usage,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTokens {
    #[serde(default)]
    token: Vec<StoredToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    name: String,
    sha256: String,
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, others can change it, or it is no file of tokens.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        if local_file::is_writable_by_others(path) {
            return Err(TokensError::WritableByOthers { path: path.to_owned() });
        }
        let bytes = local_file::read(path, LONGEST)
            .map_err(|source| TokensError::File { path: path.to_owned(), source })?;
        Self::parse(&bytes)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// It is no file of tokens.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokensError> {
        let wrong = |reason: &str| TokensError::Malformed(reason.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let stored: StoredTokens = toml::from_str(text).map_err(|error| wrong(error.message()))?;
        if stored.token.len() > MOST {
            return Err(wrong(&format!("it has more than {MOST} tokens")));
        }
        let entries = stored.token.into_iter().map(|stored| {
            let StoredToken { name, sha256, scopes, expires_at } = stored;
            let is_hash = sha256.len() == 64
                && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                return Err(wrong("a `sha256` is not 64 lower-case hexadecimal digits"));
            }
            let scope = |word: &String| {
                AccessScope::ALL.iter().copied().find(|scope| scope.as_str() == word)
            };
            let known: Option<BTreeSet<_>> = scopes.iter().map(scope).collect();
            let scopes = known.ok_or_else(|| wrong(&format!("expected scopes of {}", words())))?;
            Ok(TokenEntry { name, sha256, scopes, expires_at })
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// The entry of a token. Every entry is compared, in constant time.
    ///
    /// # Errors
    /// No entry has it, or it has expired.
    pub fn find(&self, presented: &str, now: Timestamp) -> Result<&TokenEntry, RefusedToken> {
        if presented.len() > LONGEST_TOKEN {
            return Err(RefusedToken::Unknown);
        }
        let hash = sha256_hex(presented.as_bytes());
        let mut found = None;
        for entry in &self.0 {
            if verify_slices_are_equal(hash.as_bytes(), entry.sha256.as_bytes()).is_ok() {
                found = Some(entry);
            }
        }
        match found {
            None => Err(RefusedToken::Unknown),
            Some(entry) if entry.expires_at <= now => {
                Err(RefusedToken::Expired(entry.id().to_owned()))
            }
            Some(entry) => Ok(entry),
        }
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[TokenEntry] {
        &self.0
    }
}

fn words() -> String {
    AccessScope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

/// A token to create.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name, for people.
    pub name: String,
    /// What it allows.
    pub scopes: BTreeSet<AccessScope>,
    /// For how many days.
    pub days: u32,
}

/// Creates a token, and adds its hash to a file, which is created if it is missing. Entries
/// and comments of the file stay.
///
/// # Errors
/// The request is invalid, or the file cannot be read or written.
pub fn create(
    path: &Path,
    new: &NewToken,
    now: Timestamp,
) -> Result<(Token, TokenEntry), TokensError> {
    let usage = |message: String| Err(TokensError::Usage(message));
    let NewToken { name, scopes, days } = new;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.@ ".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_name) {
        return usage(format!(
            "found the name `{}`, expected 1 to {LONGEST_NAME} letters, digits, spaces and -_.@",
            name.escape_debug()
        ));
    }
    if scopes.is_empty() {
        return usage(format!("found no scope, expected some of {}", words()));
    }
    if !(1..=3660).contains(days) {
        return usage(format!("found {days} days, expected 1 to 3660"));
    }
    let file = |source| TokensError::File { path: path.to_owned(), source };
    let before = match local_file::read(path, LONGEST) {
        Ok(bytes) => {
            Tokens::read(path)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(file(error)),
    };
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| TokensError::NoRandomness)?;
    let token = Token(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(secret)));
    let expires_at = now
        .checked_add(SignedDuration::from_hours(i64::from(*days) * 24))
        .map_err(|_| TokensError::Usage(format!("{days} days from now is no time")))?;
    let entry = TokenEntry {
        name: name.clone(),
        sha256: sha256_hex(token.0.as_bytes()),
        scopes: scopes.clone(),
        // Whole seconds are easier to read.
        expires_at: Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at),
    };
    let quoted: Vec<String> = entry.scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    let line_end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let text = format!(
        "{before}{line_end}\n[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [{}]\nexpires_at = \"{}\"\n",
        entry.sha256,
        quoted.join(", "),
        entry.expires_at
    );
    if !Tokens::parse(text.as_bytes())?.0.contains(&entry) {
        return Err(TokensError::Malformed("an entry cannot be added to it".to_owned()));
    }
    local_file::replace(path, text.as_bytes()).map_err(file)?;
    Ok((token, entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-04T12:00:00Z".parse().unwrap()
    }

    fn new(name: &str, scopes: &[AccessScope], days: u32) -> NewToken {
        NewToken { name: name.to_owned(), scopes: scopes.iter().copied().collect(), days }
    }

    #[test]
    fn a_created_token_is_found_until_it_expires_and_only_its_hash_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let request = new("grafana", &[AccessScope::Metrics], 90);
        let (token, entry) = create(&path, &request, now()).unwrap();
        let (other, _) = create(&path, &new("ci", &[AccessScope::Run], 1), now()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(token.secret()) && text.starts_with(HEAD), "{text}");
        assert!(token.secret().len() > 50 && token.secret() != other.secret());
        assert!(!format!("{token:?}").contains(token.secret()));
        let tokens = Tokens::read(&path).unwrap();
        assert_eq!(tokens.entries().len(), 2);
        assert_eq!(tokens.find(token.secret(), now()), Ok(&entry));
        let last = entry.expires_at - SignedDuration::from_secs(1);
        assert_eq!(tokens.find(token.secret(), last), Ok(&entry));
        let expired = RefusedToken::Expired(entry.id().to_owned());
        assert_eq!(tokens.find(token.secret(), entry.expires_at), Err(expired));
        for wrong in ["", "x", &entry.sha256, &token.secret()[..51], &"x".repeat(1 << 20)] {
            assert_eq!(tokens.find(wrong, now()), Err(RefusedToken::Unknown), "{wrong:.80}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_file_is_for_its_owner_and_is_refused_if_others_can_change_it() {
        use std::fs;
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        create(&path, &new("a", &[AccessScope::Read], 1), now()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Tokens::read(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        let found = Tokens::read(&path);
        assert!(matches!(found, Err(TokensError::WritableByOthers { .. })), "{found:?}");
        let again = create(&path, &new("b", &[AccessScope::Read], 1), now());
        assert!(matches!(again, Err(TokensError::WritableByOthers { .. })), "{again:?}");
    }

    #[test]
    fn a_file_with_anything_unexpected_is_refused() {
        let entry = |line: &str| {
            format!(
                "[[token]]\nname = \"a\"\nsha256 = \"{}\"\nscopes = [\"read\"]\nexpires_at = \"2027-01-01T00:00:00Z\"\n{line}",
                "0".repeat(64)
            )
        };
        assert_eq!(Tokens::parse(entry("").as_bytes()).unwrap().entries().len(), 1);
        assert_eq!(Tokens::parse(b"").unwrap(), Tokens::default());
        for wrong in [
            entry("admin = true"),
            entry("").replace("read", "admin"),
            entry("").replace("000", "00g"),
            entry("").replace("00000000\"", "\""),
            entry("").replace("2027-01-01T", "tomorrow "),
            "[token]".to_owned(),
            "\u{0}".to_owned(),
        ] {
            assert!(Tokens::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Tokens::parse(&[0xff]).is_err());
    }

    #[test]
    fn a_token_needs_a_name_a_scope_and_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let read = &[AccessScope::Read];
        for (request, expected) in [
            (new("", read, 1), "expected 1 to 64"),
            (new("a\"\nb", read, 1), "expected 1 to 64"),
            (new("a", &[], 1), "expected some of read, metrics, run, evidence"),
            (new("a", read, 0), "expected 1 to 3660"),
            (new("a", read, 3661), "expected 1 to 3660"),
        ] {
            let error = create(&path, &request, now()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.outcome(), Outcome::Usage);
        }
        assert!(!path.exists());
    }

    proptest! {
        #[test]
        fn no_content_of_a_file_makes_reading_panic(bytes: Vec<u8>) {
            let _ = Tokens::parse(&bytes);
        }

        #[test]
        fn only_a_whole_token_is_found(cut in 0_usize..52, flip in 0_usize..52) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t");
            let (token, _) = create(&path, &new("a", &[AccessScope::Read], 1), now()).unwrap();
            let tokens = Tokens::read(&path).unwrap();
            let secret = token.secret();
            prop_assert!(tokens.find(&secret[..cut], now()).is_err());
            let mut other: Vec<u8> = secret.into();
            other[flip] ^= 1;
            prop_assert!(tokens.find(&String::from_utf8(other).unwrap(), now()).is_err());
        }
    }
}
