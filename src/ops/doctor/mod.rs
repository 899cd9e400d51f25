//! Diagnosing the organization: what keeps orgtrail from its work, and how to fix it.
//!
//! Every item is a file with a function of `Inputs`. An item never fails and never stops the
//! others: what it could not read is unknown. Nothing is written: no item has a
//! [`WriteAuthority`](crate::aws::WriteAuthority).

mod account_roles;
mod archive;
mod clock;
mod configuration;
mod control_policies;
mod credentials;
mod delegated_administrators;
mod endpoints;
mod inputs;
mod item;
mod landing_zone;
mod neighbors;
mod new_accounts;
mod organization;
mod permissions;
mod regions;
mod root_access;
mod root_keys;
mod service_linked_role;
mod stack_sets;
mod subscriptions;
mod trails;
mod trusted_access;

use std::future::ready;
use std::pin::Pin;

use futures::future::join_all;

use self::inputs::Inputs;
pub use self::item::{Item, Verdict};
pub use self::stack_sets::of_stack_sets;
use super::{Env, OpError, Outcome};
use crate::config::Roles;
use crate::report::contract::doctor::Report;

/// What was diagnosed.
#[derive(Debug)]
pub struct Diagnosis {
    /// The items: problems first, then unknown ones.
    items: Vec<Item>,
    /// Whether there is a configuration.
    has_config: bool,
    /// Whether orgtrail is signed in.
    is_signed_in: bool,
    is_stopped: bool,
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Vec<Item>> + 'a>>;

/// Runs every item. Changes nothing. Without a configuration, it examines what it can see with
/// the caller's credentials.
///
/// # Errors
/// The configuration is invalid, or an endpoint may not be called without encryption: usage.
pub async fn doctor(env: &Env) -> Result<Diagnosis, OpError> {
    let config = env.config_if_present()?;
    let home = config.map(|config| config.organization.home_region.clone());
    let roles = config.map_or_else(Roles::default, |config| config.roles.clone());
    let aws = match env.aws_of_caller(home, roles).await {
        Ok(aws) => aws,
        Err(error) if error.outcome() == Outcome::Usage => return Err(error),
        Err(error) => {
            return Ok(Diagnosis {
                items: vec![credentials::refused(&error)],
                has_config: config.is_some(),
                is_signed_in: false,
                is_stopped: env.stop().is_requested(),
            });
        }
    };
    let inputs = Inputs::read(env, aws, config).await;
    let inputs = &inputs;
    let all: Vec<Boxed<'_>> = vec![
        Box::pin(credentials::examine(inputs)),
        Box::pin(ready(clock::examine(inputs))),
        Box::pin(configuration::examine(inputs)),
        Box::pin(ready(endpoints::examine(inputs))),
        Box::pin(organization::examine(inputs)),
        Box::pin(trusted_access::examine(inputs)),
        Box::pin(service_linked_role::examine(inputs)),
        Box::pin(delegated_administrators::examine(inputs)),
        Box::pin(account_roles::examine(inputs)),
        Box::pin(permissions::examine(inputs)),
        Box::pin(control_policies::examine(inputs)),
        Box::pin(archive::examine(inputs)),
        Box::pin(root_access::examine(inputs)),
        Box::pin(root_keys::examine(inputs)),
        Box::pin(landing_zone::examine(inputs)),
        Box::pin(trails::examine(inputs)),
        Box::pin(ready(regions::examine(inputs))),
        Box::pin(ready(subscriptions::examine(inputs))),
        Box::pin(neighbors::examine(inputs)),
        Box::pin(stack_sets::examine(inputs)),
        Box::pin(ready(new_accounts::examine(inputs))),
    ];
    let phase = env.progress().phase("examining the organization", all.len());
    let all = all.into_iter().map(|item| async {
        let items = item.await;
        phase.step_done();
        items
    });
    let items = join_all(all).await.into_iter().flatten().collect();
    drop(phase);
    let diagnosis = Diagnosis {
        items: Vec::new(),
        has_config: config.is_some(),
        is_signed_in: true,
        is_stopped: env.stop().is_requested(),
    };
    Ok(diagnosis.with(items))
}

impl Diagnosis {
    /// The same with more items.
    #[must_use]
    pub fn with(mut self, items: Vec<Item>) -> Self {
        self.items.extend(items);
        self.items.sort_by_key(|item| item.verdict);
        self
    }

    /// The items: problems first, then unknown ones.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How it ended: drift if there is a problem, incomplete if an item is unknown.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |verdict| self.items.iter().any(|item| item.verdict == verdict);
        if any(Verdict::Problem) {
            Outcome::Drift
        } else if self.is_stopped || any(Verdict::Unknown) {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// What to do next, in a sentence.
    #[must_use]
    pub fn next_step(&self) -> String {
        let first = self.items.first().filter(|item| item.verdict <= Verdict::Unknown);
        let is_before_init = self.is_signed_in && !self.has_config;
        match first.and_then(|item| item.fix.as_ref()) {
            _ if self.is_stopped => "run `orgtrail doctor` again: it was stopped".to_owned(),
            _ if is_before_init => {
                "run `orgtrail init` to write a configuration, then `orgtrail doctor` again"
                    .to_owned()
            }
            Some(fix) => format!("fix the first item: {fix}"),
            None if first.is_some() => {
                "fix the first item, then run `orgtrail doctor` again".to_owned()
            }
            None => "run `orgtrail plan`".to_owned(),
        }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> Report {
        Report::new(self.items.iter().map(Into::into).collect(), self.next_step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(items: Vec<Item>) -> Diagnosis {
        let empty = Diagnosis {
            items: Vec::new(),
            has_config: true,
            is_signed_in: true,
            is_stopped: false,
        };
        empty.with(items)
    }

    #[test]
    fn problems_come_first_and_weigh_more_than_what_is_unknown() {
        let ok = Item::ok("clock", "it agrees");
        let problem = Item::problem("archive", "the key is disabled", "enable it");
        let unknown = Item { verdict: Verdict::Unknown, fix: None, ..problem.clone() };
        let all = diagnosis(vec![ok.clone(), unknown.clone(), problem]);
        let verdicts: Vec<Verdict> = all.items().iter().map(|item| item.verdict).collect();
        assert_eq!(verdicts, [Verdict::Problem, Verdict::Unknown, Verdict::Ok]);
        assert_eq!(all.outcome(), Outcome::Drift);
        assert_eq!(all.next_step(), "fix the first item: enable it");
        let unread = diagnosis(vec![ok.clone(), unknown]);
        assert_eq!(unread.outcome(), Outcome::Incomplete);
        let fine = diagnosis(vec![ok.clone(), Item::skipped("neighbors", "drift.neighbors")]);
        assert_eq!(
            (fine.outcome(), fine.next_step().as_str()),
            (Outcome::Clean, "run `orgtrail plan`")
        );
        let stopped = Diagnosis { is_stopped: true, ..diagnosis(vec![ok]) };
        assert_eq!(stopped.outcome(), Outcome::Incomplete);
    }

    #[test]
    fn without_a_configuration_the_next_step_is_init() {
        let first = Item::problem("trusted-access", "it is off", "turn it on");
        let none = Diagnosis { has_config: false, ..diagnosis(vec![first]) };
        assert!(none.next_step().contains("orgtrail init"));
    }
}
