use std::collections::BTreeMap;

use super::columns::columns;
use super::table::{DeclaredTable, Table, accounts, days, listed, listed_accounts};
use crate::aws::{AwsError, Observation};
use crate::config::Athena;
use crate::org::known_regions;
use crate::resources::change::Change;
use crate::resources::destroy::Deletion;
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The table over the archive's log files.
#[derive(Debug)]
pub(crate) struct RawTable;

/// The table's name.
pub(super) const NAME: &str = "cloudtrail_logs";

fn declared(
    desired: &Desired,
    athena: &Athena,
    found: Option<&Table>,
    observed: &Observed,
) -> Result<DeclaredTable, Box<Change>> {
    let listed_accounts = listed_accounts(desired, athena, found, observed)?;
    let [_, organization] = desired.log_prefixes();
    let location = format!("s3://{}/{organization}", desired.bucket());
    let mut parameters = BTreeMap::new();
    parameters.insert("projection.enabled".to_owned(), "true".to_owned());
    parameters.insert(
        "storage.location.template".to_owned(),
        format!("{location}${{account}}/CloudTrail/${{region}}/${{day}}"),
    );
    accounts(athena, &listed_accounts, &mut parameters);
    listed("region", known_regions(desired.partition()), &mut parameters);
    days(athena, ("yyyy/MM/dd", "%Y/%m/%d"), &mut parameters);
    Ok(DeclaredTable {
        name: NAME,
        description: "orgtrail: the log files of the organization trail and of consolidated trails",
        location,
        input_format: "com.amazon.emr.cloudtrail.CloudTrailInputFormat",
        output_format: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        serde: "org.apache.hive.hcatalog.data.JsonSerDe",
        columns: columns(),
        partition_keys: vec!["account", "region", "day"],
        parameters,
    })
}

impl Resource for RawTable {
    type State = Table;
    const ID: &'static str = "athena-table";
    const DEPENDS_ON: &'static [&'static str] = &["athena-database"];
    const ACTIONS: &'static [&'static str] =
        &["glue:CreateTable", "glue:DeleteTable", "glue:GetTable", "glue:UpdateTable"];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.athena.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Table> {
        let Some(athena) = &context.desired.config.athena else { return Observation::Absent };
        Table::observe(context, athena, NAME).await
    }

    fn diff(desired: &Desired, found: Option<&Table>, observed: &Observed) -> Change {
        let Some(athena) = &desired.config.athena else { return Change::nothing() };
        let why = "Athena can search the archive";
        match declared(desired, athena, found, observed) {
            Ok(declared) => declared.diff(desired, athena, found, why),
            Err(stopped) => *stopped,
        }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(athena) = &desired.config.athena else { return Ok(()) };
        let found = context.observed.athena_table.present();
        match declared(desired, athena, found, context.observed) {
            Ok(declared) => declared.apply(context, athena, found).await,
            // Its step is blocked.
            Err(_) => Ok(()),
        }
    }

    fn deletion(desired: &Desired, found: &Table) -> Option<Deletion> {
        found.deletion(desired, NAME)
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        Table::delete(context, NAME).await
    }
}
