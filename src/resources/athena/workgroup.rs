use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::questions::{QUESTIONS, Question};
use super::{OWNER, clients, refused, write_clients};
use crate::aws::{AwsError, Clients, Observation, SignedCall, SignedRead};
use crate::config::Athena;
use crate::resources::change::{Change, FieldChange, field_changes};
use crate::resources::destroy::{Deletion, Kept, KeptCost, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The workgroup in which queries of the archive run, and its named queries.
///
/// Source: Athena `GetWorkGroup`, `ListTagsForResource`, `ListNamedQueries` and
/// `BatchGetNamedQuery`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workgroup {
    /// The organization that orgtrail created it for; none if orgtrail did not.
    pub owner: Option<String>,
    /// Its settings.
    pub settings: WorkgroupSettings,
    /// Its tags, without the one that names the owner.
    pub tags: BTreeMap<String, String>,
    /// Its named queries with the names of orgtrail's, by name.
    pub queries: BTreeMap<String, NamedQuery>,
    /// The names of its other named queries.
    pub other_queries: BTreeSet<String>,
}

/// The settings of a workgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkgroupSettings {
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// Whether queries cannot have settings of their own.
    pub enforced: bool,
    /// Where results are written.
    pub results: Option<String>,
    /// How results are encrypted: `SSE_S3`, `SSE_KMS`, `CSE_KMS`.
    pub encryption: Option<String>,
    /// The key that encrypts them.
    pub kms_key: Option<String>,
    /// The account that must own the bucket of the results.
    pub results_owner: Option<String>,
    /// The most that a query scans. Units: bytes.
    pub scan_limit_bytes: Option<u64>,
    /// Whether queries may read buckets whose readers pay.
    pub requester_pays: bool,
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedQuery {
    /// Its id, by which it is changed.
    #[serde(skip)]
    pub id: String,
    /// Its statement.
    pub sql: String,
    /// The database of names without one.
    pub database: String,
    /// What it is for.
    pub description: String,
}

/// The most ids of a call.
///
/// Source: Athena `BatchGetNamedQuery`, `NamedQueryIds`.
const MOST_IDS: usize = 50;

/// Whether a workgroup does not exist: Athena has no code of its own for that.
fn is_missing(error: &AwsError) -> bool {
    error.is_code("InvalidRequestException")
        && error.message.as_deref().is_some_and(|message| message.contains("is not found"))
}

impl WorkgroupSettings {
    fn of(workgroup: &Value) -> Self {
        let at = |path: &str| workgroup.pointer(path);
        let text = |path: &str| at(path).and_then(Value::as_str).map(str::to_owned);
        let flag = |path: &str| at(path).and_then(Value::as_bool).unwrap_or(false);
        let results = |name: &str| text(&format!("/Configuration/ResultConfiguration/{name}"));
        Self {
            state: text("/State").unwrap_or_default(),
            enforced: flag("/Configuration/EnforceWorkGroupConfiguration"),
            results: results("OutputLocation"),
            encryption: results("EncryptionConfiguration/EncryptionOption"),
            kms_key: results("EncryptionConfiguration/KmsKey"),
            results_owner: results("ExpectedBucketOwner"),
            scan_limit_bytes: at("/Configuration/BytesScannedCutoffPerQuery")
                .and_then(Value::as_u64),
            requester_pays: flag("/Configuration/RequesterPaysEnabled"),
        }
    }

    fn declared(athena: &Athena) -> Self {
        let key = athena.kms_key.as_ref().map(ToString::to_string);
        let encryption = if key.is_some() { "SSE_KMS" } else { "SSE_S3" };
        Self {
            state: "ENABLED".to_owned(),
            enforced: true,
            results: Some(format!("{}/", athena.results)),
            encryption: Some(encryption.to_owned()),
            kms_key: key,
            results_owner: Some(athena.account.to_string()),
            scan_limit_bytes: Some(athena.scan_limit_bytes),
            requester_pays: false,
        }
    }

    /// The part that is the same when a workgroup is created and when it is updated.
    fn result_configuration(&self) -> Value {
        let mut encryption = json!({ "EncryptionOption": self.encryption });
        if let Some(key) = &self.kms_key {
            encryption["KmsKey"] = key.as_str().into();
        }
        json!({
            "OutputLocation": self.results,
            "EncryptionConfiguration": encryption,
            "ExpectedBucketOwner": self.results_owner,
        })
    }

    fn configuration(&self, results: &str) -> Value {
        json!({
            results: self.result_configuration(),
            "EnforceWorkGroupConfiguration": self.enforced,
            "BytesScannedCutoffPerQuery": self.scan_limit_bytes,
            "RequesterPaysEnabled": self.requester_pays,
        })
    }
}

