use std::collections::BTreeSet;
use std::sync::Arc;

use super::document::{Effect, PolicyDocument, Principal, Statement, Strings};

/// The most atoms that one statement falls apart into.
///
/// A statement of AWS's 20 KB can name a hundred principals, calls and resources
/// each: a million atoms.
const MOST_ATOMS: usize = 4096;

/// The smallest thing a policy says: one principal, call and resource under one
/// set of conditions. Documents with the same atoms decide the same.
///
/// A statement of more than [`MOST_ATOMS`] is one atom, equal to itself alone, in
/// whatever form: at worst it is taken to differ from its like in two statements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    effect: Effect,
    principal: Arc<Element>,
    action: Arc<Element>,
    resource: Arc<Element>,
    condition: Arc<BTreeSet<Test>>,
}

/// One value of an element; several that were left together; or a negated
/// element, which does not fall apart: `NotAction [a, b]` is not `NotAction a` and
/// `NotAction b`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Missing,
    AnyOf(BTreeSet<String>),
    NoneOf(BTreeSet<String>),
}

/// What a condition asks of one key; one of the values suffices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// The operator, in lower case.
    pub(super) operator: String,
    /// The key, in lower case.
    pub(super) key: String,
    pub(super) values: BTreeSet<String>,
}

/// A statement in one form: what is equal is written the same.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) effect: Effect,
    pub(super) principal: Element,
    pub(super) action: Element,
    pub(super) resource: Element,
    pub(super) condition: BTreeSet<Test>,
}

pub(super) fn same(one: &PolicyDocument, other: &PolicyDocument) -> bool {
    let variables = |document: &PolicyDocument| document.statements.iter().any(has_variables);
    if one.version != other.version && (variables(one) || variables(other)) {
        return false;
    }
    atoms(&one.statements) == atoms(&other.statements)
}

pub(super) fn atoms<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeSet<Atom> {
    statements.into_iter().flat_map(atoms_of).collect()
}

impl Parts {
    pub(super) fn of(statement: &Statement) -> Self {
        let principals =
            |of: &Option<Principal>| of.as_ref().map(principal_values).unwrap_or_default();
        let lower = |values: &Strings| values.iter().map(str::to_ascii_lowercase).collect();
        let as_is = |values: &Strings| values.iter().map(str::to_owned).collect();
        Self {
            effect: statement.effect,
            principal: Element::of(
                principals(&statement.principal),
                principals(&statement.not_principal),
            ),
            action: Element::of(lower(&statement.action), lower(&statement.not_action)),
            resource: Element::of(as_is(&statement.resource), as_is(&statement.not_resource)),
            condition: condition_of(statement),
        }
    }
}

impl Element {
    fn of(values: BTreeSet<String>, negated: BTreeSet<String>) -> Self {
        if !negated.is_empty() {
            Self::NoneOf(negated)
        } else if values.is_empty() {
            Self::Missing
        } else {
            Self::AnyOf(values)
        }
    }

    /// How many it falls apart into.
    fn count(&self) -> usize {
        match self {
            Self::AnyOf(values) => values.len(),
            Self::Missing | Self::NoneOf(_) => 1,
        }
    }

    fn apart(self) -> Vec<Arc<Self>> {
        match self {
            Self::AnyOf(values) => values
                .into_iter()
                .map(|value| Arc::new(Self::AnyOf(BTreeSet::from([value]))))
                .collect(),
            whole => vec![Arc::new(whole)],
        }
    }
}

fn atoms_of(statement: &Statement) -> Vec<Atom> {
    let Parts { effect, principal, action, resource, condition } = Parts::of(statement);
    let condition = Arc::new(condition);
    let count = [&action, &resource]
        .into_iter()
        .try_fold(principal.count(), |count, element| count.checked_mul(element.count()));
    if count.is_none_or(|count| count > MOST_ATOMS) {
        let [principal, action, resource] = [principal, action, resource].map(Arc::new);
        return vec![Atom { effect, principal, action, resource, condition }];
    }
    let (actions, resources) = (action.apart(), resource.apart());
    let mut atoms = Vec::new();
    for principal in principal.apart() {
        for action in &actions {
            for resource in &resources {
                atoms.push(Atom {
                    effect,
                    principal: Arc::clone(&principal),
                    action: Arc::clone(action),
                    resource: Arc::clone(resource),
                    condition: Arc::clone(&condition),
                });
            }
        }
    }
    atoms
}

