//! What both tables have in common.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{OWNER, clients, refused, write_clients};
use crate::aws::{AwsError, Observation, SignedCall, SignedRead};
use crate::config::{AccountProjection, Athena};
use crate::names::AccountId;
use crate::resources::change::{Change, field_changes};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, StepError};

/// A table of the Glue Data Catalog.
///
/// Source: Glue `GetTable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// The organization that orgtrail created it for; none if orgtrail did not.
    pub owner: Option<String>,
    /// `EXTERNAL_TABLE`, or another type.
    pub table_type: String,
    /// Where its files are: `s3://BUCKET/FOLDER/`.
    pub location: String,
    /// The Java class that reads files.
    pub input_format: String,
    /// The Java class that would write files.
    pub output_format: String,
    /// The Java class that reads records.
    pub serde: String,
    /// The types of its columns.
    pub columns: BTreeMap<String, String>,
    /// The types of its partition keys.
    pub partition_keys: BTreeMap<String, String>,
    /// Its parameters that decide where Athena looks for files.
    pub parameters: BTreeMap<String, String>,
    /// Its other parameters, which are kept.
    #[serde(skip)]
    pub other_parameters: BTreeMap<String, String>,
}

/// What is declared of a table.
pub(super) struct DeclaredTable {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) location: String,
    pub(super) input_format: &'static str,
    pub(super) output_format: &'static str,
    pub(super) serde: &'static str,
    /// In order.
    pub(super) columns: Vec<(&'static str, String)>,
    /// In the order of the folders.
    pub(super) partition_keys: Vec<&'static str>,
    pub(super) parameters: BTreeMap<String, String>,
}

/// The type of all partition keys.
const KEY_TYPE: &str = "string";
const EXTERNAL: &str = "EXTERNAL_TABLE";

/// Whether a parameter decides where Athena looks for files, or how.
fn is_projection(name: &str) -> bool {
    name.starts_with("projection.") || name == "storage.location.template"
}

impl DeclaredTable {
    fn state(&self, desired: &Desired) -> Table {
        let columns = self.columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
        let keys = self.partition_keys.iter();
        Table {
            owner: Some(desired.org_id().to_string()),
            table_type: EXTERNAL.to_owned(),
            location: self.location.clone(),
            input_format: self.input_format.to_owned(),
            output_format: self.output_format.to_owned(),
            serde: self.serde.to_owned(),
            columns: columns.collect(),
            partition_keys: keys.map(|name| ((*name).to_owned(), KEY_TYPE.to_owned())).collect(),
            parameters: self.parameters.clone(),
            other_parameters: BTreeMap::new(),
        }
    }

    /// The `TableInput` of Glue.
    fn input(&self, desired: &Desired, found: Option<&Table>) -> Value {
        let mut parameters = found.map(|found| found.other_parameters.clone()).unwrap_or_default();
        parameters.extend(self.parameters.clone());
        parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
        parameters.insert(OWNER.to_owned(), desired.org_id().to_string());
        let column = |name: &str, kind: &str| json!({ "Name": name, "Type": kind });
        let columns: Vec<Value> =
            self.columns.iter().map(|(name, kind)| column(name, kind)).collect();
        let keys: Vec<Value> =
            self.partition_keys.iter().map(|name| column(name, KEY_TYPE)).collect();
        json!({
            "Name": self.name,
            "Description": self.description,
            "TableType": EXTERNAL,
            "Parameters": parameters,
            "PartitionKeys": keys,
            "StorageDescriptor": {
                "Columns": columns,
                "Location": self.location,
                "InputFormat": self.input_format,
                "OutputFormat": self.output_format,
                "SerdeInfo": { "SerializationLibrary": self.serde },
            },
        })
    }

    /// Compares a table with its declaration.
    pub(super) fn diff(
        &self,
        desired: &Desired,
        athena: &Athena,
        found: Option<&Table>,
        why: &str,
    ) -> Change {
        let wanted = self.state(desired);
        let Some(found) = found else {
            // Its columns are those of the documentation, and need no list.
            let mut shown = json!(wanted);
            if let Some(fields) = shown.as_object_mut() {
                fields.retain(|name, _| ["location", "parameters"].contains(&name.as_str()));
            }
            return Change::create(why, field_changes(None, &shown));
        };
        let name = format!("the table `{}.{}`", athena.database, self.name);
        let mark = ("athena.database", "parameter");
        if let Some(refused) = refused(&name, found.owner.as_deref(), mark, desired) {
            return refused;
        }
        Change::update(why, field_changes(Some(found), &wanted))
    }

    /// Creates a table or replaces its settings.
    pub(super) async fn apply(
        &self,
        context: &ApplyContext<'_>,
        athena: &Athena,
        found: Option<&Table>,
    ) -> Result<(), StepError> {
        let call = if found.is_some() { SignedCall::UpdateTable } else { SignedCall::CreateTable };
        let input = self.input(context.desired, found);
        let body = json!({ "DatabaseName": athena.database, "TableInput": input });
        let clients = write_clients(context, athena);
        context.retry(|| clients.send(call, &body)).await?;
        Ok(())
    }
}

