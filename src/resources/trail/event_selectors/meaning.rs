//! What selectors record, as sets of events, so that they are compared by
//! meaning and not by form.
//!
//! A set of events is a union of boxes, and a box is one condition for each
//! field. The strings that a field can have fall into finitely many classes, by
//! which of the conditions of both sides they meet; over these, whether one set
//! holds another is decided exactly.

use std::collections::{BTreeMap, BTreeSet};

/// The conditions on one field: operator → values, as CloudTrail names the
/// operators, in snake case.
pub(super) type Operators = BTreeMap<&'static str, BTreeSet<String>>;

/// The conditions of an advanced selector: field → operator → values.
pub(super) type Fields = BTreeMap<String, Operators>;

/// A set of events: those that meet all conditions of one of its boxes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Events {
    boxes: Vec<Fields>,
}

/// Stands in no name and no ARN, so that a string with it meets no condition but
/// those that it was made for.
const FRESH: char = '\u{1}';

/// Boxes and classes beyond which nothing is decided. Real selectors stay far
/// below: a trail has at most 500 values.
const MOST_BOXES: usize = 4096;
const MOST_CLASSES: usize = 100_000;

/// Fields that have these values and no others.
const CLOSED: [(&str, &[&str]); 3] = [
    ("eventCategory", &["Data", "Management", "NetworkActivity"]),
    ("readOnly", &["false", "true"]),
    ("sessionCredentialFromConsole", &["false", "true"]),
];

/// The service of the ARNs of the resource types that classic selectors know,
/// and what stands behind it in every such ARN.
const STEMS: [(&str, &str, &str); 3] = [
    ("AWS::DynamoDB::Table", "dynamodb", ":"),
    ("AWS::Lambda::Function", "lambda", ":"),
    ("AWS::S3::Object", "s3", ":::"),
];

impl Events {
    /// The events that meet all conditions of one of these.
    pub(super) fn of(boxes: impl IntoIterator<Item = Fields>) -> Self {
        Self { boxes: boxes.into_iter().map(whole_types).collect() }
    }

    /// Those of one category.
    pub(super) fn of_category(&self, category: &str) -> Self {
        let boxes = self.boxes.iter().filter(|one| {
            one.get("eventCategory").is_none_or(|operators| meets(operators, category))
        });
        let boxes = boxes.cloned().map(|mut one| {
            one.insert("eventCategory".to_owned(), equals([category]));
            one
        });
        Self { boxes: boxes.collect() }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// What these hold and `other` does not, in words; empty where `other` holds
    /// all of them. Where that cannot be decided, it counts as missing.
    pub(super) fn beyond(&self, other: &Self) -> Vec<String> {
        let Some(space) = Space::of([self, other]) else {
            return self.boxes.iter().map(in_words).collect();
        };
        let theirs: Vec<Region> = other.boxes.iter().map(|one| space.region(one)).collect();
        let mut beyond = Vec::new();
        for one in &self.boxes {
            match Space::without(space.region(one), &theirs) {
                Some(left) => beyond.extend(left.first().map(|left| space.in_words(left))),
                None => beyond.push(in_words(one)),
            }
        }
        let mut seen = BTreeSet::new();
        beyond.retain(|text| seen.insert(text.clone()));
        beyond
    }

    /// Whether an event with these fields is one of them; a field that it does
    /// not have is empty.
    pub(super) fn hold(&self, event: &BTreeMap<&str, String>) -> bool {
        self.boxes.iter().any(|one| {
            one.iter().all(|(field, operators)| {
                meets(operators, event.get(field.as_str()).map_or("", String::as_str))
            })
        })
    }
}

/// The condition that a field is one of some values.
pub(super) fn equals<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Operators {
    Operators::from([("equals", values.into_iter().map(Into::into).collect())])
}

/// The condition that a field is none of some values.
pub(super) fn not_equals<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Operators {
    Operators::from([("not_equals", values.into_iter().map(Into::into).collect())])
}

/// Whether a field's value meets the conditions on it: one of the positive ones,
/// where there are any, and none of the others.
fn meets(operators: &Operators, value: &str) -> bool {
    let any = |operator: &str, fits: fn(&str, &str) -> bool| {
        operators.get(operator).is_some_and(|values| values.iter().any(|one| fits(value, one)))
    };
    let equal = |value: &str, one: &str| value == one;
    let starts = |value: &str, one: &str| value.starts_with(one);
    let ends = |value: &str, one: &str| value.ends_with(one);
    let positive = POSITIVE.iter().any(|operator| operators.contains_key(operator));
    (!positive || any("equals", equal) || any("starts_with", starts) || any("ends_with", ends))
        && !any("not_equals", equal)
        && !any("not_starts_with", starts)
        && !any("not_ends_with", ends)
}

const POSITIVE: [&str; 3] = ["equals", "starts_with", "ends_with"];

/// Forgets a beginning that every ARN of a box's type has: `arn:aws:s3` is every
/// object.
fn whole_types(mut fields: Fields) -> Fields {
    let kind = fields.get("resources.type").and_then(|operators| {
        let values = operators.get("equals").filter(|_| operators.len() == 1)?;
        values.iter().next().filter(|_| values.len() == 1).cloned()
    });
    let Some((kind, arns)) = kind.zip(fields.get_mut("resources.ARN")) else { return fields };
    let every = arns
        .get("starts_with")
        .is_some_and(|values| values.iter().any(|beginning| begins_every_arn(&kind, beginning)));
    if every {
        for operator in POSITIVE {
            arns.remove(operator);
        }
        if arns.is_empty() {
            fields.remove("resources.ARN");
        }
    }
    fields
}

fn begins_every_arn(kind: &str, beginning: &str) -> bool {
    let Some((_, service, rest)) = STEMS.iter().find(|(known, ..)| *known == kind) else {
        return false;
    };
    let partition = beginning.strip_prefix("arn:").and_then(|rest| rest.split(':').next());
    partition.is_some_and(|partition| {
        beginning.len() > "arn:".len() + partition.len()
            && format!("arn:{partition}:{service}{rest}").starts_with(beginning)
    })
}

/// Some classes of strings of a field, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Classes(Vec<u64>);

impl Classes {
    fn of(members: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut bits = vec![0; members.len().div_ceil(64)];
        for (at, member) in members.enumerate() {
            bits[at / 64] |= u64::from(member) << (at % 64);
        }
        Self(bits)
    }

    fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one & other).collect())
    }

    fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one & !other).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    fn contains(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// One box over the classes of a space: for each field the classes it allows.
type Region = Vec<Classes>;

/// The fields that some sets of events speak of, and for each one string of each
/// class.
struct Space {
    fields: Vec<(String, Vec<String>)>,
}

impl Space {
    fn of<'e>(events: impl IntoIterator<Item = &'e Events>) -> Option<Self> {
        let mut conditions: BTreeMap<&str, Vec<&Operators>> = BTreeMap::new();
        let boxes = events.into_iter().flat_map(|events| &events.boxes);
        for (field, operators) in boxes.flatten() {
            conditions.entry(field).or_default().push(operators);
        }
        let fields = conditions
            .into_iter()
            .map(|(field, conditions)| Some((field.to_owned(), classes_of(field, &conditions)?)));
        Some(Self { fields: fields.collect::<Option<_>>()? })
    }

    fn region(&self, fields: &Fields) -> Region {
        let of = |(field, strings): &(String, Vec<String>)| {
            let operators = fields.get(field);
            Classes::of(
                strings
                    .iter()
                    .map(|string| operators.is_none_or(|operators| meets(operators, string))),
            )
        };
        self.fields.iter().map(of).collect()
    }

    /// What of a box none of the others holds, as boxes that do not overlap; none
    /// where that would be too many.
    fn without(region: Region, others: &[Region]) -> Option<Vec<Region>> {
        let empty = |region: &Region| region.iter().any(Classes::is_empty);
        let mut left: Vec<Region> =
            Some(region).filter(|region| !empty(region)).into_iter().collect();
        for other in others {
            let mut next = Vec::new();
            for region in left {
                let common: Region =
                    region.iter().zip(other).map(|(one, other)| one.and(other)).collect();
                if empty(&common) {
                    next.push(region);
                    continue;
                }
                for at in 0..region.len() {
                    let rest = region[at].without(&other[at]);
                    if !rest.is_empty() {
                        let mut part = common[..at].to_vec();
                        part.push(rest);
                        part.extend_from_slice(&region[at + 1..]);
                        next.push(part);
                    }
                }
            }
            if next.len() > MOST_BOXES {
                return None;
            }
            left = next;
        }
        Some(left)
    }

    fn in_words(&self, region: &Region) -> String {
        let mut category = String::new();
        let mut conditions = Vec::new();
        for ((field, strings), classes) in self.fields.iter().zip(region) {
            let allowed: Vec<&str> = (0..strings.len())
                .filter(|at| classes.contains(*at))
                .map(|at| strings[at].as_str())
                .collect();
            if allowed.len() == strings.len() {
                continue;
            }
            let mut shown: Vec<String> = allowed.iter().take(3).map(|one| shown(one)).collect();
            if allowed.len() > 3 {
                shown.push(format!("{} more", allowed.len() - 3));
            }
            if field == "eventCategory" {
                category = shown.join(" and ");
            } else {
                conditions.push(format!("{field} {}", shown.join(" or ")));
            }
        }
        sentence(&category, &conditions)
    }
}

