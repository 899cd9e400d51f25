use std::collections::BTreeSet;

use super::meaning::{Element, Parts, Test, atoms, has_variables};
use super::{Effect, PolicyDocument};

/// Whether `after` forbids less than `before` does, or could: what is not known
/// to be forbidden still counts as lost.
///
/// A deny is kept where the same denies say it, in whatever statements, or where
/// one of them forbids at least as much: of more callers, calls or resources,
/// under fewer or wider conditions.
#[must_use]
pub fn forbids_less(before: &PolicyDocument, after: &PolicyDocument) -> bool {
    let denies = |document: &PolicyDocument| {
        let mut statements = document.statements.clone();
        statements.retain(|statement| statement.effect == Effect::Deny);
        statements
    };
    let (before_denies, after_denies) = (denies(before), denies(after));
    if before.version != after.version && before_denies.iter().any(has_variables) {
        return true;
    }
    let said = atoms(&after_denies);
    let parts: Vec<Parts> = after_denies.iter().map(Parts::of).collect();
    before_denies.iter().any(|deny| {
        let lost = Parts::of(deny);
        !parts.iter().any(|kept| covers(kept, &lost)) && !atoms([deny]).is_subset(&said)
    })
}

/// Whether one deny forbids all that another does.
fn covers(wide: &Parts, narrow: &Parts) -> bool {
    let is_principal = |wide: &str, narrow: &str| wide == narrow || wide == "AWS *";
    element_covers(&wide.principal, &narrow.principal, is_principal)
        && element_covers(&wide.action, &narrow.action, pattern_covers)
        && element_covers(&wide.resource, &narrow.resource, arn_covers)
        // All tests must hold: each of the wide one follows from one of the other.
        && wide.condition.iter().all(|wide| narrow.condition.iter().any(|it| follows(wide, it)))
}

fn element_covers(wide: &Element, narrow: &Element, covers: impl Fn(&str, &str) -> bool) -> bool {
    match (wide, narrow) {
        (Element::Missing, Element::Missing) => true,
        (Element::AnyOf(wide), Element::AnyOf(narrow)) => all_covered(wide, narrow, covers),
        // `*` says all that can be said.
        (Element::AnyOf(wide), Element::NoneOf(_)) => wide.iter().any(|wide| covers(wide, "*")),
        (Element::NoneOf(wide), Element::NoneOf(narrow)) => wide.is_subset(narrow),
        _ => false,
    }
}

fn all_covered(
    wide: &BTreeSet<String>,
    narrow: &BTreeSet<String>,
    covers: impl Fn(&str, &str) -> bool,
) -> bool {
    narrow.iter().all(|value| wide.iter().any(|wide| covers(wide, value)))
}

/// Whether a condition is met whenever another one is.
fn follows(wide: &Test, narrow: &Test) -> bool {
    let (operator, if_exists) = without_if_exists(&narrow.operator);
    let (wide_operator, wide_if_exists) = without_if_exists(&wide.operator);
    if wide.key != narrow.key || wide_operator != operator || (if_exists && !wide_if_exists) {
        return false;
    }
    if wide.values == narrow.values {
        return true;
    }
    let numbers = |values: &BTreeSet<String>| -> Option<Vec<f64>> {
        values.iter().map(|value| value.parse().ok().filter(|n: &f64| n.is_finite())).collect()
    };
    // Of several values one suffices: the largest bound from above, the smallest
    // from below.
    let bounds = |pick: fn(f64, f64) -> f64| -> Option<(f64, f64)> {
        let bound = |values| numbers(values)?.into_iter().reduce(pick);
        Some((bound(&wide.values)?, bound(&narrow.values)?))
    };
    let name = operator.rsplit(':').next().unwrap_or(operator);
    match name {
        "numericlessthan" | "numericlessthanequals" => {
            bounds(f64::max).is_some_and(|(wide, narrow)| wide >= narrow)
        }
        "numericgreaterthan" | "numericgreaterthanequals" => {
            bounds(f64::min).is_some_and(|(wide, narrow)| wide <= narrow)
        }
        "stringlike" => all_covered(&wide.values, &narrow.values, pattern_covers),
        "arnlike" | "arnequals" => all_covered(&wide.values, &narrow.values, arn_covers),
        "stringequals"
        | "stringequalsignorecase"
        | "bool"
        | "ipaddress"
        | "numericequals"
        | "dateequals"
        | "binaryequals" => narrow.values.is_subset(&wide.values),
        // Each value is an exception: fewer of them leave more forbidden.
        "stringnotequals"
        | "stringnotequalsignorecase"
        | "stringnotlike"
        | "arnnotequals"
        | "arnnotlike"
        | "notipaddress"
        | "numericnotequals"
        | "datenotequals" => wide.values.is_subset(&narrow.values),
        _ => false,
    }
}

