//! The evaluator of policies: what a policy says of a request.
//!
//! It evaluates one document as AWS documents it: principals, actions, resources and
//! conditions. The checks ask it what a policy of the organization does; the sandbox
//! combines its decisions into those of an account.

mod compile;
mod condition;
mod pattern;
mod principals;

use std::borrow::Cow;

pub use compile::{MalformedPolicy, PolicyEvaluator, PolicyType};
pub use condition::ConditionKeys;
pub use principals::Grant;

use super::PolicyDocument;
use crate::names::AccountId;

/// Who makes a request.
#[derive(Debug, Clone, Copy)]
pub enum Principal<'a> {
    /// Somebody without credentials.
    Anonymous,
    /// An AWS service, by its principal: `cloudtrail.amazonaws.com`.
    Service(&'a str),
    /// The root user of an account.
    Root(&'a AccountId),
    /// An IAM user.
    User {
        /// The user's account.
        account: &'a AccountId,
        /// The user's ARN.
        arn: &'a str,
    },
    /// A session of a role.
    Role {
        /// The role's account.
        account: &'a AccountId,
        /// The role's ARN, with its path.
        arn: &'a str,
        /// The session's ARN, where a statement may name it.
        session_arn: Option<&'a str>,
    },
}

impl<'a> Principal<'a> {
    /// A session of a role, whatever the session's name.
    #[must_use]
    pub fn role(account: &'a AccountId, arn: &'a str) -> Self {
        Self::Role { account, arn, session_arn: None }
    }
}

/// A request, with every condition key that it has.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who makes it.
    pub principal: Principal<'a>,
    /// The IAM action: `s3:PutObject`.
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// Condition keys and their values. More than one entry of a key is a list.
    pub context: &'a [(&'a str, &'a str)],
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement denies it.
    Denied {
        /// The statement's place in the document, from zero.
        statement: usize,
    },
    /// A statement allows it, and none denies it.
    Allowed {
        /// The place of the first statement that does, from zero.
        statement: usize,
        /// How closely the statements that allow it name the principal.
        grant: Grant,
    },
    /// No statement applies to it.
    NotApplicable,
}

impl Decision {
    /// Whether a statement denies the request.
    #[must_use]
    pub fn is_denied(self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Whether the policy allows the request, itself or by naming the principal's
    /// account.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl PolicyEvaluator {
    /// An evaluator of a document, whatever it is attached to.
    ///
    /// # Errors
    /// An element of the document that cannot be evaluated.
    pub fn new(document: &PolicyDocument) -> Result<Self, MalformedPolicy> {
        Self::of_any_type(&document.to_json())
    }

    /// What the policy says of a request.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Decision {
        let Request { principal, action, resource, context } = *request;
        self.evaluate_with(principal, action, resource, &KnownKeys(context))
    }

    /// The same, with condition keys that are computed when a statement needs them.
    #[must_use]
    pub fn evaluate_with(
        &self,
        principal: Principal<'_>,
        action: &str,
        resource: &str,
        keys: &dyn ConditionKeys,
    ) -> Decision {
        let mut decision = Decision::NotApplicable;
        for (statement, compiled) in self.statements.iter().enumerate() {
            let Some(grant) = compiled.grant(principal) else { continue };
            if !compiled.covers(action, resource, keys) {
                continue;
            }
            if compiled.deny {
                return Decision::Denied { statement };
            }
            decision = match decision {
                Decision::Allowed { statement: first, grant: before } => {
                    Decision::Allowed { statement: first, grant: before.max(grant) }
                }
                _ => Decision::Allowed { statement, grant },
            };
        }
        decision
    }
}

/// Whether `text` matches a pattern with `*` and `?`, in any case.
#[must_use]
pub fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let pattern = pattern::Pattern::new(pattern, false);
    pattern.expand(&|_| None).is_some_and(|p| pattern::matches(&p, text.as_bytes(), true))
}

/// The condition keys of a [`Request`], and no others.
struct KnownKeys<'a>(&'a [(&'a str, &'a str)]);

