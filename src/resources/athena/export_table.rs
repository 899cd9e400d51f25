use std::collections::BTreeMap;

use orgtrail_events::export::COLUMNS;

use super::table::{DeclaredTable, Table, accounts, days, listed, listed_accounts};
use crate::aws::{AwsError, Observation};
use crate::config::{Athena, S3Location};
use crate::org::known_regions;
use crate::resources::change::Change;
use crate::resources::destroy::Deletion;
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The table over the events that `orgtrail events export --format parquet` wrote.
#[derive(Debug)]
pub(crate) struct ExportTable;

/// The table's name.
pub(super) const NAME: &str = "cloudtrail_events";
const PARTITIONS: [&str; 3] = ["account", "region", "day"];

fn configured(desired: &Desired) -> Option<(&Athena, &S3Location)> {
    let athena = desired.config.athena.as_ref()?;
    Some((athena, athena.export.as_ref()?))
}

fn declared(
    desired: &Desired,
    (athena, export): (&Athena, &S3Location),
    found: Option<&Table>,
    observed: &Observed,
) -> Result<DeclaredTable, Box<Change>> {
    let listed_accounts = listed_accounts(desired, athena, found, observed)?;
    let location = format!("{export}/events/");
    let mut parameters = BTreeMap::new();
    parameters.insert("projection.enabled".to_owned(), "true".to_owned());
    parameters.insert(
        "storage.location.template".to_owned(),
        format!("{location}account=${{account}}/region=${{region}}/day=${{day}}"),
    );
    accounts(athena, &listed_accounts, &mut parameters);
    listed("region", known_regions(desired.partition()), &mut parameters);
    days(athena, ("yyyy-MM-dd", "%Y-%m-%d"), &mut parameters);
    Ok(DeclaredTable {
        name: NAME,
        description: "orgtrail: events that `orgtrail events export` wrote",
        location,
        input_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        output_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        columns: COLUMNS
            .iter()
            // Partition keys cannot be columns, too.
            .filter(|column| !PARTITIONS.contains(&column.name))
            .map(|column| (column.name, column.type_name().to_owned()))
            .collect(),
        partition_keys: PARTITIONS.to_vec(),
        parameters,
    })
}

impl Resource for ExportTable {
    type State = Table;
    const ID: &'static str = "athena-export-table";
    const DEPENDS_ON: &'static [&'static str] = &["athena-database"];
    const ACTIONS: &'static [&'static str] =
        &["glue:CreateTable", "glue:DeleteTable", "glue:GetTable", "glue:UpdateTable"];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        configured(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Table> {
        let Some((athena, _)) = configured(context.desired) else { return Observation::Absent };
        Table::observe(context, athena, NAME).await
    }

    fn diff(desired: &Desired, found: Option<&Table>, observed: &Observed) -> Change {
        let Some(configured) = configured(desired) else { return Change::nothing() };
        let why = "Athena can search the exported events, which costs less";
        match declared(desired, configured, found, observed) {
            Ok(declared) => declared.diff(desired, configured.0, found, why),
            Err(stopped) => *stopped,
        }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(configured) = configured(desired) else { return Ok(()) };
        let found = context.observed.athena_export_table.present();
        match declared(desired, configured, found, context.observed) {
            Ok(declared) => declared.apply(context, configured.0, found).await,
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
