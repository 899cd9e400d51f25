//! Splitting the text of a log file into its records, piece by piece.
//!
//! A log file is `{"Records": [{…}, …]}`; an array of records alone is taken too. Memory is
//! bounded by the longest record, however long the file.
//!
//! Source: CloudTrail User Guide, "CloudTrail log file examples".

use memchr::{memchr2, memchr3};

/// The longest record that is read. Units: bytes.
///
/// CloudTrail's records have at most 1 MB.
///
/// Source: CloudTrail User Guide, "Quotas", event size; larger fields are truncated.
pub const MAX_RECORD: usize = 2 << 20;
/// The longest name of a member beside `Records` that is compared. Units: bytes.
const MAX_NAME: usize = 64;
const RECORDS: &[u8] = b"Records";

/// Why a text is not a log file, or a record was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It begins with neither an object nor an array, or breaks JSON's grammar.
    #[error("not a log file: unexpected {found:?} at byte {at}, expected {expected}")]
    Unexpected {
        /// The byte, as a character.
        found: char,
        /// Where. Units: bytes from the start of the text.
        at: u64,
        /// What could stand there.
        expected: &'static str,
    },
    /// It ends before its last bracket.
    #[error("the log file ends within its records, after {at} bytes")]
    Truncated {
        /// Its length. Units: bytes.
        at: u64,
    },
    /// It has no array of records.
    #[error("the file has no member `Records`")]
    NoRecords,
}

/// Splits a text that arrives in pieces into its records.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// Whether the array is within an object.
    in_object: bool,
    has_records: bool,
    /// How much was read before the current piece. Units: bytes.
    before: u64,
    /// Brackets open within the value, and whether a string is.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The name of the current member of the object.
    name: Vec<u8>,
    /// The beginning of a record that an earlier piece contained.
    carried: Vec<u8>,
    /// Records that were left out because they are too long.
    too_long: u64,
    /// Whether the current record is.
    skips: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Before a member's name, or the end of the object.
    BeforeName,
    InName,
    AfterName,
    BeforeValue,
    /// In a value of another member.
    InValue,
    AfterValue,
    /// Before a record, or the end of the array.
    BeforeRecord,
    InRecord,
    AfterRecord,
    /// After the end.
    End,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            state: State::Start,
            in_object: false,
            has_records: false,
            before: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            carried: Vec::new(),
            too_long: 0,
            skips: false,
        }
    }
}

