//! Texts that many records repeat, kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// The longest text that is kept. Units: bytes.
///
/// ARNs have at most 2048 characters; a user agent can be longer, and is cut.
const MAX_TEXT: usize = 2048;

/// A text of a record.
pub type Word = Arc<str>;

/// Keeps each text once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashSet<Word>,
    /// What they take, about. Units: bytes.
    pub(super) bytes: usize,
}

impl Texts {
    /// A text; none if it is empty, or too long for an id or a name.
    pub(super) fn keep(&mut self, text: Option<&str>) -> Option<Word> {
        let text = text.filter(|text| !text.is_empty() && text.len() <= MAX_TEXT)?;
        if let Some(known) = self.known.get(text) {
            return Some(Arc::clone(known));
        }
        let word: Word = text.into();
        self.bytes += text.len() + 64;
        self.known.insert(Arc::clone(&word));
        Some(word)
    }

    /// A text that is only shown, cut if it is too long.
    pub(super) fn keep_cut(&mut self, text: Option<&str>) -> Option<Word> {
        let text = text?;
        self.keep(Some(&text[..text.floor_char_boundary(MAX_TEXT)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_a_long_one_is_no_id() {
        let mut texts = Texts::default();
        let first = texts.keep(Some("AROAEXAMPLE:alice")).unwrap();
        assert!(Arc::ptr_eq(&first, &texts.keep(Some("AROAEXAMPLE:alice")).unwrap()));
        let long = "é".repeat(MAX_TEXT);
        assert_eq!(texts.keep(Some(&long)), None);
        assert_eq!(texts.keep(Some("")), None);
        assert_eq!(texts.keep_cut(Some(&long)).unwrap().len(), MAX_TEXT);
    }
}
