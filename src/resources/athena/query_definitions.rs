use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::questions::{QUESTIONS, Question, first_difference};
use crate::aws::{At, AwsError, Clients, Observation};
use crate::resources::change::{Change, named_change};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The query definitions of CloudWatch Logs Insights with orgtrail's names.
///
/// Source: CloudWatch Logs `DescribeQueryDefinitions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct QueryDefinitions {
    /// By name.
    pub definitions: BTreeMap<String, QueryDefinition>,
}

/// A query definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryDefinition {
    /// Its id, by which it is changed.
    #[serde(skip)]
    pub id: String,
    /// The query.
    pub query: String,
    /// The log groups that it searches.
    pub log_groups: BTreeSet<String>,
}

/// The folder of the definitions.
const FOLDER: &str = "orgtrail/";

fn is_configured(desired: &Desired) -> bool {
    let athena = desired.config.athena.as_ref();
    desired.config.cloudwatch_logs.enabled && athena.is_some_and(|athena| athena.named_queries)
}

/// The declared definitions, by name.
fn declared(desired: &Desired) -> BTreeMap<String, QueryDefinition> {
    if !is_configured(desired) {
        return BTreeMap::new();
    }
    let group = &desired.config.cloudwatch_logs.group;
    let definition = |question: &super::questions::Question| QueryDefinition {
        id: String::new(),
        query: question.insights().to_owned(),
        log_groups: BTreeSet::from([group.to_string()]),
    };
    QUESTIONS.iter().map(|question| (question.definition_name(), definition(question))).collect()
}

async fn read(clients: &Clients) -> Result<QueryDefinitions, AwsError> {
    let names: BTreeSet<String> = QUESTIONS.iter().map(Question::definition_name).collect();
    let mut definitions = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        const ACTION: &str = "logs:DescribeQueryDefinitions";
        let call = clients.logs().describe_query_definitions();
        let call = call.query_definition_name_prefix(FOLDER).set_next_token(token.clone());
        let page = call.send().await.at(clients, ACTION)?;
        for found in page.query_definitions.unwrap_or_default() {
            let (Some(name), Some(id)) = (found.name, found.query_definition_id) else { continue };
            if names.contains(&name) {
                definitions.entry(name).or_insert(QueryDefinition {
                    id,
                    query: found.query_string.unwrap_or_default(),
                    log_groups: found.log_group_names.into_iter().flatten().collect(),
                });
            }
        }
        match page.next_token.filter(|next| !next.is_empty()) {
            Some(next) if token.as_ref() != Some(&next) => token = Some(next),
            Some(_) => return Err(clients.malformed(ACTION, "the same nextToken twice")),
            None => return Ok(QueryDefinitions { definitions }),
        }
    }
}

impl Resource for QueryDefinitions {
    type State = Self;
    const ID: &'static str = "query-definitions";
    const DEPENDS_ON: &'static [&'static str] = &["log-group"];
    const ACTIONS: &'static [&'static str] =
        &["logs:DeleteQueryDefinition", "logs:DescribeQueryDefinitions", "logs:PutQueryDefinition"];
    const MAY_BE_UNDECLARED: bool = true;
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        is_configured(desired)
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        // Without the section, orgtrail may not read them.
        if context.desired.config.athena.is_none() {
            return Observation::Absent;
        }
        Observation::from_result(read(&context.management()).await, |_| false)
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "the same questions can be asked about the events in the log group";
        let in_short = |definition: &QueryDefinition| {
            definition.query.lines().next().unwrap_or_default().to_owned()
        };
        let (mut found, mut declared) = (found.map(|it| it.definitions.clone()), declared(desired));
        for (name, wanted) in &mut declared {
            let is = found.as_mut().and_then(|found| found.get_mut(name));
            if let Some(is) = is.filter(|is| is.query != wanted.query) {
                (is.query, wanted.query) = first_difference(&is.query, &wanted.query);
            }
        }
        named_change(found.as_ref(), &declared, in_short, why)
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        if is_configured(desired) || found.definitions.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = found.definitions.keys().map(String::as_str).collect();
        let what = format!("these query definitions exist: {}", names.join(", "));
        vec![Undeclared::turned_off(Self::ID, "athena.named_queries", what)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let found = context.observed.query_definitions.present();
        for (name, wanted) in declared(context.desired) {
            let is = found.and_then(|found| found.definitions.get(&name));
            let is_same = |is: &QueryDefinition| {
                (&is.query, &is.log_groups) == (&wanted.query, &wanted.log_groups)
            };
            if is.is_some_and(is_same) {
                continue;
            }
            clients
                .logs()
                .put_query_definition()
                .set_query_definition_id(is.map(|is| is.id.clone()))
                .name(name)
                .query_string(wanted.query)
                .set_log_group_names(Some(wanted.log_groups.into_iter().collect()))
                .send()
                .await
                .at(&clients, "logs:PutQueryDefinition")?;
        }
        Ok(())
    }

    fn deletion(_: &Desired, found: &Self) -> Option<Deletion> {
        let names: Vec<&str> = found.definitions.keys().map(String::as_str).collect();
        let why = "the trail whose events they search is deleted";
        (!names.is_empty()).then(|| Deletion { field: "names", value: names.join(", "), why })
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let clients = context.management();
        let found = context.observed.query_definitions.present();
        for definition in found.into_iter().flat_map(|found| found.definitions.values()) {
            let call = clients.logs().delete_query_definition();
            let call = call.query_definition_id(&definition.id).send().await;
            ignore_missing(call.at(&clients, "logs:DeleteQueryDefinition"))?;
        }
        Ok(())
    }
}
