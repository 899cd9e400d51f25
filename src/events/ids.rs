//! Looking for events by their ids.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::files::LogFile;
use super::read::{Look, Malformed};

const MEMBER: &[u8] = b"\"eventID\"";
/// The longest id that is compared. Units: bytes.
const LONGEST: usize = 128;

/// Finds which of some ids occur.
#[derive(Debug)]
pub struct Ids {
    wanted: HashSet<String>,
    member: Finder<'static>,
}

impl Ids {
    /// A search for these ids.
    #[must_use]
    pub fn new(wanted: HashSet<String>) -> Self {
        Self { wanted, member: Finder::new(MEMBER) }
    }
}

impl Look for Ids {
    type Found = String;

    fn record(
        &self,
        _: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<String>,
    ) -> Result<(), Malformed> {
        for at in self.member.find_iter(raw) {
            let rest = raw.get(at + MEMBER.len()..).unwrap_or_default().trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b":") else { continue };
            let Some(rest) = rest.trim_ascii_start().strip_prefix(b"\"") else { continue };
            let Some(end) = rest.iter().take(LONGEST).position(|byte| *byte == b'"') else {
                continue;
            };
            let id = std::str::from_utf8(&rest[..end]).map_err(|_| Malformed)?;
            if self.wanted.contains(id) {
                found.push(id.to_owned());
            }
        }
        Ok(())
    }

    fn weight(found: &String) -> usize {
        found.len() + size_of::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_ids_are_found() {
        let wanted = ["a-1", "b-2"].map(str::to_owned).into();
        let (ids, mut found) = (Ids::new(wanted), Vec::new());
        let file = Arc::new(LogFile { key: String::new(), size_bytes: 0, parsed: None });
        for raw in [
            r#"{"eventID":"a-1","x":1}"#,
            "{ \"eventID\" : \"b-2\" }",
            r#"{"eventID":"c-3"}"#,
            r#"{"x":"\"eventID\":\"a-1\"","eventID":7}"#,
            r#"{"eventID":""#,
        ] {
            ids.record(&file, raw.as_bytes(), &mut found).unwrap();
        }
        assert_eq!(found, ["a-1", "b-2"]);
    }
}
