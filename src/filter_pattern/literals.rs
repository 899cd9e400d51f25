use super::{Expression, FilterPattern, Literal, Operator, Segment, Test, number};

/// The shortest text that is worth looking for. Units: bytes.
const SHORTEST: usize = 3;

impl FilterPattern {
    /// Texts to look for in the text of an event before it is parsed: an event that matches
    /// contains one of each set, unless it writes letters as escapes (`\u00…`).
    #[must_use]
    pub fn literals(&self) -> Vec<Vec<String>> {
        clauses(&self.0)
    }
}

fn clauses(expression: &Expression) -> Vec<Vec<String>> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(clauses).collect(),
        Expression::Any(parts) => {
            let one_of_each = parts
                .iter()
                .map(|part| clauses(part).into_iter().max_by_key(|clause| weight(clause)));
            one_of_each.collect::<Option<Vec<_>>>().map(|all| all.concat()).into_iter().collect()
        }
        Expression::Property(path, test) => of_property(path, test),
    }
}

/// A set is as good as its shortest text.
fn weight(clause: &[String]) -> usize {
    clause.iter().map(String::len).min().unwrap_or_default()
}

fn of_property(path: &[Segment], test: &Test) -> Vec<Vec<String>> {
    if *test == Test::NotExists {
        return Vec::new();
    }
    // What is compared exists.
    let keys = path.iter().filter_map(|segment| match segment {
        Segment::Key(key) => longest_run(key),
        Segment::Index(_) => None,
    });
    let value = match test {
        Test::Compare(Operator::Equal, Literal::Quoted(word)) => of_text(word),
        Test::Compare(Operator::Equal, Literal::Bare(word)) if number(word).is_none() => {
            of_text(word)
        }
        _ => None,
    };
    keys.max_by_key(String::len).into_iter().chain(value).map(|text| vec![text]).collect()
}

fn of_text(text: &str) -> Option<String> {
    text.split('*').filter_map(longest_run).max_by_key(String::len)
}

/// The longest part of a text that JSON does not escape.
fn longest_run(text: &str) -> Option<String> {
    let is_escaped = |c: char| !(c.is_ascii_alphanumeric() || " .:-_@+,".contains(c));
    let longest = text.split(is_escaped).max_by_key(|run| run.len())?;
    (longest.len() >= SHORTEST).then(|| longest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_a_pattern_are_those_that_each_match_contains() {
        for (pattern, wanted) in [
            ("{ $.eventName = StopLogging }", "eventName StopLogging"),
            ("{ $.eventName = \"Stop*\" }", "eventName Stop"),
            ("{ $.eventName != StopLogging }", "eventName"),
            ("{ $.x = 12 }", ""),
            ("{ $.errorCode NOT EXISTS }", ""),
            (
                "{ ($.eventName = DeleteTrail) || ($.eventName = StopLogging) }",
                "DeleteTrail|StopLogging",
            ),
            ("{ ($.eventName = DeleteTrail) || ($.x = 1) }", ""),
            ("{ $.a.userAgent = \"a/bcd\" && $.b = y }", "userAgent bcd"),
        ] {
            let pattern: FilterPattern = pattern.parse().unwrap();
            let found: Vec<_> = pattern.literals().iter().map(|one| one.join("|")).collect();
            assert_eq!(found.join(" "), wanted, "{pattern:?}");
        }
    }
}
