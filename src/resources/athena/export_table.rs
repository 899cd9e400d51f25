use std::collections::BTreeMap;

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
        columns: COLUMNS.iter().map(|(name, kind)| (*name, (*kind).to_owned())).collect(),
        partition_keys: vec!["account", "region", "day"],
        parameters,
    })
}

/// The columns of an exported event, as Hive calls their types. Its account and Region are
/// partition keys, which cannot be columns too.
const COLUMNS: &[(&str, &str)] = &[
    ("event_time", "timestamp"),
    ("event_id", "string"),
    ("shared_event_id", "string"),
    ("event_source", "string"),
    ("event_name", "string"),
    ("event_type", "string"),
    ("event_category", "string"),
    ("read_only", "boolean"),
    ("management_event", "boolean"),
    ("source_ip", "string"),
    ("user_agent", "string"),
    ("identity_type", "string"),
    ("principal_id", "string"),
    ("principal_arn", "string"),
    ("principal_account", "string"),
    ("access_key_id", "string"),
    ("user_name", "string"),
    ("invoked_by", "string"),
    ("session_issuer_arn", "string"),
    ("session_issuer_id", "string"),
    ("session_name", "string"),
    ("session_created_at", "timestamp"),
    ("mfa_authenticated", "boolean"),
    ("source_identity", "string"),
    ("on_behalf_of_user", "string"),
    ("on_behalf_of_store", "string"),
    ("person", "string"),
    ("person_strength", "string"),
    ("error_code", "string"),
    ("error_message", "string"),
    ("failed", "boolean"),
    ("request_id", "string"),
    ("resources", "array<string>"),
    ("vpc_endpoint_id", "string"),
    ("tls_version", "string"),
    ("host", "string"),
    ("request_parameters", "string"),
    ("response_elements", "string"),
    ("additional_event_data", "string"),
    ("raw", "string"),
    ("source_key", "string"),
    ("proof", "string"),
];

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
