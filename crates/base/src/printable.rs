//! Escapes untrusted text, so that it cannot act on a terminal.
//!
//! Names of objects, trails and accounts, and messages of servers, can have control
//! characters and such that reorder or hide text. They are written as JSON writes them
//! (`\u001b`), so that a JSON document stays one.

use std::borrow::Cow;
use std::fmt::Write as _;

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text of one line: line breaks are escaped too.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// A text of several lines, which may have tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    // A fast path: nearly all texts are printable ASCII.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut units = [0; 2];
    for c in text.chars() {
        match c {
            c if !is_escaped(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c => {
                for unit in c.encode_utf16(&mut units) {
                    // Writing to a string cannot fail.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", "a\\u001b[2Jb"),
            ("a\u{9b}31mb", "a\\u009b31mb"),
            ("a\u{202e}b", "a\\u202eb"),
            ("a\u{e0041}b", "a\\udb40\\udc41b"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("plain: ü", "plain: ü"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(lines("a\n\tb\r\u{7f}"), "a\n\tb\\r\\u007f");
    }

    proptest! {
        #[test]
        fn a_document_of_json_stays_the_same_document(name in any::<String>()) {
            let document = serde_json::json!({ &name: [&name] });
            let printed = serde_json::to_string_pretty(&document).unwrap();
            let shown = lines(&printed);
            prop_assert!(!shown.chars().any(|c| is_hidden(c) && c != '\n'));
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(read, document);
        }
    }
}