impl Splitter {
    /// Reads the next piece, and gives each record that ends in it to `sink`, as its bytes.
    ///
    /// # Errors
    /// The text is not a log file. The records before were given.
    pub fn push(&mut self, piece: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), SplitError> {
        let mut at = 0;
        while at < piece.len() {
            if self.state == State::InRecord {
                at = self.in_record(piece, at, &mut sink);
                continue;
            }
            let byte = piece[at];
            if self.state == State::InName || self.state == State::InValue {
                self.skip(byte);
                at += 1;
                continue;
            }
            at += 1;
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                continue;
            }
            self.structural(byte, at)?;
            if self.state == State::InRecord {
                at -= 1;
            }
        }
        self.before += piece.len() as u64;
        Ok(())
    }

    /// Takes a byte outside of records and strings.
    fn structural(&mut self, byte: u8, after: usize) -> Result<(), SplitError> {
        let unexpected = |expected| SplitError::Unexpected {
            found: char::from(byte),
            at: self.before + after as u64 - 1,
            expected,
        };
        self.state = match (self.state, byte) {
            (State::Start, b'{') => {
                self.in_object = true;
                State::BeforeName
            }
            // A byte order mark.
            (State::Start, 0xef | 0xbb | 0xbf) => State::Start,
            (State::Start, b'[') => {
                self.has_records = true;
                State::BeforeRecord
            }
            (State::Start, _) => return Err(unexpected("`{\"Records\":[…]}`")),
            (State::BeforeName, b'"') => {
                self.name.clear();
                self.escaped = false;
                State::InName
            }
            (State::BeforeName | State::AfterValue, b'}') => State::End,
            (State::BeforeName, _) => return Err(unexpected("the name of a member")),
            (State::AfterName, b':') => State::BeforeValue,
            (State::AfterName, _) => return Err(unexpected("a colon")),
            (State::BeforeValue, b'[') if self.name == RECORDS => {
                self.has_records = true;
                State::BeforeRecord
            }
            (State::BeforeValue, b'{' | b'[') => {
                self.depth = 1;
                self.in_string = false;
                State::InValue
            }
            (State::BeforeValue, b'"') => {
                self.depth = 0;
                self.in_string = true;
                self.escaped = false;
                State::InValue
            }
            // A number or a word.
            (State::BeforeValue, b'-' | b'0'..=b'9' | b'a'..=b'z') => State::AfterValue,
            (State::BeforeValue, _) => return Err(unexpected("a value")),
            (State::AfterValue, b',') => State::BeforeName,
            (State::AfterValue, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') => {
                State::AfterValue
            }
            (State::BeforeRecord, b'{') => {
                self.depth = 0;
                self.in_string = false;
                self.escaped = false;
                self.skips = false;
                self.carried.clear();
                State::InRecord
            }
            (State::BeforeRecord | State::AfterRecord, b']') if self.in_object => State::AfterValue,
            (State::BeforeRecord | State::AfterRecord, b']') => State::End,
            (State::BeforeRecord, _) => return Err(unexpected("a record, which is an object")),
            (State::AfterRecord, b',') => State::BeforeRecord,
            (State::AfterValue | State::AfterRecord, _) => return Err(unexpected("a comma")),
            (State::End, _) => return Err(unexpected("the end")),
            // These are not read byte by byte here.
            (State::InName | State::InValue | State::InRecord, _) => self.state,
        };
        Ok(())
    }

    /// Takes a byte of a name, or of a value that is not the array of records.
    fn skip(&mut self, byte: u8) {
        if self.state == State::InName {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.state = State::AfterName;
                    return;
                }
                _ => {}
            }
            if self.name.len() < MAX_NAME {
                self.name.push(byte);
            }
            return;
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if self.depth == 0 && !self.in_string {
            self.state = State::AfterValue;
        }
    }

    /// Reads a record from `from` on, and returns where it stopped.
    fn in_record(&mut self, piece: &[u8], from: usize, sink: &mut impl FnMut(&[u8])) -> usize {
        let mut at = from;
        if self.escaped && at < piece.len() {
            self.escaped = false;
            at += 1;
        }
        loop {
            let rest = &piece[at..];
            if self.in_string {
                let Some(found) = memchr2(b'"', b'\\', rest) else { break };
                at += found + 1;
                if rest[found] == b'"' {
                    self.in_string = false;
                } else if at < piece.len() {
                    at += 1;
                } else {
                    self.escaped = true;
                    break;
                }
                continue;
            }
            // Arrays need no counting: no object ends within one that began before it.
            let Some(found) = memchr3(b'"', b'{', b'}', rest) else { break };
            at += found + 1;
            match rest[found] {
                b'"' => self.in_string = true,
                b'{' => self.depth += 1,
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.end_record(&piece[from..at], sink);
                        return at;
                    }
                }
            }
        }
        self.carry(&piece[from..]);
        piece.len()
    }

    fn end_record(&mut self, end: &[u8], sink: &mut impl FnMut(&[u8])) {
        self.state = State::AfterRecord;
        if self.skips || self.carried.len() + end.len() > MAX_RECORD {
            self.too_long += 1;
        } else if self.carried.is_empty() {
            sink(end);
        } else {
            self.carried.extend_from_slice(end);
            sink(&self.carried);
        }
        self.carried.clear();
        self.skips = false;
    }

    fn carry(&mut self, part: &[u8]) {
        if self.skips || self.carried.len() + part.len() > MAX_RECORD {
            self.skips = true;
            self.carried = Vec::new();
        } else {
            self.carried.extend_from_slice(part);
        }
    }

    /// The records that were left out so far because they are longer than [`MAX_RECORD`].
    #[must_use]
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// Ends the text.
    ///
    /// # Errors
    /// It is cut, or has no records.
    pub fn finish(self) -> Result<(), SplitError> {
        match self.state {
            State::End if self.has_records => Ok(()),
            State::End => Err(SplitError::NoRecords),
            _ => Err(SplitError::Truncated { at: self.before }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn split(text: &[u8], pieces: usize) -> (Vec<String>, Result<(), SplitError>) {
        let mut splitter = Splitter::default();
        let mut records = Vec::new();
        for piece in text.chunks(pieces.max(1)) {
            let pushed = splitter.push(piece, |record| {
                records.push(String::from_utf8_lossy(record).into_owned());
            });
            if let Err(error) = pushed {
                return (records, Err(error));
            }
        }
        (records, splitter.finish())
    }

    #[test]
    fn an_array_alone_and_other_members_are_taken() {
        for text in [
            r#"[{"a":1},{"a":2}]"#,
            r#" { "x" : {"Records":[9]}, "y":"}\"]", "z":-1.5e3, "n":null, "Records" : [ {"a":1} , {"a":2} ] , "t":true } "#,
        ] {
            for pieces in 1..text.len() {
                let (records, ended) = split(text.as_bytes(), pieces);
                assert_eq!(records, [r#"{"a":1}"#, r#"{"a":2}"#], "{text} by {pieces}");
                assert_eq!(ended, Ok(()));
            }
        }
    }

    #[test]
    fn what_is_no_log_file_is_refused() {
        for (text, message) in [
            ("<xml>", "unexpected '<' at byte 0"),
            (r#"{"Records":[1]}"#, "unexpected '1' at byte 12"),
            (r#"{"Records":[{}],"#, "ends within its records, after 16 bytes"),
            (r#"{"Records":[{"a":"}"#, "ends within its records"),
            (r#"{"Events":[{}]}"#, "no member `Records`"),
            (r#"{"Records":[{}]}{"#, "unexpected '{' at byte 16"),
            ("", "ends within its records, after 0 bytes"),
        ] {
            let (_, ended) = split(text.as_bytes(), 64);
            let error = ended.unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_counted_and_left_out() {
        let long = "x".repeat(MAX_RECORD);
        let text = format!(r#"{{"Records":[{{"a":1}},{{"b":"{long}"}},{{"c":3}}]}}"#);
        for pieces in [1 << 10, text.len()] {
            let mut splitter = Splitter::default();
            let mut records = Vec::new();
            for piece in text.as_bytes().chunks(pieces) {
                splitter.push(piece, |record| records.push(record.to_vec())).unwrap();
            }
            assert_eq!(records, [br#"{"a":1}"#, br#"{"c":3}"#]);
            assert_eq!(splitter.too_long(), 1);
            assert_eq!(splitter.finish(), Ok(()));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: \u{e9}\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z\"\\\\{}]{0,6}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_record_comes_out_as_it_was_however_the_text_is_cut(
            records in prop::collection::vec(prop::collection::vec(("[a-z]{1,4}", value()), 0..4), 0..5),
            beside in value(),
            pieces in 1_usize..200,
            pretty in any::<bool>(),
        ) {
            let records: Vec<Value> =
                records.into_iter().map(|all| Value::Object(all.into_iter().collect())).collect();
            let file = json!({ "A": beside, "Records": records, "Z": beside });
            let text = if pretty {
                serde_json::to_vec_pretty(&file).unwrap()
            } else {
                serde_json::to_vec(&file).unwrap()
            };
            let (found, ended) = split(&text, pieces);
            prop_assert_eq!(ended, Ok(()));
            let found: Vec<Value> =
                found.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
            prop_assert_eq!(found, records);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'{'), Just(b'}'), Just(b'"'), Just(b'['), Just(b'\\')], 0..300),
            pieces in 1_usize..50,
            headed in any::<bool>(),
        ) {
            let mut text = if headed { br#"{"Records":["#.to_vec() } else { Vec::new() };
            text.extend(bytes);
            let (whole, ended) = split(&text, text.len());
            prop_assert_eq!(split(&text, pieces), (whole, ended));
        }
    }
}