impl ConditionKeys for KnownKeys<'_> {
    fn values(&self, key: &str) -> Vec<Cow<'_, str>> {
        let of = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(key);
        self.0.iter().filter(of).map(|(_, value)| Cow::Borrowed(*value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Statement;

    const ROLE: &str = "arn:aws:iam::111111111111:role/ops/reader";
    const OBJECT: &str = "arn:aws:s3:::bucket/key";

    fn account() -> AccountId {
        "111111111111".parse().unwrap()
    }

    fn read(statements: Vec<Statement>, principal: Principal<'_>) -> Decision {
        let policy = PolicyEvaluator::new(&PolicyDocument::new(statements)).unwrap();
        let context = [("aws:SecureTransport", "true")];
        let action = "s3:GetObject";
        policy.evaluate(&Request { principal, action, resource: OBJECT, context: &context })
    }

    fn allow(principals: &[&str]) -> Statement {
        Statement::allow("").principals(principals.to_vec()).actions(["s3:Get*"]).resources(["*"])
    }

    #[test]
    fn a_deny_wins_wherever_it_is() {
        let account = account();
        let role = Principal::role(&account, ROLE);
        let deny = Statement::deny("").anyone().actions(["s3:*"]).resources(["*"]);
        let secure = deny.clone().when("Bool", "aws:SecureTransport", ["false"]);
        assert_eq!(
            read(vec![allow(&[ROLE]), secure.clone(), deny], role),
            Decision::Denied { statement: 2 }
        );
        assert!(read(vec![secure, allow(&[ROLE])], role).is_allowed());
    }

    #[test]
    fn the_first_statement_that_allows_is_reported_with_the_closest_grant() {
        let account = account();
        let other = "arn:aws:iam::111111111111:role/other";
        let statements = vec![allow(&[other]), allow(&["111111111111"]), allow(&[ROLE])];
        assert_eq!(
            read(statements, Principal::role(&account, ROLE)),
            Decision::Allowed { statement: 1, grant: Grant::Principal }
        );
        assert_eq!(
            read(vec![allow(&["111111111111"])], Principal::role(&account, ROLE)),
            Decision::Allowed { statement: 0, grant: Grant::Account }
        );
    }

    #[test]
    fn a_statement_names_principals_by_what_they_are() {
        let account = account();
        let stranger = "222222222222".parse().unwrap();
        let session = "arn:aws:sts::111111111111:assumed-role/reader/one";
        let user = "arn:aws:iam::111111111111:user/reader";
        let in_session =
            Principal::Role { account: &account, arn: ROLE, session_arn: Some(session) };
        let of_account = Principal::User { account: &account, arn: user };
        let service = Principal::Service("cloudtrail.amazonaws.com");
        for (names, principal, expected) in [
            (vec![ROLE], in_session, Some(Grant::Principal)),
            (vec![session], in_session, Some(Grant::Session)),
            (vec![session], Principal::role(&account, ROLE), None),
            (vec![user], of_account, Some(Grant::Principal)),
            (vec!["111111111111"], of_account, Some(Grant::Account)),
            (vec!["111111111111"], Principal::Root(&account), Some(Grant::Principal)),
            (vec!["111111111111"], Principal::Root(&stranger), None),
            (vec!["111111111111"], service, None),
            (vec!["111111111111"], Principal::Anonymous, None),
            (vec!["*"], service, Some(Grant::Principal)),
            (vec!["*"], Principal::Anonymous, Some(Grant::Principal)),
        ] {
            let decision = read(vec![allow(&names)], principal);
            let grant = match decision {
                Decision::Allowed { grant, .. } => Some(grant),
                _ => None,
            };
            assert_eq!(grant, expected, "{names:?} {principal:?}");
        }
        let by_service = Statement::allow("").service("cloudtrail.amazonaws.com");
        let by_service = by_service.actions(["s3:GetObject"]).resources(["*"]);
        assert!(read(vec![by_service.clone()], service).is_allowed());
        assert_eq!(read(vec![by_service], of_account), Decision::NotApplicable);
    }

    #[test]
    fn not_principal_names_all_others() {
        let account = account();
        let mut deny = Statement::deny("").principals([ROLE]).actions(["s3:*"]).resources(["*"]);
        deny.not_principal = deny.principal.take();
        let role = Principal::role(&account, ROLE);
        assert_eq!(read(vec![deny.clone()], role), Decision::NotApplicable);
        let other = Principal::role(&account, "arn:aws:iam::111111111111:role/other");
        assert!(read(vec![deny.clone()], other).is_denied());
        assert!(read(vec![deny], Principal::Anonymous).is_denied());
    }

    #[test]
    fn a_policy_with_an_unknown_operator_is_not_evaluated() {
        let statement = allow(&[ROLE]).when("StringResembles", "aws:PrincipalOrgID", ["o-x"]);
        let error = PolicyEvaluator::new(&PolicyDocument::new(vec![statement])).unwrap_err();
        assert_eq!(error.to_string(), "Invalid Condition type : StringResembles");
    }

    #[test]
    fn wildcards_match_in_any_case() {
        assert!(matches_wildcards("s3:get*", "s3:GetObject"));
        assert!(!matches_wildcards("s3:get?", "s3:GetObject"));
    }
}
