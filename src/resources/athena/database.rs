use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{OWNER, clients, export_table, raw_table, refused, write_clients};
use crate::aws::{AwsError, Clients, Observation, SignedCall, SignedRead};
use crate::config::Athena;
use crate::names::OrgId;
use crate::resources::change::{Change, FieldChange};
use crate::resources::destroy::{Deletion, Kept, KeptCost, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The database of the Glue Data Catalog with the tables.
///
/// Source: Glue `GetDatabase` and `GetTables`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The organization that orgtrail created it for; none if orgtrail did not.
    pub owner: Option<String>,
    /// Whether AWS Lake Formation decides who may use new tables, instead of IAM alone.
    pub lake_formation: bool,
    /// The tables that orgtrail does not create.
    pub other_tables: BTreeSet<String>,
}

/// The principal by which Lake Formation leaves access to IAM.
///
/// Source: Lake Formation Developer Guide, "Changing the default settings for your data lake".
const IAM_ALLOWED: &str = "IAM_ALLOWED_PRINCIPALS";

impl Database {
    async fn read(clients: &Clients, athena: &Athena, own: &OrgId) -> Result<Self, AwsError> {
        let body = json!({ "Name": athena.database });
        let answer = clients.read(SignedRead::GetDatabase, &body).await?;
        let found = answer.get("Database").filter(|found| found.is_object());
        let found = found.ok_or_else(|| clients.malformed("glue:GetDatabase", "no Database"))?;
        let owner = found.pointer("/Parameters").and_then(|all| all.get(OWNER)?.as_str());
        let defaults = found.get("CreateTableDefaultPermissions").and_then(Value::as_array);
        let leaves_to_iam = |permission: &Value| {
            permission.pointer("/Principal/DataLakePrincipalIdentifier")
                == Some(&json!(IAM_ALLOWED))
        };
        Ok(Self {
            owner: owner.map(str::to_owned),
            lake_formation: defaults.is_some_and(|all| !all.iter().any(leaves_to_iam)),
            other_tables: other_tables(clients, athena, own).await?,
        })
    }
}

/// The tables that orgtrail does not create.
async fn other_tables(
    clients: &Clients,
    athena: &Athena,
    own: &OrgId,
) -> Result<BTreeSet<String>, AwsError> {
    const ACTION: &str = "glue:GetTables";
    let mut tables = BTreeSet::new();
    let mut body = json!({ "DatabaseName": athena.database });
    loop {
        let page = clients.read(SignedRead::GetTables, &body).await?;
        let listed = page.get("TableList").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| clients.malformed(ACTION, "no TableList"))?;
        let others = listed.iter().filter(|table| !is_own(table, own));
        let names = others.filter_map(|table| table.get("Name")?.as_str());
        tables.extend(names.map(str::to_owned));
        match page.get("NextToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(next) if body["NextToken"] != next => body["NextToken"] = next.into(),
            Some(_) => return Err(clients.malformed(ACTION, "the same NextToken twice")),
            None => break,
        }
    }
    Ok(tables)
}

/// Whether orgtrail created a table for an organization.
fn is_own(table: &Value, organization: &OrgId) -> bool {
    let text = |path: &str| table.pointer(path).and_then(Value::as_str);
    let owner = table.pointer("/Parameters").and_then(|all| all.get(OWNER)?.as_str());
    let is_named = |name: &str| text("/Name") == Some(name);
    owner == Some(organization.as_str())
        && [raw_table::NAME, export_table::NAME].into_iter().any(is_named)
}

fn arn(desired: &Desired, athena: &Athena) -> String {
    desired.athena_arn(athena, "glue", format!("database/{}", athena.database))
}

impl Resource for Database {
    type State = Self;
    const ID: &'static str = "athena-database";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] =
        &["glue:CreateDatabase", "glue:DeleteDatabase", "glue:GetDatabase", "glue:GetTables"];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.athena.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let Some(athena) = &context.desired.config.athena else { return Observation::Absent };
        let read = Self::read(&clients(context, athena), athena, context.desired.org_id()).await;
        Observation::from_result(read, AwsError::is_not_found)
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let Some(athena) = &desired.config.athena else { return Change::nothing() };
        let Some(found) = found else {
            let fields = vec![FieldChange::new("arn", None::<String>, Some(arn(desired, athena)))];
            return Change::create("Athena finds the tables of the archive in it", fields);
        };
        let name = format!("the database `{}`", athena.database);
        let mark = ("athena.database", "parameter");
        if let Some(refused) = refused(&name, found.owner.as_deref(), mark, desired) {
            return refused;
        }
        let note = found.lake_formation.then(|| {
            format!(
                "AWS Lake Formation governs {name}: grant SELECT and DESCRIBE on its tables to \
                 those who query them"
            )
        });
        Change::nothing().with_notes(note)
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(athena) = &desired.config.athena else { return Ok(()) };
        let body = json!({ "DatabaseInput": {
            "Name": athena.database,
            "Description": "orgtrail: tables over the CloudTrail archive",
            "Parameters": { OWNER: desired.org_id() },
        } });
        write_clients(context, athena).send(SignedCall::CreateDatabase, &body).await?;
        context.mark_created();
        Ok(())
    }

    /// Glue deletes the tables of a database with it, so one with tables of others is kept.
    fn deletion(desired: &Desired, found: &Self) -> Option<Deletion> {
        let athena = desired.config.athena.as_ref()?;
        let is_own = found.owner.as_deref() == Some(desired.org_id().as_str());
        let value = arn(desired, athena);
        let why = "it only describes the archive's log files";
        (is_own && found.other_tables.is_empty()).then_some(Deletion { field: "arn", value, why })
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        let Some(athena) = &desired.config.athena else { return Vec::new() };
        if found.is_none_or(|found| Self::deletion(desired, found).is_some()) {
            return Vec::new();
        }
        let why = "it has tables that orgtrail did not create, or orgtrail did not create it";
        vec![Kept::new(&athena.database, why, KeptCost::Nothing)]
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let Some(athena) = &context.desired.config.athena else { return Ok(()) };
        let body = json!({ "Name": athena.database });
        let clients = write_clients(context, athena);
        ignore_missing(clients.send(SignedCall::DeleteDatabase, &body).await)
    }
}
