//! Athena's tables, workgroup and queries: created, corrected, and deleted with the trail; what
//! orgtrail did not create is refused and kept.

use orgtrail::aws::{AwsError, SignedCall, SignedRead, WriteClients};
use orgtrail::plan::Action;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::configured::{ConfiguredEnv, actions};
use crate::env::{MINIMAL, home};

const RESULTS: &str = "acme-log-archive-athena-results";
const OWNER: &str = "orgtrail:organization";
const ALL: [&str; 7] = [
    "athena-results",
    "athena-database",
    "athena-table",
    "athena-export-table",
    "athena-workgroup",
    "athena-workgroup/named-queries",
    "query-definitions",
];

fn config(lines: &str) -> String {
    let export = "export = \"s3://acme-export/orgtrail\"";
    format!("{MINIMAL}[athena]\nfirst_day = 2024-01-31\n{export}\n{lines}\n")
}

fn named(found: &[(String, Action)], id: &str) -> Option<Action> {
    found.iter().find(|(of, _)| of == id).map(|(_, action)| *action)
}

async fn table(clients: &WriteClients, name: &str) -> Result<Value, AwsError> {
    let body = json!({ "DatabaseName": "orgtrail", "Name": name });
    clients.read(SignedRead::GetTable, &body).await.map(|answer| answer["Table"].clone())
}

async fn workgroup(clients: &WriteClients) -> Result<Value, AwsError> {
    let answer = clients.read(SignedRead::GetWorkGroup, &json!({ "WorkGroup": "orgtrail" })).await;
    answer.map(|answer| answer["WorkGroup"].clone())
}

async fn queries(clients: &WriteClients) -> Vec<Value> {
    let listed = json!({ "WorkGroup": "orgtrail" });
    let ids = clients.read(SignedRead::ListNamedQueries, &listed).await.unwrap();
    let some = json!({ "NamedQueryIds": ids["NamedQueryIds"] });
    let answer = clients.read(SignedRead::BatchGetNamedQuery, &some).await.unwrap();
    answer["NamedQueries"].as_array().unwrap().clone()
}