/// One string of each class that some conditions make of a field's strings.
///
/// A string that equals no value is in a class with the string of the longest
/// beginning and the longest ending that it has, and something fresh between.
fn classes_of(field: &str, conditions: &[&Operators]) -> Option<Vec<String>> {
    let values = |operators: [&str; 2]| -> BTreeSet<&str> {
        let all = conditions.iter().flat_map(|condition| operators.map(|one| condition.get(one)));
        all.flatten().flatten().map(String::as_str).collect()
    };
    let equal = values(["equals", "not_equals"]);
    if let Some((_, closed)) = CLOSED.iter().find(|(closed, _)| *closed == field) {
        let all: BTreeSet<&str> = equal.into_iter().chain(closed.iter().copied()).collect();
        return Some(all.into_iter().map(str::to_owned).collect());
    }
    let (mut starts, mut ends) =
        (values(["starts_with", "not_starts_with"]), values(["ends_with", "not_ends_with"]));
    starts.insert("");
    ends.insert("");
    if starts.len().checked_mul(ends.len())?.checked_add(equal.len())? > MOST_CLASSES {
        return None;
    }
    let mut strings: Vec<String> = equal.into_iter().map(str::to_owned).collect();
    for start in &starts {
        strings.extend(ends.iter().map(|end| format!("{start}{FRESH}{end}")));
    }
    Some(strings)
}

/// A class's string as people read it.
fn shown(string: &str) -> String {
    match string.split_once(FRESH) {
        None => string.to_owned(),
        Some(("", "")) => "any other".to_owned(),
        Some((start, end)) => format!("{start}*{end}"),
    }
}

/// A box by its own conditions.
fn in_words(fields: &Fields) -> String {
    let mut category = String::new();
    let mut conditions = Vec::new();
    for (field, operators) in fields {
        for (operator, values) in operators {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            if field == "eventCategory" {
                category = values.join(" and ");
            } else {
                conditions.push(format!("{field} {operator} {}", values.join(" or ")));
            }
        }
    }
    sentence(&category, &conditions)
}

