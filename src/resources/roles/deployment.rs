//! The parts of `infra/` that repeat something: the policy of the role that runs rounds and the
//! service, in the form of each tool, and the configuration. The accounts and names of the
//! example become the parameters of a template.

use std::fmt::Write as _;
use std::path::Path;

use super::example::config;
use super::{Grant, round_grants};
use crate::policy::{PolicyDocument, Strings};

/// The state bucket of the example.
const STATE: &str = "s3://acme-orgtrail-state";

/// The statement that a template adds under a condition or beside the state bucket.
const STATE_SID: &str = "WriteState";
const RECORDS_SID: &str = "AuthenticateRecords";

/// The CloudFormation templates with generated blocks.
const TEMPLATES: [&str; 2] = ["infra/ecs/service.yaml", "infra/schedule/ecs.yaml"];

/// What the texts of the example become in CloudFormation.
const CLOUDFORMATION: [(&str, &str); 7] = [
    ("arn:aws:", "arn:${AWS::Partition}:"),
    ("111111111111", "${AWS::AccountId}"),
    ("222222222222", "${LogArchiveAccount}"),
    ("role/OrgTrailMember", "role/${MemberRoleName}"),
    ("role/OrgTrailArchive", "role/${ArchiveRoleName}"),
    (".amazonaws.com", ".${AWS::URLSuffix}"),
    ("acme-orgtrail-state", "${StateBucket}"),
];

/// What they become in a template of Terraform's.
const TERRAFORM: [(&str, &str); 8] = [
    ("${", "$${"),
    ("arn:aws:", "arn:${partition}:"),
    ("111111111111", "${account}"),
    ("222222222222", "${log_archive_account}"),
    ("role/OrgTrailMember", "role/${member_role}"),
    ("role/OrgTrailArchive", "role/${archive_role}"),
    (".amazonaws.com", ".${dns_suffix}"),
    ("acme-orgtrail-state", "${state_bucket}"),
];

/// The configuration of a deployment, with its listen address, state and tokens.
const CONFIGURATION: &str = "\
# The configuration of this deployment, with example values. `orgtrail init` writes one for your
# organization, and docs/config.md lists every key.

[organization]
management_account = \"111111111111\"
log_archive_account = \"222222222222\"
home_region = \"us-east-1\"

[roles]
name = \"OrgTrailMember\"

[roles.accounts.222222222222]
name = \"OrgTrailArchive\"

[archive]
bucket = \"acme-log-archive\"

[service]
{service}
[service.access]
tokens = \"{tokens}\"
";

/// In a container: the state is a bucket, and a proxy or an ingress encrypts.
const IN_A_CONTAINER: &str = "\
listen = \"0.0.0.0:8686\"
public_url = \"https://orgtrail.example.com\"
state = \"s3://acme-orgtrail-state\"
";

/// On one machine: the state is the unit's `StateDirectory=`, and tokens are a credential.
const ON_A_MACHINE: &str = "\
listen = \"127.0.0.1:8686\"
state = \"/var/lib/orgtrail\"
";

/// The configuration of each deployment.
pub(super) fn configurations() -> Vec<(String, String)> {
    let container = (IN_A_CONTAINER, "/etc/orgtrail/tokens.toml");
    let machine = (ON_A_MACHINE, "/run/credentials/orgtrail.service/tokens.toml");
    [("ecs", container), ("kubernetes/base", container), ("systemd", machine)]
        .map(|(folder, (service, tokens))| {
            let text = CONFIGURATION.replace("{service}", service).replace("{tokens}", tokens);
            (format!("infra/{folder}/orgtrail.toml"), text)
        })
        .into()
}

