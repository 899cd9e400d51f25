//! Pages of a listing: keys in the order of their UTF-8 bytes, rolled up at a
//! delimiter.

use std::collections::BTreeMap;
use std::ops::Bound;

/// One line of a listing.
#[derive(Debug)]
pub(super) enum Line<'a, T> {
    Key(&'a str, T),
    /// All keys up to the delimiter after the prefix, rolled up.
    Prefix(String),
}

/// What a listing shows of the keys that begin with `prefix`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(prefix: Option<&'a String>, delimiter: Option<&'a String>) -> Self {
        Self {
            prefix: prefix.map_or("", String::as_str),
            delimiter: delimiter.map(String::as_str).filter(|text| !text.is_empty()),
        }
    }

    /// The rolled-up prefix that `key` falls under.
    fn rolled_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    /// Where to go on after everything that begins with `prefix`.
    fn past(prefix: &str) -> Option<String> {
        let mut chars: Vec<char> = prefix.chars().collect();
        while let Some(last) = chars.pop() {
            let next = (u32::from(last) + 1..=0x10_ffff).find_map(char::from_u32);
            if let Some(next) = next {
                chars.push(next);
                return Some(chars.into_iter().collect());
            }
        }
        None
    }

    /// Up to `most` lines after `start`, and whether there are more. Costs a
    /// search per line at most, however many keys a prefix rolls up.
    pub(super) fn page<'m, V, T>(
        &self,
        map: &'m BTreeMap<Box<str>, V>,
        start: Bound<&str>,
        most: usize,
        mut show: impl FnMut(&'m V) -> Option<T>,
    ) -> (Vec<Line<'m, T>>, bool) {
        let mut lines = Vec::new();
        let mut from: Bound<String> = match start {
            Bound::Excluded(key) if key >= self.prefix => match self.rolled_up(key) {
                // A marker inside a rolled-up prefix: the prefix was shown.
                Some(rolled) if key.starts_with(self.prefix) => match Self::past(rolled) {
                    Some(next) => Bound::Included(next),
                    None => return (lines, false),
                },
                _ => Bound::Excluded(key.to_owned()),
            },
            Bound::Included(key) if key >= self.prefix => Bound::Included(key.to_owned()),
            _ => Bound::Included(self.prefix.to_owned()),
        };
        loop {
            let range = map.range::<str, _>((as_str(&from), Bound::Unbounded));
            let mut jump = None;
            for (key, value) in range {
                if !key.starts_with(self.prefix) {
                    return (lines, false);
                }
                let rolled = self.rolled_up(key);
                if rolled.is_none() || lines.len() >= most {
                    let Some(shown) = show(value) else { continue };
                    if lines.len() >= most {
                        return (lines, true);
                    }
                    lines.push(Line::Key(key, shown));
                } else if let Some(rolled) = rolled {
                    if show(value).is_none() {
                        continue;
                    }
                    lines.push(Line::Prefix(rolled.to_owned()));
                    jump = Some(Self::past(rolled));
                    break;
                }
            }
            match jump {
                Some(Some(next)) => from = Bound::Included(next),
                Some(None) | None => return (lines, false),
            }
        }
    }
}

fn as_str(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

impl<T> Line<'_, T> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Key(key, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(keys: &std::collections::BTreeSet<String>, scope: Scope<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for key in keys.iter().filter(|key| key.starts_with(scope.prefix)) {
            let line = scope.rolled_up(key).unwrap_or(key).to_owned();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }

    proptest! {
        /// Pages of any size, put together, are the whole listing.
        #[test]
        fn pages_join_to_the_listing(
            keys in proptest::collection::btree_set("[ab/é]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of("[/b]"),
            most in 1_usize..5,
        ) {
            let map: BTreeMap<Box<str>, u8> =
                keys.iter().map(|key| (key.as_str().into(), 0)).collect();
            let scope = Scope { prefix: &prefix, delimiter: delimiter.as_deref() };
            let mut found: Vec<String> = Vec::new();
            loop {
                let start = found.last().cloned();
                let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let (lines, more) = scope.page(&map, start, most, Some);
                prop_assert!(lines.len() <= most);
                found.extend(lines.iter().map(|line| line.text().to_owned()));
                if !more {
                    break;
                }
                prop_assert_eq!(lines.len(), most);
            }
            prop_assert_eq!(found, lines_of(&keys, scope));
        }
    }
}