fn sentence(category: &str, conditions: &[String]) -> String {
    let category = if category.is_empty() { "all" } else { category };
    if conditions.is_empty() {
        return format!("{category} events");
    }
    format!("{category} events with {}", conditions.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(conditions: &[(&str, &'static str, &[&str])]) -> Fields {
        let mut fields = Fields::new();
        for (field, operator, values) in conditions {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            fields.entry((*field).to_owned()).or_default().insert(*operator, values);
        }
        fields
    }

    fn same(one: &Events, other: &Events) -> bool {
        one.beyond(other).is_empty() && other.beyond(one).is_empty()
    }

    #[test]
    fn reads_and_writes_apart_are_all() {
        let management = ("eventCategory", "equals", &["Management"][..]);
        let whole = Events::of([fields(&[management])]);
        let apart = Events::of([
            fields(&[management, ("readOnly", "equals", &["true"])]),
            fields(&[management, ("readOnly", "equals", &["false"])]),
        ]);
        assert!(same(&whole, &apart));
        let reads = Events::of([fields(&[management, ("readOnly", "equals", &["true"])])]);
        assert_eq!(whole.beyond(&reads), ["Management events with readOnly false"]);
        assert!(reads.beyond(&whole).is_empty());
    }

    #[test]
    fn what_one_selector_leaves_out_another_may_record() {
        let management = ("eventCategory", "equals", &["Management"][..]);
        let kms = ["kms.amazonaws.com"];
        let whole = Events::of([fields(&[management])]);
        let without = fields(&[management, ("eventSource", "not_equals", &kms)]);
        let only = fields(&[management, ("eventSource", "equals", &kms)]);
        assert!(same(&whole, &Events::of([without.clone(), only])));
        assert_eq!(
            whole.beyond(&Events::of([without])),
            ["Management events with eventSource kms.amazonaws.com"]
        );
    }

    #[test]
    fn a_beginning_of_every_arn_of_a_type_is_no_condition() {
        let objects = |beginning: &[&str]| {
            Events::of([fields(&[
                ("eventCategory", "equals", &["Data"]),
                ("resources.type", "equals", &["AWS::S3::Object"]),
                ("resources.ARN", "starts_with", beginning),
            ])])
        };
        let every = Events::of([fields(&[
            ("eventCategory", "equals", &["Data"]),
            ("resources.type", "equals", &["AWS::S3::Object"]),
        ])]);
        for beginning in ["arn:aws:s3", "arn:aws:s3:::", "arn:aws-cn:s3:"] {
            assert!(same(&every, &objects(&[beginning])), "{beginning}");
        }
        for beginning in ["arn:aws:s3:::a", "arn:aws:s3-outposts", "arn:", "arn:aws"] {
            assert!(!same(&every, &objects(&[beginning])), "{beginning}");
        }
        assert!(same(
            &objects(&["arn:aws:s3:::a"]),
            &objects(&["arn:aws:s3:::a", "arn:aws:s3:::ab"])
        ));
    }

    const FIELDS: [&str; 4] = ["eventCategory", "readOnly", "eventSource", "resources.ARN"];
    const STRINGS: [&str; 8] = ["", "a", "b", "ab", "ba", "aba", "abab", "c"];

    fn operators(field: &'static str) -> BoxedStrategy<Operators> {
        let values = move |pool: &'static [&'static str]| {
            prop::collection::btree_set(prop::sample::select(pool), 1..3)
                .prop_map(|set| set.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
        };
        match field {
            "eventCategory" => prop::sample::select(&["Management", "Data"][..])
                .prop_map(|one| equals([one]))
                .boxed(),
            "readOnly" => {
                prop::sample::select(&["true", "false"][..]).prop_map(|one| equals([one])).boxed()
            }
            _ => {
                let every = [
                    "equals",
                    "starts_with",
                    "ends_with",
                    "not_equals",
                    "not_starts_with",
                    "not_ends_with",
                ];
                prop::collection::btree_map(
                    prop::sample::select(every.to_vec()),
                    values(&STRINGS[1..7]),
                    1..3,
                )
                .boxed()
            }
        }
    }

    fn one_box() -> impl Strategy<Value = Fields> {
        let field = |name: &'static str| prop::option::of(operators(name));
        (operators(FIELDS[0]), field(FIELDS[1]), field(FIELDS[2]), field(FIELDS[3])).prop_map(
            |(category, read_only, source, arn)| {
                let all = [Some(category), read_only, source, arn];
                let named = FIELDS.into_iter().map(str::to_owned).zip(all);
                named.filter_map(|(field, one)| Some((field, one?))).collect()
            },
        )
    }

    fn events() -> impl Strategy<Value = Events> {
        prop::collection::vec(one_box(), 0..4).prop_map(Events::of)
    }

    /// Every event over a few strings, of which some meet each condition.
    fn every_event() -> Vec<BTreeMap<&'static str, String>> {
        let mut all = Vec::new();
        for category in ["Management", "Data"] {
            for read_only in ["true", "false"] {
                for source in STRINGS {
                    for arn in STRINGS {
                        let values = [category, read_only, source, arn].map(str::to_owned);
                        all.push(FIELDS.into_iter().zip(values).collect());
                    }
                }
            }
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_held_holds_for_every_event(one in events(), other in events()) {
            let differs = every_event().into_iter().find(|event| one.hold(event) && !other.hold(event));
            if one.beyond(&other).is_empty() {
                prop_assert_eq!(differs, None);
            }
        }

        #[test]
        fn what_is_beyond_has_an_event_that_shows_it(one in events(), other in events()) {
            let space = Space::of([&one, &other]).unwrap();
            let theirs: Vec<Region> = other.boxes.iter().map(|one| space.region(one)).collect();
            for own in &one.boxes {
                for left in Space::without(space.region(own), &theirs).unwrap() {
                    let event: BTreeMap<&str, String> = space
                        .fields
                        .iter()
                        .zip(&left)
                        .map(|((field, strings), classes)| {
                            let at = (0..strings.len()).find(|at| classes.contains(*at)).unwrap();
                            (field.as_str(), strings[at].clone())
                        })
                        .collect();
                    prop_assert!(one.hold(&event) && !other.hold(&event), "{:?}", event);
                }
            }
        }

        #[test]
        fn order_and_repetition_mean_nothing(one in events()) {
            let mut boxes = one.boxes.clone();
            boxes.reverse();
            boxes.extend(one.boxes.iter().take(1).cloned());
            let other = Events { boxes };
            prop_assert!(same(&one, &other));
        }

        #[test]
        fn a_selector_and_its_reads_and_writes_apart_are_the_same(one in one_box()) {
            let side = |value: &str| {
                let mut side = one.clone();
                side.entry("readOnly".to_owned()).or_insert_with(|| equals([value]));
                side
            };
            let apart = Events::of([side("true"), side("false")]);
            prop_assert!(same(&Events::of([one.clone()]), &apart));
        }

        #[test]
        fn fewer_selectors_record_no_more(one in events()) {
            let fewer = Events { boxes: one.boxes.iter().skip(1).cloned().collect() };
            prop_assert!(fewer.beyond(&one).is_empty());
        }
    }
}
