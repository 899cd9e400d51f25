//! Patterns with wildcards and policy variables.

use std::borrow::Cow;

/// Stands for `*` in a compiled pattern, so that what a variable brings in
/// stays literal.
const STAR: u8 = 0x01;
/// Stands for `?`.
const ONE: u8 = 0x02;

/// A string of a policy in which `*` and `?` match and `${key}` is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Variable { key: String, default: Option<String> },
}

impl Pattern {
    /// Compiles a pattern; `variables` is false for policies of before 2012,
    /// which know none.
    pub(super) fn new(text: &str, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${").filter(|_| variables) {
            let Some(length) = rest[start..].find('}') else { break };
            pieces.push(Piece::Text(with_wildcards(&rest[..start])));
            let inner = &rest[start + 2..start + length];
            pieces.push(match inner {
                "*" | "?" | "$" => Piece::Text(inner.as_bytes().to_vec()),
                _ => {
                    let (key, default) = inner.split_once(',').map_or((inner, None), |(k, d)| {
                        (k, Some(d.trim().trim_matches('\'').to_owned()))
                    });
                    Piece::Variable { key: key.trim().to_ascii_lowercase(), default }
                }
            });
            rest = &rest[start + length + 1..];
        }
        pieces.push(Piece::Text(with_wildcards(rest)));
        Self(pieces)
    }

    /// Compiles a text in which only variables have a meaning.
    pub(super) fn new_literal(text: &str, variables: bool) -> Self {
        let Self(mut pieces) = Self::new(text, variables);
        for piece in &mut pieces {
            if let Piece::Text(text) = piece {
                for byte in text {
                    *byte = match *byte {
                        STAR => b'*',
                        ONE => b'?',
                        other => other,
                    };
                }
            }
        }
        Self(pieces)
    }

    /// The pattern with its variables replaced; `None` where one has no value,
    /// and so nothing matches.
    pub(super) fn expand<'a>(
        &'a self,
        value_of: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Cow<'a, [u8]>> {
        if let [Piece::Text(text)] = self.0.as_slice() {
            return Some(Cow::Borrowed(text));
        }
        let mut expanded = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => expanded.extend_from_slice(text),
                Piece::Variable { key, default } => {
                    let value = value_of(key).or_else(|| default.clone())?;
                    expanded.extend_from_slice(value.as_bytes());
                }
            }
        }
        Some(Cow::Owned(expanded))
    }
}

fn with_wildcards(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| match byte {
            b'*' => STAR,
            b'?' => ONE,
            other => other,
        })
        .collect()
}

/// Whether `text` matches a compiled pattern.
pub(super) fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let same = |a: u8, b: u8| a == b || (ignore_case && a.eq_ignore_ascii_case(&b));
    let (mut at, mut from) = (0, 0);
    // Where the last star stood, and how much of the text it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(&STAR) => {
                star = Some((at, from));
                at += 1;
            }
            Some(&ONE) => {
                at += 1;
                from += 1;
            }
            Some(&byte) if same(byte, text[from]) => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((star_at, eaten)) => {
                    *eaten += 1;
                    at = *star_at + 1;
                    from = *eaten;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == STAR)
}

/// The same for ARNs: no wildcard reaches over the first five colons.
pub(super) fn matches_arn(pattern: &[u8], arn: &str) -> bool {
    if pattern == [STAR] {
        return true;
    }
    let mut expected = pattern.splitn(6, |byte| *byte == b':');
    let mut found = arn.as_bytes().splitn(6, |byte| *byte == b':');
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(expected), Some(found)) if matches(expected, found, false) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern: &str, text: &str) -> bool {
        matches(&Pattern::new(pattern, true).expand(&|_| None).unwrap(), text.as_bytes(), false)
    }

    fn arn_like(pattern: &str, text: &str) -> bool {
        matches_arn(&Pattern::new(pattern, true).expand(&|_| None).unwrap(), text)
    }

    #[test]
    fn stars_match_any_run_and_question_marks_one_character() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c*", "abcb", true),
            ("a*c", "abbbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*aab", "aaaab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn wildcards_of_arns_stay_between_their_colons() {
        assert!(arn_like("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c"));
        assert!(arn_like("arn:*:iam::*:role/x", "arn:aws-cn:iam::111111111111:role/x"));
        assert!(!arn_like("arn:*:role/x", "arn:aws:iam::111111111111:role/x"));
        assert!(!arn_like("arn:aws:s3*", "arn:aws:s3:::b"));
        assert!(arn_like("*", "arn:aws:s3:::b"));
    }

    #[test]
    fn variables_bring_in_text_that_does_not_match_as_a_pattern() {
        let pattern = Pattern::new("home/${aws:username}/*", true);
        let named = |name: &'static str| move |_: &str| Some(name.to_owned());
        let expanded = pattern.expand(&named("a*")).unwrap().into_owned();
        assert!(matches(&expanded, b"home/a*/x", false));
        assert!(!matches(&expanded, b"home/ab/x", false));
        assert_eq!(pattern.expand(&|_| None), None);
        let defaulted = Pattern::new("${aws:username, 'nobody'}${*}", true);
        assert_eq!(defaulted.expand(&|_| None).unwrap().as_ref(), b"nobody*");
        let old = Pattern::new("${aws:username}", false);
        assert_eq!(old.expand(&|_| None).unwrap().as_ref(), b"${aws:username}");
    }
}
