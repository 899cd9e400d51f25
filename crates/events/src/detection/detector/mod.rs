mod own;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use self::own::Own;
use crate::Event;
use crate::detection::concerns::{Certainty, Parameters, concerned, named};
use crate::detection::facts::{Kind, TrailFacts};
use crate::detection::rule::{About, Calls, Rule};
use crate::detection::sign_in::{Failures, ISSUING, is_sign_in};
use crate::detection::table::{self, FAILURES_THEN_SUCCESS, ROOT_USAGE, SIGN_IN_WITHOUT_MFA};
use crate::severity::Severity;

/// The most buckets of trails that are learned from events.
const MAX_LEARNED: usize = 1_000;
/// The most resources that a finding names.
const MAX_NAMED: usize = 5;

/// An event that a built-in rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The rule.
    pub rule: &'static Rule,
    /// How severe it is: less than the rule's if it failed, is possible only, or claims to be
    /// of orgtrail.
    pub severity: Severity,
    /// How certain it is that it concerns our resources.
    pub certainty: Certainty,
    /// Whether it was refused, or failed.
    pub has_failed: bool,
    /// Whether it looks like a call of `orgtrail apply`.
    pub claims_own_apply: bool,
    /// What it concerns.
    pub about: String,
    /// What else is worth knowing of it.
    pub details: Vec<String>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// Detects what the built-in rules are about, in events in the order of their time.
#[derive(Debug, Default)]
pub struct Detector {
    facts: TrailFacts,
    own: Own,
    /// Without facts: buckets of trails that events name.
    learned: BTreeSet<String>,
    failures: Failures,
}

impl Detector {
    /// A detector for the resources of a configuration, or without any.
    #[must_use]
    pub fn new(facts: TrailFacts) -> Self {
        let own = Own::new(facts.own.clone().unwrap_or_default());
        Self { facts, own, ..Self::default() }
    }

