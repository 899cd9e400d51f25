//! What the tables, the workgroup and the queries of [athena] need.

use super::grant::{Grant, Scope};
use crate::config::{Athena, Config, S3Location};
use crate::names::{AccountId, Arn};
use crate::resources::athena_table_names;

/// The account of the tables and the workgroup, if the configuration declares them.
pub(super) fn account(config: &Config) -> Option<&AccountId> {
    config.athena.as_ref().map(|athena| &athena.account)
}

/// The permissions in that account.
pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let Some(athena) = &scope.config.athena else { return Vec::new() };
    let mut grants = vec![
        results(scope, athena),
        database(scope, athena),
        tables(scope, athena),
        workgroup(scope, athena),
    ];
    if athena.named_queries {
        grants.push(named_queries(scope, athena));
    }
    grants.extend(export(scope, athena));
    grants
}

/// What `events export` needs of the bucket that the configuration names for it.
fn export(scope: &Scope<'_>, athena: &Athena) -> Option<Grant> {
    let S3Location { bucket, prefix } = athena.export.as_ref()?;
    let prefix = prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    Some(Grant::new(
        "WriteEventExport",
        ["s3:PutObject"],
        [scope.s3(format!("{bucket}/{prefix}events/*"))],
        "Writes the exported events. What is there is read as any bucket with logs; no role deletes \
         objects, so that `--replace` needs other permissions.",
    ))
}

fn arn(scope: &Scope<'_>, athena: &Athena, service: &str, resource: String) -> String {
    Arn::regional(scope.partition(), service, &athena.region, &athena.account, resource).to_string()
}

fn results(scope: &Scope<'_>, athena: &Athena) -> Grant {
    Grant::new(
        "ConfigureAthenaResults",
        [
            "s3:CreateBucket",
            "s3:GetBucketObjectLockConfiguration",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketVersioning",
            "s3:GetLifecycleConfiguration",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutLifecycleConfiguration",
        ],
        [scope.s3(athena.results.bucket.as_str())],
        "Creates the bucket of the results of Athena's queries and configures it.",
    )
}

/// The catalog and a database: every call for a table is also one for these.
fn catalog(scope: &Scope<'_>, athena: &Athena) -> Vec<String> {
    let database = format!("database/{}", athena.database);
    vec![arn(scope, athena, "glue", "catalog".to_owned()), arn(scope, athena, "glue", database)]
}

fn database(scope: &Scope<'_>, athena: &Athena) -> Grant {
    let mut resources = catalog(scope, athena);
    for kind in ["table", "userDefinedFunction"] {
        resources.push(arn(scope, athena, "glue", format!("{kind}/{}/*", athena.database)));
    }
    Grant::new(
        "ManageAthenaDatabase",
        ["glue:CreateDatabase", "glue:DeleteDatabase", "glue:GetDatabase", "glue:GetTables"],
        resources,
        "Creates the database of Athena's tables, and deletes it if all of its tables are \
         orgtrail's. AWS asks for its tables and functions too.",
    )
}

fn tables(scope: &Scope<'_>, athena: &Athena) -> Grant {
    let mut resources = catalog(scope, athena);
    resources.extend(
        athena_table_names(athena)
            .map(|name| arn(scope, athena, "glue", format!("table/{}/{name}", athena.database))),
    );
    Grant::new(
        "ManageAthenaTables",
        ["glue:CreateTable", "glue:DeleteTable", "glue:GetTable", "glue:UpdateTable"],
        resources,
        "Creates, configures and deletes the tables over the archive.",
    )
}

fn workgroup(scope: &Scope<'_>, athena: &Athena) -> Grant {
    let workgroup = format!("workgroup/{}", athena.workgroup);
    Grant::new(
        "ManageAthenaWorkgroup",
        [
            "athena:BatchGetNamedQuery",
            "athena:CreateWorkGroup",
            "athena:DeleteWorkGroup",
            "athena:GetWorkGroup",
            "athena:ListNamedQueries",
            "athena:ListTagsForResource",
            "athena:TagResource",
            "athena:UpdateWorkGroup",
        ],
        [arn(scope, athena, "athena", workgroup)],
        "Creates, configures and deletes the workgroup, and reads its named queries.",
    )
}

fn named_queries(scope: &Scope<'_>, athena: &Athena) -> Grant {
    let workgroup = format!("workgroup/{}", athena.workgroup);
    Grant::new(
        "ManageAthenaQueries",
        ["athena:CreateNamedQuery", "athena:DeleteNamedQuery", "athena:UpdateNamedQuery"],
        [arn(scope, athena, "athena", workgroup)],
        "Saves, changes and deletes the named queries.",
    )
}

/// The query definitions of the log group, in the management account.
pub(super) fn definitions(scope: &Scope<'_>) -> Option<Grant> {
    let config = scope.config;
    let athena = config.athena.as_ref().filter(|_| config.cloudwatch_logs.enabled)?;
    let mut actions = vec!["logs:DescribeQueryDefinitions"];
    if athena.named_queries {
        actions.extend(["logs:DeleteQueryDefinition", "logs:PutQueryDefinition"]);
    }
    Some(Grant::new(
        "ManageQueryDefinitions",
        actions,
        ["*"],
        "Saves, changes and deletes queries of CloudWatch Logs Insights. AWS has no resource for \
         these actions.",
    ))
}