impl Workgroup {
    pub(super) async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let Some(athena) = &context.desired.config.athena else { return Observation::Absent };
        let read = Self::read(&clients(context, athena), context.desired, athena).await;
        Observation::from_result(read, is_missing)
    }

    async fn read(clients: &Clients, desired: &Desired, athena: &Athena) -> Result<Self, AwsError> {
        let body = json!({ "WorkGroup": athena.workgroup });
        let answer = clients.read(SignedRead::GetWorkGroup, &body).await?;
        let found = answer.get("WorkGroup").filter(|found| found.is_object());
        let found =
            found.ok_or_else(|| clients.malformed("athena:GetWorkGroup", "no WorkGroup"))?;
        let arn = arn(desired, athena);
        let (mut tags, (queries, other_queries)) =
            futures::try_join!(tags(clients, &arn), named_queries(clients, athena))?;
        let owner = tags.remove(OWNER);
        let settings = WorkgroupSettings::of(found);
        Ok(Self { owner, settings, tags, queries, other_queries })
    }

    pub(super) fn is_own(&self, desired: &Desired) -> bool {
        self.owner.as_deref() == Some(desired.org_id().as_str())
    }

    /// The refusal to change a workgroup that orgtrail did not create.
    pub(super) fn refused(&self, desired: &Desired, athena: &Athena) -> Option<Change> {
        let name = format!("the workgroup `{}`", athena.workgroup);
        refused(&name, self.owner.as_deref(), ("athena.workgroup", "tag"), desired)
    }
}

/// Repeats a call until its last page.
async fn pages(
    clients: &Clients,
    call: SignedRead,
    mut body: Value,
    mut page: impl FnMut(&Value) -> Option<()>,
) -> Result<(), AwsError> {
    loop {
        let answer = clients.read(call, &body).await?;
        page(&answer).ok_or_else(|| clients.malformed(call.action(), "a list is missing"))?;
        match answer.get("NextToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(next) if body["NextToken"] != next => body["NextToken"] = next.into(),
            Some(_) => return Err(clients.malformed(call.action(), "the same NextToken twice")),
            None => return Ok(()),
        }
    }
}

async fn tags(clients: &Clients, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = BTreeMap::new();
    pages(clients, SignedRead::ListWorkGroupTags, json!({ "ResourceARN": arn }), |page| {
        for tag in page.get("Tags")?.as_array()? {
            let text = |member: &str| tag.get(member)?.as_str().map(str::to_owned);
            tags.insert(text("Key")?, text("Value").unwrap_or_default());
        }
        Some(())
    })
    .await?;
    Ok(tags)
}

/// The named queries with orgtrail's names, and the names of the others.
async fn named_queries(
    clients: &Clients,
    athena: &Athena,
) -> Result<(BTreeMap<String, NamedQuery>, BTreeSet<String>), AwsError> {
    let mut ids = BTreeSet::new();
    let body = json!({ "WorkGroup": athena.workgroup });
    pages(clients, SignedRead::ListNamedQueries, body, |page| {
        let listed = page.get("NamedQueryIds")?.as_array()?;
        ids.extend(listed.iter().filter_map(|id| id.as_str().map(str::to_owned)));
        Some(())
    })
    .await?;
    let (mut own, mut others) = (BTreeMap::new(), BTreeSet::new());
    let names: BTreeSet<String> = QUESTIONS.iter().map(Question::query_name).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    for some in ids.chunks(MOST_IDS) {
        const ACTION: &str = "athena:BatchGetNamedQuery";
        let body = json!({ "NamedQueryIds": some });
        let answer = clients.read(SignedRead::BatchGetNamedQuery, &body).await?;
        let listed = answer.get("NamedQueries").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| clients.malformed(ACTION, "no NamedQueries"))?;
        let unread = answer.get("UnprocessedNamedQueryIds").and_then(Value::as_array);
        if let Some(one) = unread.and_then(|unread| unread.first()) {
            return Err(clients.malformed(ACTION, &format!("an unprocessed id: {one}")));
        }
        for query in listed {
            let text = |member: &str| {
                query.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let name = text("Name");
            if !names.contains(&name) {
                others.insert(name);
                continue;
            }
            own.entry(name).or_insert_with(|| NamedQuery {
                id: text("NamedQueryId"),
                sql: text("QueryString"),
                database: text("Database"),
                description: text("Description"),
            });
        }
    }
    Ok((own, others))
}

fn arn(desired: &Desired, athena: &Athena) -> String {
    desired.athena_arn(athena, "athena", format!("workgroup/{}", athena.workgroup))
}

/// The tags that are missing or different.
fn missing_tags(desired: &Desired, found: &Workgroup) -> BTreeMap<String, String> {
    let mut tags = desired.config.trail.tags.clone();
    tags.retain(|name, value| found.tags.get(name) != Some(value));
    tags
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect()
}