    /// Whether a record may be worth a look, by its bytes: most are not.
    #[must_use]
    pub fn may_detect(raw: &[u8]) -> bool {
        static NEEDLES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
            let names = table::calls().flat_map(|calls| calls.names.iter().copied());
            let others = ["CreateTrail", "ConsoleLogin", "Root"].into_iter().chain(ISSUING);
            let quoted = names.chain(others).map(|name| format!("\"{name}\""));
            // An escape may stand for any letter.
            AhoCorasick::new(quoted.chain(["\\u00".to_owned()])).ok()
        });
        NEEDLES.as_ref().is_none_or(|needles| needles.is_match(raw))
    }

    /// Notes what an event says about others of the same second. Records state whole seconds,
    /// so that their order within one means nothing: all of a second are noted before the first
    /// of them is added.
    pub fn note(&mut self, event: &Event<'_>) {
        self.learn(event);
        self.own.note(event, event.failure().is_some());
    }

    /// Takes an event, and returns what it is found to be.
    pub fn add(&mut self, event: &Event<'_>) -> Vec<Detected> {
        let has_failed = event.failure().is_some();
        let mut found = Vec::new();
        self.note(event);
        found.extend(self.call(event, has_failed));
        if is_root(event) {
            let session = event.identity.session.assumed_root == Some(true);
            let details = session.then(|| "a session issued by AssumeRoot".to_owned());
            found.push(Detected {
                details: details.into_iter().collect(),
                ..simple(&ROOT_USAGE, has_failed, account(event))
            });
        }
        if is_sign_in_without_mfa(event) {
            found.push(simple(&SIGN_IN_WITHOUT_MFA, has_failed, user(event)));
        }
        if is_sign_in(event)
            && let Some(before) = self.failures.add(event, has_failed)
        {
            let failures = format!("{} failures since {}", before.count, before.first);
            found.push(Detected {
                details: vec![failures],
                ..simple(&FAILURES_THEN_SUCCESS, false, before.whose)
            });
        }
        found
    }

    /// Notes the bucket that a trail delivers to.
    fn learn(&mut self, event: &Event<'_>) {
        let is_trail = event.source.as_deref() == Some("cloudtrail.amazonaws.com")
            && matches!(event.name.as_deref(), Some("CreateTrail" | "UpdateTrail"));
        if is_trail && self.facts.is_empty() && self.learned.len() < MAX_LEARNED {
            let request = Parameters::of(event);
            self.learned.extend(request.delivers_to().map(str::to_owned));
        }
    }

    /// What the rules about calls say.
    fn call(&self, event: &Event<'_>, has_failed: bool) -> Option<Detected> {
        let (source, name) = (event.source.as_deref()?, event.name.as_deref()?);
        let mut request = None;
        for calls in table::calls() {
            if calls.source != source || !calls.names.contains(&name) {
                continue;
            }
            let request = request.get_or_insert_with(|| Parameters::of(event));
            let condition = match calls.only_if.as_ref().map(|one| request.fulfils(one)) {
                Some(Some(false)) => continue,
                Some(None) => Certainty::Possible,
                Some(Some(true)) | None => Certainty::Certain,
            };
            let Some((certainty, about)) = self.concerns(calls, event, request) else { continue };
            let certainty = certainty.min(condition);
            let claims_own_apply = calls.is_applied && self.own.looks_own(event);
            let mut severity = calls.rule.severity;
            for lowers in [has_failed, certainty == Certainty::Possible] {
                severity = if lowers { lower(severity) } else { severity };
            }
            return Some(Detected {
                rule: &calls.rule,
                severity: if claims_own_apply { Severity::Low } else { severity },
                certainty,
                has_failed,
                claims_own_apply,
                about,
                details: request.summary(),
            });
        }
        None
    }

    /// Whether a call concerns what its rule is about, and what that is.
    fn concerns(
        &self,
        calls: &Calls,
        event: &Event<'_>,
        request: &Parameters,
    ) -> Option<(Certainty, String)> {
        match calls.about {
            About::Organization => Some((Certainty::Certain, "the organization".to_owned())),
            About::ArchiveAccount => {
                let mut accounts = request.accounts();
                if accounts.is_empty() {
                    accounts.extend(event.account());
                }
                let ours =
                    accounts.into_iter().find(|id| self.facts.archive_accounts.contains(*id));
                ours.map(|id| (Certainty::Certain, format!("the archive's account {id}")))
            }
            About::Resource(kind) => {
                let named = named(kind, event, request);
                let (certainty, role) = if self.facts.is_empty() {
                    self.any(kind, &named)?
                } else {
                    concerned(kind, &named, event, &self.facts)?
                };
                let shown: Vec<&str> = named.iter().map(String::as_str).take(MAX_NAMED).collect();
                let about = match shown.as_slice() {
                    [] => role,
                    shown => format!("{role} {}", shown.join(", ")),
                };
                Some((certainty, about))
            }
        }
    }

    /// The same without a configuration.
    fn any(&self, kind: Kind, named: &BTreeSet<String>) -> Option<(Certainty, String)> {
        match kind {
            Kind::Trail => Some((Certainty::Certain, "the trail".to_owned())),
            Kind::Policy => Some((Certainty::Possible, "the policy".to_owned())),
            Kind::Bucket => {
                let is_learned = |name: &String| {
                    let name = name.strip_prefix("arn:aws:s3:::").unwrap_or(name);
                    self.learned.contains(name)
                };
                let is_found = named.iter().any(is_learned);
                is_found.then(|| (Certainty::Certain, "a trail's bucket".to_owned()))
            }
            Kind::Key | Kind::Topic | Kind::LogGroup | Kind::Alarm | Kind::Role => None,
        }
    }
}

fn simple(rule: &'static Rule, has_failed: bool, about: String) -> Detected {
    Detected {
        rule,
        severity: if has_failed { lower(rule.severity) } else { rule.severity },
        certainty: Certainty::Certain,
        has_failed,
        claims_own_apply: false,
        about,
        details: Vec::new(),
    }
}

fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium | Severity::Low => Severity::Low,
    }
}

fn account(event: &Event<'_>) -> String {
    format!(
        "account {}",
        event.identity.account.as_deref().or(event.account()).unwrap_or("unknown")
    )
}

fn user(event: &Event<'_>) -> String {
    event.identity.principal().unwrap_or("an unknown user").to_owned()
}

/// A person with the root user's credentials: not a service that acts for the account.
fn is_root(event: &Event<'_>) -> bool {
    event.identity.kind.as_deref() == Some("Root")
        && event.identity.invoked_by.is_none()
        && event.event_type.as_deref() != Some("AwsServiceEvent")
}

/// A sign-in of a user of the account itself. Of federated users, CloudTrail always writes
/// that they used none: their identity provider asks for it.
fn is_sign_in_without_mfa(event: &Event<'_>) -> bool {
    let member = |raw: Option<&serde_json::value::RawValue>, name: &str| {
        let value: serde_json::Value = serde_json::from_str(raw?.get()).ok()?;
        value.get(name)?.as_str().map(str::to_owned)
    };
    event.source.as_deref() == Some("signin.amazonaws.com")
        && event.name.as_deref() == Some("ConsoleLogin")
        && matches!(event.identity.kind.as_deref(), Some("IAMUser" | "Root"))
        && member(event.response, "ConsoleLogin").as_deref() == Some("Success")
        && member(event.additional, "MFAUsed").as_deref() == Some("No")
}

#[cfg(test)]
mod tests;
