//! Whether a merged policy allows services what orgtrail's own statements allow them: an
//! explicit deny in another statement takes precedence.

use super::policy_change::{DeclaredPolicy, statement_name};
use crate::names::{AccountId, Arn};
use crate::policy::eval::{self, Decision, PolicyEvaluator};
use crate::policy::{Effect, PolicyDocument, Principal, Statement};
use crate::resources::change::Change;

/// Refuses a policy in which another statement denies a service what one of orgtrail's
/// own allows it. What cannot be evaluated is not refused.
pub(super) fn refuse_denied_service(
    document: &PolicyDocument,
    declared: &DeclaredPolicy<'_>,
) -> Option<Change> {
    let policy = PolicyEvaluator::new(document).ok()?;
    for own in &declared.document.statements {
        for request in ServiceRequest::of(own) {
            let context = request.context(declared.context);
            let evaluated = eval::Request {
                principal: eval::Principal::Service(&request.service),
                action: &request.action,
                resource: &request.resource,
                context: &context,
            };
            let Decision::Denied { statement: at } = policy.evaluate(&evaluated) else { continue };
            if document
                .statements
                .get(at)
                .is_some_and(|one| condition_keys(one).any(|key| is_unknown(&key)))
            {
                continue;
            }
            return Some(denied(document, at, &request));
        }
    }
    None
}

fn denied(document: &PolicyDocument, at: usize, request: &ServiceRequest) -> Change {
    let statement = statement_name(document, at);
    let absent = document.statements.get(at).is_some_and(compares_principal_keys);
    let because = if absent {
        "; requests by a service have no aws:PrincipalOrgID, aws:PrincipalArn or network address"
    } else {
        ""
    };
    Change::refused(
        format!(
            "the unmanaged statement {statement} denies {} {} on {}{because}",
            request.service, request.action, request.resource
        ),
        format!(
            "exempt AWS services in {statement}: add \"BoolIfExists\": {{\"aws:PrincipalIsAWSService\": \"false\"}} to its Condition; or remove unmanaged statements with --remove-unmanaged"
        ),
    )
}

/// Whether a statement compares a key that requests by services do not have.
fn compares_principal_keys(statement: &Statement) -> bool {
    const LACKING: [&str; 8] = [
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
    ];
    condition_keys(statement).any(|key| LACKING.contains(&key.as_str()))
}

/// The condition keys of a statement, in lower case.
pub(super) fn condition_keys(statement: &Statement) -> impl Iterator<Item = String> {
    let keys = statement.condition.values().flat_map(|keys| keys.keys());
    keys.map(|key| key.to_ascii_lowercase())
}

/// Whether a service's requests have a key whose value is unknown here, so that a
/// condition on it cannot be evaluated.
fn is_unknown(key: &str) -> bool {
    const UNKNOWN: [&str; 5] = [
        "aws:currenttime",
        "aws:epochtime",
        "aws:resourceaccount",
        "aws:resourceorgpaths",
        "aws:sourceorgpaths",
    ];
    UNKNOWN.contains(&key)
        || key.starts_with("aws:resourcetag/")
        || key.starts_with("s3:existingobjecttag/")
}

/// A request that one of orgtrail's own statements allows a service.
struct ServiceRequest {
    service: String,
    account: AccountId,
    action: String,
    resource: String,
    conditions: Vec<(String, String)>,
}

impl ServiceRequest {
    fn of(own: &Statement) -> Vec<Self> {
        let Some(Principal::Of(kinds)) = &own.principal else { return Vec::new() };
        if own.effect != Effect::Allow {
            return Vec::new();
        }
        let conditions: Vec<(String, String)> = own
            .condition
            .iter()
            .filter(|(operator, _)| {
                let operator = operator.to_ascii_lowercase();
                ["stringequals", "stringlike", "arnequals", "arnlike"].contains(&operator.as_str())
            })
            .flat_map(|(_, keys)| keys)
            .filter_map(|(key, values)| Some((key.clone(), sample(values.0.first()?))))
            .collect();
        let account = conditions.iter().find_map(|(key, value)| {
            if key.eq_ignore_ascii_case("aws:SourceAccount") {
                return value.parse().ok();
            }
            let arn = key.eq_ignore_ascii_case("aws:SourceArn").then(|| value.parse::<Arn>());
            arn?.ok()?.account
        });
        let Some(account) = account else { return Vec::new() };
        let nothing = [String::new()];
        let resources = if own.resource.0.is_empty() { &nothing[..] } else { &own.resource.0 };
        let mut requests = Vec::new();
        for service in kinds.get("Service").into_iter().flat_map(|services| &services.0) {
            for action in &own.action.0 {
                for resource in resources {
                    requests.push(Self {
                        service: service.clone(),
                        account: account.clone(),
                        action: action.trim_end_matches('*').to_owned(),
                        resource: sample(resource),
                        conditions: conditions.clone(),
                    });
                }
            }
        }
        requests
    }

    /// The condition keys of the request, as AWS sets them for a service.
    fn context<'a>(&'a self, more: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
        let mut context = vec![
            ("aws:PrincipalIsAWSService", "true"),
            ("aws:PrincipalServiceName", self.service.as_str()),
            ("aws:PrincipalServiceNamesList", self.service.as_str()),
            ("aws:ViaAWSService", "false"),
            ("aws:SecureTransport", "true"),
            ("s3:TlsVersion", "1.3"),
        ];
        let own = self.conditions.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let more = more.iter().map(|(key, value)| (*key, value.as_str()));
        for (key, value) in own.chain(more).chain([("aws:SourceAccount", self.account.as_str())]) {
            if !context.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
                context.push((key, value));
            }
        }
        context
    }
}

/// A text that matches a pattern.
fn sample(pattern: &str) -> String {
    pattern.replace('*', "x")
}