pub(super) fn principal_values(principal: &Principal) -> BTreeSet<String> {
    match principal {
        // For AWS `"*"` and `{"AWS": "*"}` are the same principal.
        Principal::Anyone => BTreeSet::from(["AWS *".to_owned()]),
        Principal::Of(kinds) => kinds
            .iter()
            .flat_map(|(kind, values)| {
                values.iter().map(move |value| format!("{kind} {}", account_or_arn(kind, value)))
            })
            .collect(),
    }
}

/// AWS takes an account's id and its root's ARN for the same principal.
fn account_or_arn<'a>(kind: &str, value: &'a str) -> &'a str {
    if kind != "AWS" {
        return value;
    }
    let fields: Vec<&str> = value.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, "iam", "", account, "root"] => account,
        _ => value,
    }
}

fn condition_of(statement: &Statement) -> BTreeSet<Test> {
    statement
        .condition
        .iter()
        .flat_map(|(operator, keys)| {
            let operator = operator.to_ascii_lowercase();
            keys.iter().map(move |(key, values)| {
                let values = values.iter().map(|value| condition_value(&operator, value)).collect();
                Test { operator: operator.clone(), key: key.to_ascii_lowercase(), values }
            })
        })
        .collect()
}

fn condition_value(operator: &str, value: &str) -> String {
    let operator = operator.rsplit(':').next().unwrap_or(operator);
    if operator.starts_with("bool") || operator.starts_with("null") {
        return value.to_ascii_lowercase();
    }
    if operator.starts_with("numeric")
        && let Ok(number) = value.parse::<f64>()
    {
        return number.to_string();
    }
    if operator.ends_with("ignorecase") || operator.ends_with("ignorecaseifexists") {
        return value.to_lowercase();
    }
    value.to_owned()
}