fn without_if_exists(operator: &str) -> (&str, bool) {
    match operator.strip_suffix("ifexists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    }
}

/// How a variable begins, which stands for any text.
const VARIABLE: &str = "${";

/// Whether an ARN's pattern matches all that another one matches. What stands
/// between two colons is compared by itself: a `*` does not reach beyond them.
fn arn_covers(wide: &str, narrow: &str) -> bool {
    let [wide_fields, narrow_fields] =
        [wide, narrow].map(|arn| arn.splitn(6, ':').collect::<Vec<_>>());
    wide == "*"
        || wide == narrow
        || (!narrow.contains(VARIABLE)
            && wide_fields.len() == narrow_fields.len()
            && wide_fields
                .iter()
                .zip(narrow_fields)
                .all(|(wide, field)| pattern_covers(wide, field)))
}

/// Whether a pattern of `*` and `?` matches all that another one matches. True only
/// in plain cases, which is always sound.
fn pattern_covers(wide: &str, narrow: &str) -> bool {
    if narrow.contains(VARIABLE) {
        return wide == "*" || wide == narrow;
    }
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let (mut at, mut found) = (0, 0);
    // The last `*` and where what it took ends, to let it take more.
    let mut star = None;
    while let Some(&next) = narrow.get(found) {
        match wide.get(at) {
            Some('*') => {
                star = Some((at, found));
                at += 1;
            }
            // A `?` of ours is one character: not the many that a `*` stands for.
            Some('?') if next != '*' => (at, found) = (at + 1, found + 1),
            Some(&same) if same == next && same != '?' => (at, found) = (at + 1, found + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, found) = (star_at + 1, taken + 1);
            }
        }
    }
    wide.iter().skip(at).all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Statement;

    fn deny() -> Statement {
        Statement::deny("OrgTrailGuard").anyone().actions(["s3:Put*"]).resources(["arn:aws:s3:::b"])
    }

    fn less<'s>(
        before: impl IntoIterator<Item = &'s Statement>,
        after: impl IntoIterator<Item = &'s Statement>,
    ) -> bool {
        forbids_less(
            &PolicyDocument::new(before.into_iter().cloned().collect()),
            &PolicyDocument::new(after.into_iter().cloned().collect()),
        )
    }

    #[test]
    fn a_deny_that_holds_as_much_or_more_is_not_lost() {
        let tls = |floor: &str| deny().when("NumericLessThan", "s3:TlsVersion", [floor]);
        let but =
            |roles: &[&str]| deny().when("ArnNotLike", "aws:PrincipalArn", roles.iter().copied());
        let age = |age: &str| deny().when("NumericGreaterThan", "aws:MultiFactorAuthAge", [age]);
        let mfa = |operator: &str| deny().when(operator, "aws:MultiFactorAuthPresent", ["false"]);
        let mut renamed = deny();
        renamed.sid = None;
        for (strict, lax) in [
            (deny().actions(["s3:*"]), deny()),
            (deny().actions(["s3:put*", "s3:get*"]), deny()),
            (deny().resources(["*"]), deny()),
            (deny().resources(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]), deny()),
            (deny(), deny().principals(["111122223333"])),
            (deny(), tls("1.3")),
            (tls("1.3"), tls("1.2")),
            (age("60"), age("3600")),
            (but(&["a"]), but(&["a", "b"])),
            (mfa("BoolIfExists"), mfa("Bool")),
        ] {
            assert!(!less([&lax], [&strict]), "{lax:?} → {strict:?}");
            assert!(less([&strict], [&lax]), "{strict:?} → {lax:?}");
        }
        assert!(!less([&deny()], [&renamed]), "names mean nothing");
        assert!(!less([&Statement::allow("A").anyone().actions(["s3:*"])], []));
        assert!(less([&deny()], []));
    }

    #[test]
    fn the_same_denies_in_other_statements_are_not_lost() {
        let both = deny().actions(["s3:Put*", "s3:Delete*"]);
        let apart = [deny(), deny().actions(["s3:delete*"])];
        assert!(!less([&both], &apart));
        assert!(!less(&apart, [&both]));
        assert!(less([&both], &apart[..1]));
    }

    #[test]
    fn what_cannot_be_told_counts_as_lost() {
        let mut all_but = deny();
        all_but.not_action = std::mem::take(&mut all_but.action);
        assert!(less([&deny().actions(["s3:Get*"])], [&all_but]));
        assert!(less([&all_but], [&deny()]));
        assert!(!less([&all_but], [&deny().actions(["*"])]));
        let mut fewer = all_but.clone();
        fewer.not_action.0.push("s3:Get*".into());
        assert!(less([&all_but], [&fewer]));
        assert!(!less([&fewer], [&all_but]));
        let odd = |value: &str| deny().when("DateLessThan", "aws:CurrentTime", [value]);
        assert!(less([&odd("2026-01-01")], [&odd("2027-01-01")]));
    }

    #[test]
    fn another_version_of_the_language_reads_variables_otherwise() {
        let of = |version: &str| PolicyDocument {
            version: version.into(),
            ..PolicyDocument::new(vec![deny().resources(["arn:aws:s3:::${aws:username}"])])
        };
        assert!(!forbids_less(&of("2012-10-17"), &of("2012-10-17")));
        assert!(forbids_less(&of("2012-10-17"), &of("2008-10-17")));
    }

    #[test]
    fn patterns_cover_patterns() {
        for (wide, narrow, covers) in [
            ("*", "", true),
            ("a*", "a*b?", true),
            ("a*c", "abcbc", true),
            ("a?", "a?", true),
            ("a?", "ab", true),
            ("a?", "a*", false),
            ("a*", "*", false),
            ("ab", "a?", false),
            ("a**", "a", true),
            ("a*b", "a*", false),
            ("?*", "*", false),
            ("${aws:userid}", "${aws:userid}", true),
            ("*}", "${aws:userid}", false),
        ] {
            assert_eq!(pattern_covers(wide, narrow), covers, "{wide} {narrow}");
        }
        assert!(arn_covers("arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a:b"));
        assert!(!arn_covers("arn:aws:iam::*:role/a", "arn:aws:iam::1:x:role/a"));
    }
}