fn query<'q>(queries: &'q [Value], name: &str) -> &'q Value {
    queries.iter().find(|query| query["Name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_created_and_then_nothing_is_left_to_do() {
    let env = ConfiguredEnv::new(&config("")).await;
    let plan = env.plan().await;
    let found = actions(&plan);
    for id in ALL {
        assert_eq!(named(&found, id), Some(Action::Create), "{id}: {}", plan.to_text());
    }
    env.converge().await;
    assert!(env.plan().await.is_empty());

    let archive = env.archive();
    let organization = env.sandbox.organization_id().unwrap();
    let raw = table(&archive, "cloudtrail_logs").await.unwrap();
    let parameters = &raw["Parameters"];
    let logs = format!("s3://acme-log-archive/AWSLogs/{organization}/");
    assert_eq!(raw["StorageDescriptor"]["Location"], logs.as_str());
    assert_eq!(
        parameters["storage.location.template"],
        format!("{logs}${{account}}/CloudTrail/${{region}}/${{day}}")
    );
    assert_eq!(parameters["projection.account.type"], "injected");
    assert_eq!(parameters["projection.day.range"], "2024/01/31,NOW");
    assert_eq!(parameters[OWNER], organization.as_str());
    let regions = parameters["projection.region.values"].as_str().unwrap();
    assert!(regions.split(',').any(|region| region == "us-east-1"), "{regions}");
    let export = table(&archive, "cloudtrail_events").await.unwrap();
    assert_eq!(
        export["Parameters"]["storage.location.template"],
        "s3://acme-export/orgtrail/events/account=${account}/region=${region}/day=${day}"
    );
    assert_eq!(export["Parameters"]["projection.day.format"], "yyyy-MM-dd");

    let group = workgroup(&archive).await.unwrap();
    let configuration = &group["Configuration"];
    assert_eq!(configuration["EnforceWorkGroupConfiguration"], true);
    assert_eq!(configuration["BytesScannedCutoffPerQuery"], 1_000_000_000_000_u64);
    let results = &configuration["ResultConfiguration"];
    assert_eq!(results["OutputLocation"], format!("s3://{RESULTS}/"));
    assert_eq!(results["EncryptionConfiguration"], json!({ "EncryptionOption": "SSE_S3" }));
    assert_eq!(results["ExpectedBucketOwner"], env.desired.archive().as_str());
    let lifecycle = archive.s3().get_bucket_lifecycle_configuration().bucket(RESULTS);
    let rules = lifecycle.send().await.unwrap().rules.unwrap();
    assert_eq!(rules[0].expiration.as_ref().unwrap().days, Some(30));

    let saved = queries(&archive).await;
    assert_eq!(saved.len(), 10);
    let one = query(&saved, "orgtrail-who-stopped-logging");
    let sql = one["QueryString"].as_str().unwrap();
    assert_eq!(one["Database"], "orgtrail");
    assert!(sql.contains("FROM orgtrail.cloudtrail_logs"), "{sql}");
    assert!(sql.contains(&format!("account IN ('{}')", env.desired.management())), "{sql}");
    assert!(saved.iter().all(|query| !query["QueryString"].as_str().unwrap().contains('{')));
    let definitions = env.management().logs().describe_query_definitions().send().await.unwrap();
    let definitions = definitions.query_definitions.unwrap();
    assert_eq!(definitions.len(), 10);
    let group = env.desired.config.cloudwatch_logs.group.to_string();
    assert!(definitions.iter().all(|one| one.log_group_names() == [group.clone()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_is_corrected_and_what_they_added_stays() {
    let env = ConfiguredEnv::new(&config("")).await;
    env.converge().await;
    let archive = env.archive();
    // A table that looks elsewhere, and has a parameter of somebody else's.
    for name in ["cloudtrail_logs", "cloudtrail_events"] {
        let mut input = table(&archive, name).await.unwrap();
        let members = input.as_object_mut().unwrap();
        let kept = ["Name", "Parameters", "PartitionKeys", "StorageDescriptor", "TableType"];
        members.retain(|member, _| kept.contains(&member.as_str()));
        input["Parameters"]["projection.day.range"] = "2030/01/01,NOW".into();
        input["Parameters"]["projection.day.interval.note"] = "theirs".into();
        input["Parameters"]["team"] = "security".into();
        input["StorageDescriptor"]["Columns"].as_array_mut().unwrap().pop();
        let body = json!({ "DatabaseName": "orgtrail", "TableInput": input });
        archive.send(SignedCall::UpdateTable, &body).await.unwrap();
    }
    let updates = json!({
        "EnforceWorkGroupConfiguration": false,
        "RequesterPaysEnabled": true,
        "RemoveBytesScannedCutoffPerQuery": true,
        "ResultConfigurationUpdates": {
            "OutputLocation": "s3://somewhere-else/",
            "RemoveEncryptionConfiguration": true,
            "RemoveExpectedBucketOwner": true,
        },
    });
    let body =
        json!({ "WorkGroup": "orgtrail", "State": "DISABLED", "ConfigurationUpdates": updates });
    archive.send(SignedCall::UpdateWorkGroup, &body).await.unwrap();
    let saved = queries(&archive).await;
    let changed = query(&saved, "orgtrail-who-stopped-logging")["NamedQueryId"].clone();
    let body = json!({ "NamedQueryId": changed, "Name": "orgtrail-who-stopped-logging", "QueryString": "SELECT 1" });
    archive.send(SignedCall::UpdateNamedQuery, &body).await.unwrap();
    let deleted = &query(&saved, "orgtrail-what-came-from-a-network")["NamedQueryId"];
    archive.send(SignedCall::DeleteNamedQuery, &json!({ "NamedQueryId": deleted })).await.unwrap();
    let theirs = json!({ "Name": "theirs", "Database": "orgtrail", "QueryString": "SELECT 2", "WorkGroup": "orgtrail" });
    archive.send(SignedCall::CreateNamedQuery, &theirs).await.unwrap();
    let logs = env.management();
    let found = logs.logs().describe_query_definitions().send().await.unwrap();
    let found = found.query_definitions.unwrap();
    let put = logs.logs().put_query_definition().name(found[0].name().unwrap());
    put.query_definition_id(found[0].query_definition_id().unwrap())
        .query_string("fields @message")
        .send()
        .await
        .unwrap();
    archive.s3().delete_bucket_lifecycle().bucket(RESULTS).send().await.unwrap();

    let plan = env.plan().await;
    let found = actions(&plan);
    for id in ALL.iter().filter(|id| **id != "athena-database") {
        assert_eq!(named(&found, id), Some(Action::Update), "{id}: {}", plan.to_text());
    }
    let text = plan.to_text();
    for field in [
        "parameters.projection.day.range",
        "parameters.projection.day.interval.note",
        "columns.",
        "settings.enforced",
        "enforced",
        "requester_pays",
        "scan_limit_bytes",
        "results_owner",
        "orgtrail-what-came-from-a-network",
        "orgtrail-who-stopped-logging.sql",
    ] {
        let field = field.strip_prefix("settings.").unwrap_or(field);
        assert!(text.contains(field), "{field}: {text}");
    }
    let ran = env.run(&config(""), &["drift"]).await;
    assert_eq!(ran.code, 11, "{}", ran.text());
    env.converge().await;
    let raw = table(&archive, "cloudtrail_logs").await.unwrap();
    assert_eq!(raw["Parameters"]["team"], "security");
    assert_eq!(raw["Parameters"]["projection.day.range"], "2024/01/31,NOW");
    assert_eq!(raw["Parameters"]["projection.day.interval.note"], Value::Null);
    let group = workgroup(&archive).await.unwrap();
    assert_eq!(group["State"], "ENABLED");
    assert_eq!(queries(&archive).await.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_changes_what_there_is() {
    let mut env = ConfiguredEnv::new(&config("")).await;
    env.converge().await;
    let archive = env.archive();
    let key = archive.kms().create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    let lines = format!(
        "kms_key = \"{key}\"\nscan_limit_bytes = 10_000_000\nresults_days = 7\nprojection = \"enum\""
    );
    let tagged =
        config(&lines).replace("[athena]", "[trail]\ntags = { owner = \"security\" }\n[athena]");
    env.declare(&tagged);
    env.converge().await;
    let group = workgroup(&archive).await.unwrap();
    assert_eq!(group["Configuration"]["BytesScannedCutoffPerQuery"], 10_000_000);
    assert_eq!(
        group["Configuration"]["ResultConfiguration"]["EncryptionConfiguration"],
        json!({ "EncryptionOption": "SSE_KMS", "KmsKey": key })
    );
    let arn = format!("arn:aws:athena:us-east-1:{}:workgroup/orgtrail", env.desired.archive());
    let tags = archive.read(SignedRead::ListWorkGroupTags, &json!({ "ResourceARN": arn })).await;
    assert!(
        tags.unwrap()["Tags"]
            .as_array()
            .unwrap()
            .contains(&json!({ "Key": "owner", "Value": "security" }))
    );
    let raw = table(&archive, "cloudtrail_logs").await.unwrap();
    let listed = raw["Parameters"]["projection.account.values"].as_str().unwrap().to_owned();
    let accounts = env.sandbox.accounts();
    assert!(accounts.iter().all(|account| listed.contains(account.as_str())), "{listed}");
    let sql = queries(&archive).await[0]["QueryString"].as_str().unwrap().to_owned();
    assert!(sql.contains("account <> ''"), "{sql}");

    // An account that joins is listed, and one that left stays listed.
    let organizations = env.management();
    let create = organizations.organizations().create_account().account_name("new");
    create.email("new@example.com").send().await.unwrap();
    let plan = env.plan().await;
    assert_eq!(named(&actions(&plan), "athena-table"), Some(Action::Update), "{}", plan.to_text());
    env.converge().await;
    let mut input = table(&archive, "cloudtrail_logs").await.unwrap();
    let members = input.as_object_mut().unwrap();
    let kept = ["Name", "Parameters", "PartitionKeys", "StorageDescriptor", "TableType"];
    members.retain(|member, _| kept.contains(&member.as_str()));
    let values = input["Parameters"]["projection.account.values"].as_str().unwrap().to_owned();
    assert_eq!(values.split(',').count(), accounts.len() + 1);
    let values = format!("{values},999999999999");
    input["Parameters"]["projection.account.values"] = values.into();
    let body = json!({ "DatabaseName": "orgtrail", "TableInput": input });
    archive.send(SignedCall::UpdateTable, &body).await.unwrap();
    assert!(env.plan().await.is_empty(), "{}", env.plan().await.to_text());
    env.sandbox.faults().inject(Fault::every("organizations:ListAccountsForParent", Effect::Deny));
    let plan = env.plan().await;
    assert_eq!(named(&actions(&plan), "athena-table"), Some(Action::Blocked), "{}", plan.to_text());
    env.sandbox.faults().clear();

    // Without the second table and the queries, both stay and the queries are reported.
    let without = tagged.replace("export = ", "named_queries = false\n# export = ");
    env.declare(&without);
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    let ran = env.run(&without, &["drift"]).await;
    assert_eq!(ran.code, 11, "{}", ran.text());
    assert!(ran.stdout.contains("athena.named_queries"), "{}", ran.stdout);
    table(&archive, "cloudtrail_events").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_orgtrail_did_not_create_is_refused_and_never_changed() {
    let env = ConfiguredEnv::new(&config("")).await;
    let archive = env.archive();
    let database = json!({ "DatabaseInput": { "Name": "orgtrail", "Description": "theirs" } });
    archive.send(SignedCall::CreateDatabase, &database).await.unwrap();
    let input = json!({ "Name": "cloudtrail_logs", "Parameters": { OWNER: "o-anotherorg" } });
    let theirs = json!({ "DatabaseName": "orgtrail", "TableInput": input });
    archive.send(SignedCall::CreateTable, &theirs).await.unwrap();
    archive.send(SignedCall::CreateWorkGroup, &json!({ "Name": "orgtrail" })).await.unwrap();
    let plan = env.plan().await;
    let found = actions(&plan);
    for id in
        ["athena-database", "athena-table", "athena-workgroup", "athena-workgroup/named-queries"]
    {
        assert_eq!(named(&found, id), Some(Action::Refused), "{id}: {}", plan.to_text());
    }
    let text = plan.to_text();
    for says in [
        "the database `orgtrail` exists, and orgtrail did not create it",
        "the table `orgtrail.cloudtrail_logs` was created for the organization o-anotherorg",
        "the workgroup `orgtrail` exists, and orgtrail did not create it",
        "athena.database",
        "athena.workgroup",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let ran = env.run(&config(""), &["apply", "--yes"]).await;
    assert_eq!(ran.code, 12, "{}", ran.text());
    let raw = table(&archive, "cloudtrail_logs").await.unwrap();
    assert_eq!(raw["StorageDescriptor"], Value::Null);
    // Nor does destroy delete them.
    let ran = env.run(&config(""), &["destroy", "--confirm-trail", "orgtrail"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    table(&archive, "cloudtrail_logs").await.unwrap();
    workgroup(&archive).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_never_created() {
    let env = ConfiguredEnv::new(&config("")).await;
    for (call, id) in [
        ("glue:GetDatabase", "athena-database"),
        ("glue:GetTable", "athena-table"),
        ("glue:GetTable", "athena-export-table"),
        ("athena:GetWorkGroup", "athena-workgroup"),
        ("athena:GetWorkGroup", "athena-workgroup/named-queries"),
        ("logs:DescribeQueryDefinitions", "query-definitions"),
    ] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        let plan = env.plan().await;
        assert_eq!(named(&actions(&plan), id), Some(Action::Blocked), "{}", plan.to_text());
        env.sandbox.faults().clear();
    }
    env.converge().await;
    for call in [
        "glue:GetTables",
        "athena:ListTagsForResource",
        "athena:ListNamedQueries",
        "athena:BatchGetNamedQuery",
    ] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        let plan = env.plan().await;
        let found = actions(&plan);
        let blocked = found.iter().filter(|(_, action)| *action == Action::Blocked);
        assert_ne!(blocked.count(), 0, "{call}: {}", plan.to_text());
        assert!(plan.to_text().contains(call), "{call}: {}", plan.to_text());
        env.sandbox.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_deletes_what_orgtrail_created_and_keeps_what_others_added() {
    let env = ConfiguredEnv::new(&config("")).await;
    env.converge().await;
    let archive = env.archive();
    let destroy = ["destroy", "--confirm-trail", "orgtrail"];
    let view = json!({ "DatabaseName": "orgtrail", "TableInput": { "Name": "their_view" } });
    archive.send(SignedCall::CreateTable, &view).await.unwrap();
    let theirs = json!({ "Name": "theirs", "Database": "orgtrail", "QueryString": "SELECT 2", "WorkGroup": "orgtrail" });
    archive.send(SignedCall::CreateNamedQuery, &theirs).await.unwrap();
    let ran = env.run(&config(""), &destroy).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("it has tables that orgtrail did not create"), "{}", ran.text());
    assert!(table(&archive, "cloudtrail_logs").await.unwrap_err().is_not_found());
    table(&archive, "their_view").await.unwrap();
    assert_eq!(queries(&archive).await.len(), 1);
    archive.s3().head_bucket().bucket(RESULTS).send().await.unwrap();
    let definitions = env.management().logs().describe_query_definitions().send().await.unwrap();
    assert_eq!(definitions.query_definitions.unwrap_or_default(), []);

    // Once the others are gone, the rest goes too, and again nothing is left to delete.
    let view = json!({ "DatabaseName": "orgtrail", "Name": "their_view" });
    archive.send(SignedCall::DeleteTable, &view).await.unwrap();
    let theirs = queries(&archive).await[0]["NamedQueryId"].clone();
    archive.send(SignedCall::DeleteNamedQuery, &json!({ "NamedQueryId": theirs })).await.unwrap();
    for _ in 0..2 {
        let ran = env.run(&config(""), &destroy).await;
        assert_eq!(ran.code, 0, "{}", ran.text());
    }
    let database = archive.read(SignedRead::GetDatabase, &json!({ "Name": "orgtrail" })).await;
    assert!(database.unwrap_err().is_not_found());
    assert!(workgroup(&archive).await.unwrap_err().is_code("InvalidRequestException"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lake_formation_governs_is_named() {
    let env = ConfiguredEnv::new(&config("")).await;
    let organization = env.sandbox.organization_id().unwrap();
    let database = json!({ "DatabaseInput": {
        "Name": "orgtrail",
        "CreateTableDefaultPermissions": [],
        "Parameters": { OWNER: organization.as_str() },
    } });
    env.archive().send(SignedCall::CreateDatabase, &database).await.unwrap();
    env.converge().await;
    let text = env.plan().await.to_text();
    assert!(text.contains("AWS Lake Formation governs the database `orgtrail`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_can_be_in_another_account_and_region() {
    let env = ConfiguredEnv::new(&config("")).await;
    let other = env.account(2);
    let region = "eu-central-1".parse().unwrap();
    let lines = format!("account = \"{other}\"\nregion = \"eu-central-1\"");
    let mut env = env;
    env.declare(&config(&lines));
    env.converge().await;
    let clients = env.clients(&other, &region);
    table(&clients, "cloudtrail_logs").await.unwrap();
    let group = workgroup(&clients).await.unwrap();
    let results = &group["Configuration"]["ResultConfiguration"];
    assert_eq!(results["ExpectedBucketOwner"], other.as_str());
    assert!(
        table(&env.clients(&other, &home()), "cloudtrail_logs").await.unwrap_err().is_not_found()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_queries_is_that_of_the_files_that_the_tables_cover() {
    let env = ConfiguredEnv::new(&config("")).await;
    env.converge().await;
    env.sandbox.set_volume(20.0, Some(vec![home()]));
    env.sandbox.tick(jiff::SignedDuration::from_hours(30));
    let archive = env.archive();
    archive.s3().create_bucket().bucket("acme-export").send().await.unwrap();
    for (key, bytes) in [
        ("events/account=222222222222/region=us-east-1/day=2026-01-01/part-0.parquet", 3000),
        ("events/account=222222222222/region=us-east-1/day=2026-01-02/part-0.parquet", 1000),
        ("events/account=222222222222/region=us-east-1/day=2026-01-02/_manifest-0.json", 70),
    ] {
        env.sandbox.put_raw("acme-export", &format!("orgtrail/{key}"), vec![b'x'; bytes]).unwrap();
    }
    let mut logs = 0;
    for key in env.sandbox.keys_raw("acme-log-archive", "AWSLogs/") {
        let head = archive.s3().head_object().bucket("acme-log-archive").key(&key);
        let size = head.send().await.unwrap().content_length.unwrap();
        logs += if key.contains("/CloudTrail/") { size } else { 0 };
    }
    for exact in [&["cost", "--format", "json"][..], &["cost", "--format", "json", "--exact"]] {
        let ran = env.run(&config(""), exact).await;
        assert_eq!(ran.code, 0, "{}", ran.text());
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let [raw, export] = report["athena"]["scans"].as_array().unwrap().as_slice() else {
            panic!("{report:#}")
        };
        assert_eq!((&raw["table"], &raw["size_bytes"]), (&"cloudtrail_logs".into(), &logs.into()));
        assert_eq!(raw["days"], 2);
        assert_eq!(export["table"], "cloudtrail_events");
        assert_eq!((&export["days"], &export["size_bytes"]), (&2.into(), &4000.into()));
        assert_eq!(export["size_bytes_per_day"], 2000);
        assert!(export["usd_per_query"].as_f64().unwrap() > 0.0);
        assert_eq!(report["athena"]["export"][0]["size_bytes"], 4070);
    }
    let ran = env.run(&config(""), &["cost"]).await;
    assert!(ran.stdout.contains("all 2 days"), "{}", ran.stdout);
    assert!(ran.stdout.contains("for exported events"), "{}", ran.stdout);
    let ran = env.run(MINIMAL, &["cost"]).await;
    assert!(!ran.stdout.contains("ATHENA"), "{}", ran.stdout);
}