impl Table {
    pub(super) async fn observe(
        context: &ObserveContext<'_>,
        athena: &Athena,
        name: &str,
    ) -> Observation<Self> {
        let clients = clients(context, athena);
        let body = json!({ "DatabaseName": athena.database, "Name": name });
        let read = clients.read(SignedRead::GetTable, &body).await;
        let read = read.and_then(|answer| {
            let table = answer.get("Table").filter(|table| table.is_object());
            let malformed = || clients.malformed("glue:GetTable", "no Table");
            table.map(Self::of).ok_or_else(malformed)
        });
        Observation::from_result(read, AwsError::is_not_found)
    }

    fn of(table: &Value) -> Self {
        let storage = table.get("StorageDescriptor").cloned().unwrap_or_default();
        let text = |of: &Value, path: &str| {
            of.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut all = strings(table.get("Parameters").and_then(Value::as_object));
        let owner = all.remove(OWNER);
        all.remove("EXTERNAL");
        let (parameters, other_parameters) =
            all.into_iter().partition(|(name, _)| is_projection(name));
        Self {
            owner,
            table_type: text(table, "/TableType"),
            location: text(&storage, "/Location"),
            input_format: text(&storage, "/InputFormat"),
            output_format: text(&storage, "/OutputFormat"),
            serde: text(&storage, "/SerdeInfo/SerializationLibrary"),
            columns: columns(storage.get("Columns")),
            partition_keys: columns(table.get("PartitionKeys")),
            parameters,
            other_parameters,
        }
    }

    /// Its deletion, if orgtrail created it.
    pub(super) fn deletion(&self, desired: &Desired, name: &str) -> Option<Deletion> {
        let athena = desired.config.athena.as_ref()?;
        let is_own = self.owner.as_deref() == Some(desired.org_id().as_str());
        let value = desired.athena_arn(athena, "glue", format!("table/{}/{name}", athena.database));
        let why = "it only describes files, which stay";
        is_own.then_some(Deletion { field: "arn", value, why })
    }

    pub(super) async fn delete(context: &ApplyContext<'_>, name: &str) -> Result<(), AwsError> {
        let Some(athena) = &context.desired.config.athena else { return Ok(()) };
        let body = json!({ "DatabaseName": athena.database, "Name": name });
        let clients = write_clients(context, athena);
        ignore_missing(clients.send(SignedCall::DeleteTable, &body).await)
    }
}

fn columns(listed: Option<&Value>) -> BTreeMap<String, String> {
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    let text = |column: &Value, member: &str| Some(column.get(member)?.as_str()?.to_owned());
    listed.filter_map(|column| Some((text(column, "Name")?, text(column, "Type")?))).collect()
}

fn strings(members: Option<&Map<String, Value>>) -> BTreeMap<String, String> {
    let members = members.into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The parameters of a partition key of days, from a first one to today. The format is given
/// as Java writes it, and as `strftime` does.
pub(super) fn days(
    athena: &Athena,
    (format, strftime): (&str, &str),
    parameters: &mut BTreeMap<String, String>,
) {
    let first = athena.first_day.strftime(strftime);
    let of_days = [
        ("type", "date".to_owned()),
        ("format", format.to_owned()),
        ("range", format!("{first},NOW")),
        ("interval", "1".to_owned()),
        ("interval.unit", "DAYS".to_owned()),
    ];
    parameters.extend(of_days.map(|(name, value)| (format!("projection.day.{name}"), value)));
}

/// The parameters of the accounts' partition key.
pub(super) fn accounts(
    athena: &Athena,
    accounts: &BTreeSet<AccountId>,
    parameters: &mut BTreeMap<String, String>,
) {
    match athena.projection {
        AccountProjection::Enum => listed("account", accounts, parameters),
        AccountProjection::Injected => {
            parameters.insert("projection.account.type".to_owned(), "injected".to_owned());
        }
    }
}

/// The accounts that a table lists: those of the organization, and those that left it, whose log
/// files are still in the archive.
///
/// # Errors
/// The change that stops the step: the organization's accounts could not be read.
pub(super) fn listed_accounts(
    desired: &Desired,
    athena: &Athena,
    found: Option<&Table>,
    observed: &Observed,
) -> Result<BTreeSet<AccountId>, Box<Change>> {
    let mut all = BTreeSet::new();
    if athena.projection == AccountProjection::Injected {
        return Ok(all);
    }
    match &observed.accounts {
        Observation::Present(accounts) => all.extend(accounts.iter().cloned()),
        Observation::Absent => {}
        Observation::Unreadable(error) => {
            let why = format!(
                "the organization's accounts could not be read: {}",
                crate::words::in_one_line(error)
            );
            let hint = error.hint().unwrap_or_else(|| {
                "or set athena.projection to \"injected\", which needs no list".to_owned()
            });
            return Err(Box::new(Change::blocked(why, hint)));
        }
    }
    all.extend(desired.config.consolidate.former_accounts.iter().cloned());
    let listed = found.and_then(|found| found.parameters.get("projection.account.values"));
    let listed = listed.map(|values| values.split(',')).into_iter().flatten();
    all.extend(listed.filter_map(|account| account.trim().parse::<AccountId>().ok()));
    Ok(all)
}

/// The parameters of a partition key of which all values are listed.
pub(super) fn listed(
    key: &str,
    values: impl IntoIterator<Item = impl ToString>,
    parameters: &mut BTreeMap<String, String>,
) {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    parameters.insert(format!("projection.{key}.type"), "enum".to_owned());
    parameters.insert(format!("projection.{key}.values"), values.join(","));
}