/// Variables such as `${aws:username}` are text in the older version.
pub(super) fn has_variables(statement: &Statement) -> bool {
    // Maps with string keys and no floats cannot fail to serialise.
    serde_json::to_string(statement).unwrap_or_default().contains("${")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> PolicyDocument {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_and_its_root_are_the_same_principal() {
        let by = |principal: &str| {
            parse(&format!(
                r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"s3:*","Resource":"*"}}}}"#
            ))
        };
        assert!(by("111122223333").means_the_same(&by("arn:aws:iam::111122223333:root")));
        assert!(!by("111122223333").means_the_same(&by("arn:aws:iam::111122223334:root")));
        assert!(!by("111122223333").means_the_same(&by("arn:aws:iam::111122223333:role/root")));
    }

    #[test]
    fn one_statement_or_two_say_the_same() {
        let together = parse(
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":["a:x","a:y"],"Resource":"*"}}"#,
        );
        let apart = parse(
            r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"a:Y","Resource":"*"},{"Effect":"Allow","Principal":"*","Action":"A:X","Resource":["*"]}]}"#,
        );
        assert!(together.means_the_same(&apart));
    }

    #[test]
    fn negated_elements_do_not_fall_apart() {
        let both = parse(r#"{"Statement":{"Effect":"Deny","NotAction":["a","b"],"Resource":"*"}}"#);
        let apart = parse(
            r#"{"Statement":[{"Effect":"Deny","NotAction":"a","Resource":"*"},{"Effect":"Deny","NotAction":"b","Resource":"*"}]}"#,
        );
        assert!(!both.means_the_same(&apart));
    }

    #[test]
    fn a_statement_of_a_million_atoms_is_compared_whole() {
        let many = |prefix: &str| (0..100).map(|at| format!("{prefix}{at}")).collect::<Vec<_>>();
        let huge = || {
            Statement::deny("X")
                .principals((0..100).map(|at| format!("{at:012}")))
                .actions(many("s3:Get"))
                .resources(many("arn:aws:s3:::b"))
        };
        assert_eq!(atoms_of(&huge()).len(), 1);
        let one = PolicyDocument::new(vec![huge()]);
        assert!(one.means_the_same(&PolicyDocument::new(vec![disguised(&huge())])));
        let mut less = huge();
        less.action.0.pop();
        assert!(!one.means_the_same(&PolicyDocument::new(vec![less])));
    }

    #[test]
    fn what_decides_differently_is_not_the_same() {
        let base = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}"#;
        for (from, to) in [
            ("Deny", "Allow"),
            ("s3:*", "s3:Get*"),
            (":::b", ":::B"),
            ("\"false\"", "\"true\""),
            ("\"Bool\"", "\"BoolIfExists\""),
            ("aws:SecureTransport", "aws:ViaAWSService"),
            ("\"Resource\"", "\"NotResource\""),
            ("\"Principal\":\"*\"", "\"Principal\":{\"AWS\":\"111122223333\"}"),
        ] {
            assert!(!parse(base).means_the_same(&parse(&base.replace(from, to))), "{from} → {to}");
        }
    }

    #[test]
    fn the_version_counts_only_where_variables_stand() {
        let of = |version: &str, resource: &str| {
            parse(&format!(
                r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}}}"#
            ))
        };
        assert!(of("2012-10-17", "*").means_the_same(&of("2008-10-17", "*")));
        assert!(!of("2012-10-17", "${aws:a}").means_the_same(&of("2008-10-17", "${aws:a}")));
    }

    fn statement() -> impl Strategy<Value = Statement> {
        let words = |pattern: &'static str| prop::collection::vec(pattern, 1..4);
        (
            any::<bool>(),
            words("[0-9]{12}"),
            words("(s3|kms|sns):[A-Z][a-z]{1,6}"),
            words("arn:aws:s3:::[a-z]{3,6}"),
            prop::collection::btree_map(
                "(StringEquals|StringLike|ArnLike)",
                prop::collection::btree_map("aws:[A-Z][a-z]{2,6}", words("[A-Za-z]{1,5}"), 1..3),
                0..3,
            ),
        )
            .prop_map(|(allow, accounts, actions, resources, condition)| {
                let start =
                    if allow { Statement::allow("OrgTrailX") } else { Statement::deny("Other") };
                let mut statement =
                    start.principals(accounts).actions(actions).resources(resources);
                statement.condition = condition
                    .into_iter()
                    .map(|(operator, keys)| {
                        let keys = keys.into_iter().map(|(key, values)| (key, Strings(values)));
                        (operator, keys.collect())
                    })
                    .collect();
                statement
            })
    }

    /// The same statement in another form.
    fn disguised(statement: &Statement) -> Statement {
        let mut other = statement.clone();
        other.sid = None;
        for list in [&mut other.action, &mut other.resource] {
            list.0.reverse();
            let first = list.0[0].clone();
            list.0.push(first);
        }
        other.action.0.iter_mut().for_each(|action| *action = action.to_uppercase());
        if let Some(Principal::Of(kinds)) = &mut other.principal {
            for account in &mut kinds.get_mut("AWS").unwrap().0 {
                *account = format!("arn:aws:iam::{account}:root");
            }
        }
        other.condition = other
            .condition
            .into_iter()
            .map(|(operator, keys)| {
                let keys = keys.into_iter().map(|(key, mut values)| {
                    values.0.reverse();
                    (key.to_uppercase(), values)
                });
                (operator.to_lowercase(), keys.collect())
            })
            .collect();
        other
    }

    proptest! {
        #[test]
        fn documents_that_differ_only_in_form_are_equal(
            statements in prop::collection::vec(statement(), 0..5)
        ) {
            let document = PolicyDocument::new(statements.clone());
            let mut other =
                PolicyDocument::new(statements.iter().rev().map(disguised).collect());
            other.id = Some("other".into());
            prop_assert!(document.means_the_same(&other));
            let read_back: PolicyDocument = other.to_json().parse().unwrap();
            prop_assert!(read_back.means_the_same(&document));
            prop_assert!(super::super::policy_changes(Some(&document), &other).is_empty());
        }

        #[test]
        fn a_further_action_is_a_difference(statement in statement()) {
            let document = PolicyDocument::new(vec![statement.clone()]);
            let mut more = statement;
            more.action.0.push("iam:PassRole".into());
            prop_assert!(!document.means_the_same(&PolicyDocument::new(vec![more])));
        }
    }
}