/// Every file with the policy or the configuration, and its content.
pub(super) fn files() -> Vec<(String, String)> {
    let policy = |grants: &[Grant]| {
        let statements = grants.iter().map(|grant| grant.statement.clone()).collect();
        serde_json::to_value(PolicyDocument::new(statements)).unwrap()
    };
    let named = round_grants(&declared());
    let general = general_grants();
    let text = format!("{:#}\n", policy(&without(&general, &[RECORDS_SID])));
    let mut files = vec![
        ("infra/policies/service.json".to_owned(), format!("{:#}\n", policy(&named))),
        ("infra/terraform/service-policy.json.tftpl".to_owned(), replace(&text, &TERRAFORM)),
    ];
    files.extend(configurations());
    let blocks = [
        ("the round's permissions", without(&general, &[RECORDS_SID, STATE_SID])),
        ("the state's permissions", only(&general, &[STATE_SID])),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in TEMPLATES {
        let mut text = std::fs::read_to_string(root.join(path)).unwrap();
        for (name, grants) in &blocks {
            text = with_block(&text, name, grants);
        }
        files.push((path.to_owned(), text));
    }
    files
}

/// The example without a hub and a vault, and with the state in the management account.
fn declared() -> crate::config::Config {
    let mut config = config();
    config.archive.replication = None;
    config.roles.hub = None;
    config.roles.accounts.retain(|account, _| account.as_str() == "222222222222");
    config.service.state = Some(STATE.parse().unwrap());
    config.service.manage_state = false;
    config
}

/// The same for a template that does not know the names in the configuration: what only reads
/// has all resources of its kind in the account.
fn general_grants() -> Vec<Grant> {
    let mut grants = round_grants(&declared());
    for grant in &mut grants {
        let sid = grant.statement.sid.as_deref().unwrap();
        if sid == "AssumeRoles" || sid == RECORDS_SID || sid == STATE_SID {
            continue;
        }
        let mut resources: Vec<String> = grant.statement.resource.iter().map(widen).collect();
        resources.dedup();
        grant.statement.resource = resources.into_iter().collect();
    }
    grants
}

fn widen(resource: &str) -> String {
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let [_, partition, service, _, account, _] = parts[..] else { return resource.to_owned() };
    let (region, resource) = match service {
        "cloudtrail" => ("*", "trail/*"),
        "cloudwatch" => ("*", "alarm:*"),
        "events" => ("*", "rule/orgtrail-*"),
        "iam" => ("", "role/*"),
        "logs" => ("*", "log-group:*"),
        "sns" => ("*", "*"),
        "sqs" => ("*", "orgtrail-*"),
        _ => return resource.to_owned(),
    };
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

fn without(grants: &[Grant], sids: &[&str]) -> Vec<Grant> {
    let is_other = |grant: &&Grant| !sids.contains(&grant.statement.sid.as_deref().unwrap());
    grants.iter().filter(is_other).cloned().collect()
}

fn only(grants: &[Grant], sids: &[&str]) -> Vec<Grant> {
    let is_one = |grant: &&Grant| sids.contains(&grant.statement.sid.as_deref().unwrap());
    grants.iter().filter(is_one).cloned().collect()
}

fn replace(text: &str, table: &[(&str, &str)]) -> String {
    table.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A template with the lines of a block replaced, which two comments enclose; unchanged if it
/// has no such block.
fn with_block(text: &str, name: &str, grants: &[Grant]) -> String {
    let (begin, end) = (format!("# Generated: {name}\n"), format!("# End of {name}\n"));
    let Some((before, rest)) = text.split_once(&begin) else { return text.to_owned() };
    let (_, after) = rest.split_once(&end).unwrap();
    let indent = before.rsplit('\n').next().unwrap();
    assert!(indent.bytes().all(|byte| byte == b' '), "{name}");
    let mut block = String::new();
    for line in grants.iter().flat_map(cloudformation) {
        let _ = writeln!(block, "{indent}{line}");
    }
    format!("{before}{begin}{block}{indent}{end}{after}")
}

/// A statement's lines in a CloudFormation template.
fn cloudformation(grant: &Grant) -> Vec<String> {
    let statement = &grant.statement;
    let mut lines = comment(grant.why);
    lines.push(format!("- Sid: {}", statement.sid.as_deref().unwrap()));
    lines.push("  Effect: Allow".to_owned());
    lines.push("  Action:".to_owned());
    lines.extend(statement.action.iter().map(|action| format!("    - {action}")));
    lines.extend(values("  ", "Resource", &statement.resource));
    if !statement.condition.is_empty() {
        lines.push("  Condition:".to_owned());
    }
    for (operator, keys) in &statement.condition {
        lines.push(format!("    {operator}:"));
        lines.extend(keys.iter().flat_map(|(key, all)| values("      ", key, all)));
    }
    lines
}

fn values(indent: &str, key: &str, all: &Strings) -> Vec<String> {
    let all: Vec<String> = all.iter().map(value).collect();
    match &all[..] {
        [one] => vec![format!("{indent}{key}: {one}")],
        _ => std::iter::once(format!("{indent}{key}:"))
            .chain(all.iter().map(|one| format!("{indent}  - {one}")))
            .collect(),
    }
}

fn value(text: &str) -> String {
    // Variables of IAM are not CloudFormation's.
    if text.contains("${") {
        return text.to_owned();
    }
    let replaced = replace(text, &CLOUDFORMATION);
    if replaced.contains("${") {
        format!("!Sub {replaced}")
    } else if replaced.starts_with('*') {
        format!("\"{replaced}\"")
    } else {
        replaced
    }
}

fn comment(why: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in why.split(' ') {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() > 76 {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        let _ = write!(lines[last], " {word}");
    }
    lines.into_iter().map(|line| format!("#{line}")).collect()
}
