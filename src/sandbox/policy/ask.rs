//! What a policy says of a request that nobody makes: for checks, which judge
//! policies by what they do.

use std::borrow::Cow;

use super::condition::Keys;
use super::document::{Malformed, Policy, compile};
use super::principal::Named;
use crate::names::{AccountId, Partition};
use crate::policy::PolicyDocument;
use crate::sandbox::auth::{Caller, Identity};

/// A policy that can be asked.
#[derive(Debug)]
pub(crate) struct Asked(Policy);

/// Who would make a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who<'a> {
    /// An AWS service, for the sake of something in an account.
    Service(&'a AccountId, &'a str),
    /// A session of a role, by the role's path and name.
    Role(Partition, &'a AccountId, &'a str),
}

/// A request that is asked about; `context` holds every condition key that it
/// would have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) who: Who<'a>,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a [(&'a str, &'a str)],
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// It forbids it.
    Denies,
    /// It permits it, itself or by naming the caller's account.
    Allows,
    /// It does not speak of it.
    Nothing,
}

impl Asked {
    /// # Errors
    /// The policy holds what cannot be judged.
    pub(crate) fn new(document: &PolicyDocument) -> Result<Self, String> {
        compile(&document.to_json(), None).map(Self).map_err(|Malformed(why)| why)
    }

    pub(crate) fn says(&self, question: &Question<'_>) -> Says {
        self.decides(question).0
    }

    /// The same, with the place of the statement that decides.
    pub(crate) fn decides(&self, question: &Question<'_>) -> (Says, Option<usize>) {
        let caller = question.who.caller();
        let keys = Told(question.context);
        let mut says = (Says::Nothing, None);
        for (at, statement) in self.0.statements.iter().enumerate() {
            let named = match &statement.principals {
                Some(element) => (element.of.name(Some(&caller)) != Named::No) != element.not,
                None => true,
            };
            if !named || !statement.covers(question.action, question.resource, &keys) {
                continue;
            }
            if statement.deny {
                return (Says::Denies, Some(at));
            }
            if says.1.is_none() {
                says = (Says::Allows, Some(at));
            }
        }
        says
    }
}

impl Who<'_> {
    fn caller(self) -> Caller {
        match self {
            Self::Service(account, name) => Caller::service(Partition::Aws, account, name, None),
            Self::Role(partition, account, role) => {
                let role = role.to_owned();
                Caller {
                    identity: Identity::AssumedRole { role, session: "asked".to_owned() },
                    temporary: true,
                    ..Caller::service(partition, account, "", None)
                }
            }
        }
    }
}

/// Condition keys that were told, and no others.
struct Told<'a>(&'a [(&'a str, &'a str)]);

impl Keys for Told<'_> {
    fn values(&self, key: &str) -> Vec<Cow<'_, str>> {
        let of = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(key);
        self.0.iter().filter(of).map(|(_, value)| Cow::Borrowed(*value)).collect()
    }
}