const DESCRIPTION: &str = "orgtrail: queries of the CloudTrail archive";

impl Resource for Workgroup {
    type State = Self;
    const ID: &'static str = "athena-workgroup";
    const DEPENDS_ON: &'static [&'static str] = &["athena-results"];
    const ACTIONS: &'static [&'static str] = &[
        "athena:BatchGetNamedQuery",
        "athena:CreateWorkGroup",
        "athena:DeleteWorkGroup",
        "athena:GetWorkGroup",
        "athena:ListNamedQueries",
        "athena:ListTagsForResource",
        "athena:TagResource",
        "athena:UpdateWorkGroup",
    ];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.athena.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        Self::observe(context).await
    }

    /// Not the named queries, which have a step of their own.
    fn compared_json(state: &Self) -> Value {
        json!({ "owner": state.owner, "settings": state.settings, "tags": state.tags })
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let Some(athena) = &desired.config.athena else { return Change::nothing() };
        let why = "queries have a limit, and their results are encrypted and expire";
        let wanted = WorkgroupSettings::declared(athena);
        let Some(found) = found else {
            let mut fields =
                vec![FieldChange::new("arn", None::<String>, Some(arn(desired, athena)))];
            fields.extend(field_changes(None, &wanted));
            return Change::create(why, fields);
        };
        if let Some(refused) = found.refused(desired, athena) {
            return refused;
        }
        let mut fields = field_changes(Some(&found.settings), &wanted);
        let tags = missing_tags(desired, found);
        fields.extend(tags.into_iter().map(|(name, value)| {
            let before = found.tags.get(&name).cloned();
            FieldChange::new(format!("tags.{name}"), before, Some(value))
        }));
        Change::update(why, fields)
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(athena) = &desired.config.athena else { return Ok(()) };
        let clients = write_clients(context, athena);
        let wanted = WorkgroupSettings::declared(athena);
        let Some(found) = context.observed.athena_workgroup.present() else {
            let mut tags = desired.config.trail.tags.clone();
            tags.insert(OWNER.to_owned(), desired.org_id().to_string());
            let body = json!({
                "Name": athena.workgroup,
                "Description": DESCRIPTION,
                "Configuration": wanted.configuration("ResultConfiguration"),
                "Tags": tag_list(&tags),
            });
            context.retry(|| clients.send(SignedCall::CreateWorkGroup, &body)).await?;
            context.mark_created();
            return Ok(());
        };
        if found.settings != wanted {
            let updates = wanted.configuration("ResultConfigurationUpdates");
            let body = json!({
                "WorkGroup": athena.workgroup,
                "Description": DESCRIPTION,
                "State": wanted.state,
                "ConfigurationUpdates": updates,
            });
            clients.send(SignedCall::UpdateWorkGroup, &body).await?;
        }
        let tags = missing_tags(desired, found);
        if !tags.is_empty() {
            let body = json!({ "ResourceARN": arn(desired, athena), "Tags": tag_list(&tags) });
            clients.send(SignedCall::TagWorkGroup, &body).await?;
        }
        Ok(())
    }

    /// Athena deletes the named queries of a workgroup with it, so one with queries of others is
    /// kept.
    fn deletion(desired: &Desired, found: &Self) -> Option<Deletion> {
        let athena = desired.config.athena.as_ref()?;
        let value = arn(desired, athena);
        let why = "its queries are of an archive that is no longer written";
        (found.is_own(desired) && found.other_queries.is_empty()).then_some(Deletion {
            field: "arn",
            value,
            why,
        })
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        let Some(athena) = &desired.config.athena else { return Vec::new() };
        if found.is_none_or(|found| Self::deletion(desired, found).is_some()) {
            return Vec::new();
        }
        let why = "it has queries that orgtrail did not create, or orgtrail did not create it";
        vec![Kept::new(&athena.workgroup, why, KeptCost::Nothing)]
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let desired = context.desired;
        let Some(athena) = &desired.config.athena else { return Ok(()) };
        let clients = write_clients(context, athena);
        // Somebody may have saved a query after the plan was shown.
        let (_, others) = match named_queries(&clients, athena).await {
            Err(error) if is_missing(&error) => return Ok(()),
            read => read?,
        };
        // Its history makes a workgroup not empty, too.
        let body = json!({
            "WorkGroup": athena.workgroup,
            "RecursiveDeleteOption": others.is_empty(),
        });
        match clients.send(SignedCall::DeleteWorkGroup, &body).await {
            Err(error) if is_missing(&error) => Ok(()),
            deleted => ignore_missing(deleted),
        }
    }
}
