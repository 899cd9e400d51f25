//! Tables and saved queries over the archive, for Amazon Athena and CloudWatch Logs Insights.
//!
//! What orgtrail creates has a mark with the organization's id. What has another mark or none
//! is never changed.

mod columns;
mod database;
mod export_table;
mod named_queries;
mod query_definitions;
mod questions;
mod raw_table;
mod results_bucket;
mod table;
mod workgroup;

use std::collections::BTreeSet;

pub use database::Database;
pub(crate) use export_table::ExportTable;
pub(crate) use named_queries::NamedQueries;
pub use query_definitions::{QueryDefinition, QueryDefinitions};
pub(crate) use raw_table::RawTable;
pub(crate) use results_bucket::ResultsBucket;
pub use table::Table;
pub use workgroup::{NamedQuery, Workgroup, WorkgroupSettings};

use super::{ApplyContext, Desired, Location, ObserveContext};
use crate::aws::{Clients, Observation, WriteClients};
use crate::config::{AccountProjection, Athena};
use crate::names::{AccountId, Arn};
use crate::org::Organization;
use crate::resources::change::Change;

/// The tag of a workgroup, and the parameter of a database and a table, with the id of the
/// organization that orgtrail created it for.
const OWNER: &str = "orgtrail:organization";

impl Desired {
    fn athena_location(&self) -> Location {
        match &self.config.athena {
            Some(athena) => {
                Location { account: athena.account.clone(), region: Some(athena.region.clone()) }
            }
            None => self.archive_location(),
        }
    }

    /// The ARN of something of Athena's or Glue's, where it is declared.
    fn athena_arn(&self, athena: &Athena, service: &str, resource: String) -> String {
        let (region, account) = (&athena.region, &athena.account);
        Arn::regional(self.partition(), service, region, account, resource).to_string()
    }
}

/// The names of the declared tables.
pub(crate) fn table_names(athena: &Athena) -> impl Iterator<Item = &'static str> {
    [raw_table::NAME].into_iter().chain(athena.export.as_ref().map(|_| export_table::NAME))
}

/// The accounts of the organization, where a table lists them.
pub(super) async fn accounts(context: &ObserveContext<'_>) -> Observation<BTreeSet<AccountId>> {
    let athena = context.desired.config.athena.as_ref();
    if athena.is_none_or(|athena| athena.projection == AccountProjection::Injected) {
        return Observation::Absent;
    }
    match Organization::read(&context.management()).await {
        Ok(organization) => Observation::Present(organization.accounts.into_keys().collect()),
        Err(error) => Observation::Unreadable(error),
    }
}

fn clients(context: &ObserveContext<'_>, athena: &Athena) -> Clients {
    context.aws.clients(&athena.account, &athena.region)
}

fn write_clients(context: &ApplyContext<'_>, athena: &Athena) -> WriteClients {
    context.at(&athena.account, &athena.region)
}

/// The refusal to change what orgtrail did not create for this organization.
///
/// `name` is as in "the table `a.b`", `mark` is how it is marked.
fn refused(
    name: &str,
    owner: Option<&str>,
    (setting, mark): (&str, &str),
    desired: &Desired,
) -> Option<Change> {
    let own = desired.org_id().as_str();
    let why = match owner {
        Some(owner) if owner == own => return None,
        Some(owner) => format!("{name} was created for the organization {owner}"),
        None => format!("{name} exists, and orgtrail did not create it"),
    };
    let hint = format!(
        "name another one in {setting}; to let orgtrail manage this one, give it the {mark} \
         `{OWNER}` with the value `{own}`"
    );
    Some(Change::refused(why, hint))
}
