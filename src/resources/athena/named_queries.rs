use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::questions::{QUESTIONS, first_difference};
use super::{NamedQuery, Workgroup, write_clients};
use crate::aws::{AwsError, Observation, SignedCall};
use crate::config::Athena;
use crate::resources::change::{Change, named_change};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The named queries of the workgroup. They share its state.
#[derive(Debug)]
pub(crate) struct NamedQueries;

/// The declared queries, by name.
fn declared(desired: &Desired) -> BTreeMap<String, NamedQuery> {
    let Some(athena) = configured(desired) else { return BTreeMap::new() };
    let query = |question: &super::questions::Question| NamedQuery {
        id: String::new(),
        sql: question.sql(desired, athena),
        database: athena.database.to_string(),
        description: question.title.to_owned(),
    };
    QUESTIONS.iter().map(|question| (question.query_name(), query(question))).collect()
}

fn configured(desired: &Desired) -> Option<&Athena> {
    desired.config.athena.as_ref().filter(|athena| athena.named_queries)
}

/// Whether two queries are the same, whatever their ids.
fn is_same(one: &NamedQuery, other: &NamedQuery) -> bool {
    (&one.sql, &one.database, &one.description) == (&other.sql, &other.database, &other.description)
}

impl Resource for NamedQueries {
    type State = Workgroup;
    const ID: &'static str = "athena-workgroup/named-queries";
    const DEPENDS_ON: &'static [&'static str] = &["athena-workgroup", "athena-table"];
    const ACTIONS: &'static [&'static str] = &[
        "athena:BatchGetNamedQuery",
        "athena:CreateNamedQuery",
        "athena:DeleteNamedQuery",
        "athena:GetWorkGroup",
        "athena:ListNamedQueries",
        "athena:ListTagsForResource",
        "athena:UpdateNamedQuery",
    ];
    const MAY_BE_UNDECLARED: bool = true;
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        configured(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Workgroup> {
        Workgroup::observe(context).await
    }

    fn compared_json(state: &Workgroup) -> Value {
        json!({ "owner": state.owner, "queries": state.queries })
    }

    fn diff(desired: &Desired, found: Option<&Workgroup>, _: &Observed) -> Change {
        let Some(athena) = configured(desired) else { return Change::nothing() };
        if let Some(refused) = found.and_then(|found| found.refused(desired, athena)) {
            return refused;
        }
        let (mut found, mut declared) = (found.map(|it| it.queries.clone()), declared(desired));
        for (name, wanted) in &mut declared {
            let is = found.as_mut().and_then(|found| found.get_mut(name));
            if let Some(is) = is.filter(|is| is.sql != wanted.sql) {
                (is.sql, wanted.sql) = first_difference(&is.sql, &wanted.sql);
            }
        }
        let description = |query: &NamedQuery| query.description.clone();
        let why = "they answer who did what, and are a start for other queries";
        named_change(found.as_ref(), &declared, description, why)
    }

    fn undeclared(desired: &Desired, found: &Workgroup) -> Vec<Undeclared> {
        if configured(desired).is_some() || !found.is_own(desired) || found.queries.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = found.queries.keys().map(String::as_str).collect();
        let what = format!("these named queries exist: {}", names.join(", "));
        vec![Undeclared::turned_off(Self::ID, "athena.named_queries", what)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(athena) = configured(desired) else { return Ok(()) };
        let clients = write_clients(context, athena);
        let found = context.observed.athena_workgroup.present();
        for (name, query) in declared(desired) {
            let is = found.and_then(|found| found.queries.get(&name));
            let mut body = json!({
                "Name": name,
                "Description": query.description,
                "QueryString": query.sql,
            });
            match is {
                Some(is) if is_same(is, &query) => continue,
                // The database of a query cannot be changed.
                Some(is) if is.database == query.database => {
                    body["NamedQueryId"] = is.id.as_str().into();
                    clients.send(SignedCall::UpdateNamedQuery, &body).await?;
                    continue;
                }
                Some(is) => {
                    let old = json!({ "NamedQueryId": is.id });
                    ignore_missing(clients.send(SignedCall::DeleteNamedQuery, &old).await)?;
                }
                None => {}
            }
            body["Database"] = query.database.as_str().into();
            body["WorkGroup"] = athena.workgroup.as_str().into();
            context.retry(|| clients.send(SignedCall::CreateNamedQuery, &body)).await?;
        }
        Ok(())
    }

    fn deletion(desired: &Desired, found: &Workgroup) -> Option<Deletion> {
        let names: Vec<&str> = found.queries.keys().map(String::as_str).collect();
        let why = "they are of an archive that is no longer written";
        (found.is_own(desired) && !names.is_empty()).then(|| Deletion {
            field: "names",
            value: names.join(", "),
            why,
        })
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let Some(athena) = configured(context.desired) else { return Ok(()) };
        let clients = write_clients(context, athena);
        let found = context.observed.athena_workgroup.present();
        for query in found.into_iter().flat_map(|found| found.queries.values()) {
            let body = json!({ "NamedQueryId": query.id });
            match clients.send(SignedCall::DeleteNamedQuery, &body).await {
                // Athena has no code of its own for a query that does not exist.
                Err(error) if error.is_code("InvalidRequestException") => {}
                deleted => ignore_missing(deleted)?,
            }
        }
        Ok(())
    }
}
