use std::collections::BTreeSet;
use std::path::Path;

use super::deployment::configurations;
use super::example::{config, files};
use super::*;
use crate::config::{Environment, Loaded};
use crate::policy::Unmanaged;
use crate::resources::catalogue::CATALOGUE;
use crate::resources::{Desired, OrganizationFacts};

const SMALLEST: &str = crate::config::SMALLEST;

fn parse(config: &str) -> Config {
    Loaded::from_text(config, &Environment::default()).unwrap().config
}

fn role(config: &Config, kind: RoleKind) -> Role {
    roles(config).into_iter().rev().find(|role| role.kind == kind).unwrap()
}

fn actions(role: &Role) -> BTreeSet<String> {
    let actions = role.grants.iter().flat_map(|grant| grant.statement.action.iter());
    actions.map(str::to_owned).collect()
}

/// Every action of every role, also of those that the example does not need.
fn all_actions() -> BTreeSet<String> {
    let mut other = config();
    other.key.rotation = false;
    other.cloudwatch_logs.keep_forever = true;
    other.service.notify = with_notifications().service.notify;
    let all = roles(&config()).into_iter().chain(roles(&other));
    all.flat_map(|role| actions(&role)).collect()
}

/// A configuration that notifies resources of two accounts.
fn with_notifications() -> Config {
    let channel = |name: &str, kind: &str, target: &str| {
        format!("[[service.notify]]\nname = \"{name}\"\nkind = \"{kind}\"\ntarget = \"{target}\"\n")
    };
    let channels = [
        channel("topic", "sns", "arn:aws:sns:us-east-1:111111111111:findings"),
        channel("bus", "event_bridge", "arn:aws:events:us-east-1:555555555555:event-bus/default"),
        channel("hub", "security_hub", "arn:aws:securityhub:us-east-1:555555555555:hub/default"),
    ];
    parse(&format!("{SMALLEST}{}", channels.concat()))
}

#[test]
fn notifications_may_be_sent_to_their_targets_and_from_their_accounts_only() {
    let config = with_notifications();
    let may = |account: Option<&str>, action: &str| {
        let all = roles(&config);
        let mut own = all.iter().filter(|role| role.kind != RoleKind::Bootstrap);
        let role = own.find(|role| role.account.as_ref().map(AccountId::as_str) == account);
        role.is_some_and(|role| actions(role).contains(action))
    };
    let security = Some("555555555555");
    assert!(may(Some("111111111111"), "sns:Publish") && !may(security, "sns:Publish"));
    for action in ["events:PutEvents", "securityhub:BatchImportFindings"] {
        assert!(may(security, action) && !may(Some("111111111111"), action), "{action}");
        assert!(!may(None, action), "{action}");
    }
}

#[test]
fn every_call_without_an_sdk_client_is_of_an_action_of_a_role() {
    let granted = all_actions();
    for action in crate::aws::signed_actions() {
        assert!(granted.contains(action), "{action}");
    }
}

#[test]
fn the_generated_files_are_those_in_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, wanted) in files() {
        let path = root.join(path);
        // `ORGTRAIL_BLESS=1 cargo test --lib roles` writes them anew.
        if option_env!("ORGTRAIL_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == wanted, "{} is not what is generated", path.display());
    }
}

/// The actions that a source file's calls name.
fn called(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    for marker in [".at(", ": &str = \""] {
        for (at, _) in source.match_indices(marker) {
            let rest = &source[at + marker.len() - usize::from(marker.ends_with('"'))..];
            let Some(text) = rest.get(..120.min(rest.len())).and_then(|t| t.split('"').nth(1))
            else {
                continue;
            };
            let mut parts = text.splitn(2, ':');
            let (service, operation) = (parts.next().unwrap(), parts.next().unwrap_or(""));
            if !service.is_empty()
                && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && operation.starts_with(|c: char| c.is_ascii_uppercase())
                && operation.bytes().all(|b| b.is_ascii_alphanumeric())
            {
                found.insert(text.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_call_is_of_an_action_of_a_role() {
    let mut granted = all_actions();
    // Nobody needs a permission for it.
    granted.insert("sts:GetCallerIdentity".to_owned());
    // `events export --replace` deletes in a bucket that no role knows, as its caller.
    granted.insert("s3:DeleteObject".to_owned());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // The demo and the sandbox call as others would: not by these roles, whose own source
    // names condition keys.
    let excluded = ["cli/demo", "cli/sandbox", "resources/roles"];
    let excluded = excluded.map(|folder| source.join(folder));
    let mut folders = vec![source];
    let mut calls = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!excluded.contains(&path)).then_some(path));
                continue;
            }
            for action in called(&std::fs::read_to_string(&path).unwrap()) {
                calls += 1;
                assert!(granted.contains(&action), "{} calls {action}", path.display());
            }
        }
    }
    assert!(calls > 100, "only {calls} calls were found");
}

#[test]
fn the_roles_allow_what_every_resource_declares() {
    let organization = OrganizationFacts {
        id: "o-exampleorg".parse().unwrap(),
        all_features: true,
        root: "r-root".parse().unwrap(),
    };
    let desired = Desired::new(config(), organization, Unmanaged::Keep);
    let all = roles(&desired.config);
    let mut granted = all_actions();
    // Of an account only what its roles allow.
    for entry in CATALOGUE {
        let location = (entry.location)(&desired);
        let kinds: &[RoleKind] = if location.account == *desired.management() {
            &[RoleKind::Management]
        } else {
            &[RoleKind::Archive, RoleKind::Vault]
        };
        let own: BTreeSet<String> =
            all.iter().filter(|role| kinds.contains(&role.kind)).flat_map(actions).collect();
        // These depend on a setting that the example does not have.
        let others = ["kms:DisableKeyRotation", "logs:DeleteRetentionPolicy"];
        for action in entry.actions {
            assert!(granted.contains(*action), "{}: {action}", entry.id);
            assert!(own.contains(*action) || others.contains(action), "{}: {action}", entry.id);
        }
    }
    granted.retain(|action| action.starts_with("s3:Delete"));
    assert!(granted.is_empty(), "{granted:?}");
}

#[test]
fn a_role_writes_to_what_the_configuration_names_and_to_nothing_else() {
    let reads = ["Get", "List", "Describe", "Lookup", "Decrypt"];
    let is_read = |action: &str| {
        let (_, operation) = action.split_once(':').unwrap_or_default();
        reads.iter().any(|verb| operation.starts_with(verb))
    };
    for role in roles(&config()) {
        for grant in &role.grants {
            let statement = &grant.statement;
            let writes: Vec<&str> = statement.action.iter().filter(|it| !is_read(it)).collect();
            let is_wide = statement.resource.iter().any(|arn| arn == "*");
            if writes.is_empty() || !is_wide {
                continue;
            }
            // AWS has no resource for these, or chooses the id.
            let without = [
                "ActivateStackSets",
                "CreateKey",
                "CreateOrganization",
                "CreateStackSets",
                "DelegateTrail",
                "ManageQueryDefinitions",
            ];
            let sid = statement.sid.as_deref().unwrap();
            let is_limited = !statement.condition.is_empty();
            assert!(is_limited || without.contains(&sid), "{sid}: {writes:?}");
        }
    }
}

#[test]
fn a_role_is_written_passed_or_assumed_by_its_name_only() {
    // What reads the account as a whole.
    let of_the_account =
        ["iam:GetAccountSummary", "iam:ListOrganizationsFeatures", "iam:ListRoles"];
    for role in roles(&config()) {
        for grant in &role.grants {
            let statement = &grant.statement;
            let on_roles = statement.action.iter().any(|action| {
                action == "sts:AssumeRole"
                    || (action.starts_with("iam:") && !of_the_account.contains(&action))
            });
            for resource in statement.resource.iter().filter(|_| on_roles) {
                let name = resource.split_once(":role/").unwrap().1;
                assert!(!name.contains('*'), "{resource}");
            }
            if statement.action.iter().any(|action| action == "iam:PassRole") {
                assert!(statement.condition["StringEquals"].contains_key("iam:PassedToService"));
            }
        }
    }
}

#[test]
fn a_role_fits_into_the_quota_of_inline_policies() {
    for role in roles(&config()) {
        // Source: IAM quotas: 10,240 characters over a role's inline policies.
        let size = role.policy().to_json().len();
        assert!(size <= 10_240, "{:?}: {size}", role.kind);
    }
}

#[test]
fn every_partition_has_its_own_arns_and_services() {
    for (region, partition, suffix) in [
        ("us-east-1", "aws", ".amazonaws.com"),
        ("cn-north-1", "aws-cn", ".amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", ".amazonaws.com"),
    ] {
        let config = parse(&SMALLEST.replace("us-east-1", region));
        for role in roles(&config) {
            let text = role.policy().to_json();
            for arn in text.split('"').filter(|text| text.starts_with("arn:")) {
                assert!(arn.starts_with(&format!("arn:{partition}:")), "{arn}");
            }
            for grant in &role.grants {
                let via =
                    grant.statement.condition.values().filter_map(|k| k.get("kms:ViaService"));
                for service in via.flat_map(crate::policy::Strings::iter) {
                    assert!(service.ends_with(suffix), "{service}");
                }
            }
        }
        let hub = actions(&role(&config, RoleKind::Management));
        let delegates = hub.contains("cloudtrail:RegisterOrganizationDelegatedAdmin");
        assert_eq!(delegates, partition != "aws-cn");
    }
}

#[test]
fn whoever_starts_orgtrail_authenticates_the_records() {
    let has_mac = |role: &Role| actions(role).contains("kms:GenerateMac");
    let with_hub = config();
    assert!(has_mac(&role(&with_hub, RoleKind::Runner)));
    assert!(!has_mac(&role(&with_hub, RoleKind::Hub)));
    assert!(!has_mac(&role(&with_hub, RoleKind::Management)));
    let mut without = config();
    without.roles.hub = None;
    assert!(has_mac(&role(&without, RoleKind::Management)));
    let of_hub = [RoleKind::Runner, RoleKind::Hub];
    assert!(roles(&without).iter().all(|role| !of_hub.contains(&role.kind)));
    assert!(!has_mac(&role(&without, RoleKind::Member)));
}

#[test]
fn an_account_that_is_both_management_and_archive_has_one_role_with_both_duties() {
    let config = parse(&SMALLEST.replace("222222222222", "111111111111"));
    let hub = role(&config, RoleKind::Management);
    let own = actions(&hub);
    assert!(own.contains("s3:PutBucketPolicy") && own.contains("cloudtrail:CreateTrail"));
    assert!(roles(&config).iter().all(|role| role.kind != RoleKind::Archive));
    let sids: Vec<_> = hub.grants.iter().map(|grant| grant.statement.sid.clone()).collect();
    let unique: BTreeSet<_> = sids.iter().collect();
    assert_eq!(sids.len(), unique.len(), "{sids:?}");
}

#[test]
fn a_vault_in_the_archives_account_needs_no_role_of_its_own() {
    let config = parse(&format!("{SMALLEST}[archive.replication]\nbucket = \"acme-vault\"\n"));
    let archive = role(&config, RoleKind::Archive);
    let sids: Vec<_> = archive.grants.iter().filter_map(|it| it.statement.sid.as_deref()).collect();
    let unique: BTreeSet<_> = sids.iter().collect();
    assert_eq!(sids.len(), unique.len(), "{sids:?}");
    assert!(sids.contains(&"ConfigureVault") && sids.contains(&"ManageVaultKey"));
    assert!(roles(&config).iter().all(|role| role.kind != RoleKind::Vault));
}

#[test]
fn a_declared_key_is_read_by_its_owner_and_changed_by_the_archive_only_where_it_is_its_own() {
    let key = |account: &str| {
        let arn = format!("arn:aws:kms:us-east-1:{account}:key/1234");
        let config = parse(&format!("{SMALLEST}[key]\narn = \"{arn}\"\n"));
        let find = |kind| actions(&role(&config, kind));
        (find(RoleKind::Archive), roles(&config))
    };
    let (own, _) = key("222222222222");
    assert!(own.contains("kms:PutKeyPolicy") && !own.contains("kms:CreateKey"));
    let (of_another, all) = key("333333333333");
    assert!(of_another.contains("kms:GenerateDataKey") && !of_another.contains("kms:PutKeyPolicy"));
    let owner = all
        .iter()
        .find(|role| role.account.as_ref().is_some_and(|it| it.as_str() == "333333333333"));
    assert!(actions(owner.unwrap()).contains("kms:GetKeyPolicy"));
}

#[test]
fn a_declared_source_of_another_owner_is_named() {
    let source = "[[consolidate.sources]]\nbucket = \"partner-logs\"\naccount = \"333333333333\"\nowner = \"999999999999\"\n";
    let all = roles(&parse(&format!("{SMALLEST}{source}")));
    let named: Vec<_> = all
        .iter()
        .filter(|role| role.policy().to_json().contains("arn:aws:s3:::partner-logs/*"))
        .map(|role| role.account.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(named, ["333333333333"]);
}

#[test]
fn a_trust_policy_names_the_hub_and_asks_for_the_external_id() {
    let member = role(&config(), RoleKind::Member);
    let hub = member.trusted.clone().unwrap();
    let organization = "o-exampleorgid".parse().unwrap();
    let trust = member.trust(&hub, Some(&organization)).to_json();
    assert!(trust.contains("role/OrgTrailHub") && trust.contains("orgtrail-example"), "{trust}");
    let hub = role(&config(), RoleKind::Hub);
    assert_eq!(hub.trusted, None);
    assert_eq!(hub.arn().unwrap().to_string(), "arn:aws:iam::111111111111:role/OrgTrailHub");
    // Without a hub, orgtrail is started as the management account's role.
    let without = parse(SMALLEST);
    let start = role(&without, RoleKind::Management);
    assert_eq!(role(&without, RoleKind::Member).trusted, start.arn());
    assert_eq!(start.trusted, None);
}

#[test]
fn a_scheduled_round_may_read_all_that_drift_looks_at_and_write_nothing() {
    let reads = |action: &str| {
        let (_, operation) = action.split_once(':').unwrap_or_default();
        ["Get", "List", "Describe", "Lookup"].iter().any(|verb| operation.starts_with(verb))
    };
    let mut without_hub = config();
    without_hub.roles.hub = None;
    let all = actions(&role(&without_hub, RoleKind::Management));
    let round = round_grants(&without_hub);
    let allowed: BTreeSet<String> =
        round.iter().flat_map(|grant| grant.statement.action.iter()).map(str::to_owned).collect();
    let wanted: BTreeSet<String> = all.iter().filter(|it| reads(it)).cloned().collect();
    let missing: Vec<_> = wanted.difference(&allowed).collect();
    assert!(wanted.len() > 20 && missing.is_empty(), "{missing:?}");
    // What changes nothing, and the events and records of orgtrail itself.
    let others = [
        "kms:Decrypt",
        "kms:GenerateMac",
        "kms:VerifyMac",
        "sqs:DeleteMessage",
        "sqs:ReceiveMessage",
        "sts:AssumeRole",
    ];
    let more: Vec<_> =
        allowed.difference(&wanted).filter(|it| !others.contains(&it.as_str())).collect();
    assert!(more.is_empty() && allowed.contains("sts:AssumeRole"), "{more:?}");
    let sids: Vec<_> = round.iter().map(|grant| grant.statement.sid.clone()).collect();
    let unique: BTreeSet<_> = sids.iter().collect();
    assert_eq!(sids.len(), unique.len(), "{sids:?}");
}

#[test]
fn a_round_in_the_account_of_the_archive_may_write_logs_and_not_its_settings() {
    let config = parse(&SMALLEST.replace("222222222222", "111111111111"));
    let grants = round_grants(&config);
    let allowed: BTreeSet<&str> =
        grants.iter().flat_map(|grant| grant.statement.action.iter()).collect();
    for action in ["s3:PutObject", "kms:GenerateDataKey"] {
        assert!(allowed.contains(action), "{action}");
    }
    for action in ["s3:PutBucketPolicy", "kms:PutKeyPolicy", "cloudtrail:DeleteTrail"] {
        assert!(!allowed.contains(action), "{action}");
    }
}

#[test]
fn the_configuration_of_each_deployment_is_valid_and_needs_authentication() {
    for (path, text) in configurations() {
        let loaded = Loaded::from_text(&text, &Environment::default());
        let service = loaded.unwrap_or_else(|error| panic!("{path}: {error:?}")).config.service;
        assert!(service.access.tokens.is_some() && service.state.is_some(), "{path}");
        let is_container = !path.starts_with("infra/systemd");
        assert_eq!(service.listen.is_local(), !is_container, "{path}");
        assert_eq!(service.state.unwrap().bucket().is_some(), is_container, "{path}");
    }
}

#[test]
fn the_state_bucket_is_written_by_its_owners_role_or_by_whoever_starts_the_service() {
    let of = |config: &Config| -> Vec<(RoleKind, Option<String>, String)> {
        let all = roles(config).into_iter();
        all.filter_map(|role| {
            let mut grants = role.grants.iter();
            let sid = |grant: &&Grant| grant.statement.sid.as_deref() == Some("WriteState");
            let objects = grants.find(sid)?.statement.resource.iter().next()?.to_owned();
            Some((role.kind, role.account.map(|account| account.to_string()), objects))
        })
        .collect()
    };
    let whole = "arn:aws:s3:::acme-state/*".to_owned();
    let below = "arn:aws:s3:::acme-state/prod/*".to_owned();
    let state = |account: &str| {
        parse(&format!("{SMALLEST}[service]\nstate = \"s3://acme-state/prod\"\n{account}"))
    };
    let management = Some("111111111111".to_owned());
    assert_eq!(of(&state("")), [(RoleKind::Management, management, below.clone())]);
    for (account, kind) in [("222222222222", RoleKind::Archive), ("333333333333", RoleKind::Member)]
    {
        let config = state(&format!("state_account = \"{account}\"\n"));
        assert_eq!(of(&config), [(kind, Some(account.to_owned()), below.clone())]);
    }
    // With a hub, the service does not start in the management account.
    let mut with_hub = config();
    with_hub.service.state = Some("s3://acme-state".parse().unwrap());
    with_hub.service.manage_state = false;
    assert_eq!(of(&with_hub), [(RoleKind::Runner, None, whole)]);
    // A directory needs no permission in any account.
    let directory = "[service]\nstate = \"/var/lib/orgtrail\"\nstate_account = \"333333333333\"\n";
    let config = parse(&format!("{SMALLEST}{directory}"));
    assert_eq!(of(&config), []);
    assert!(roles(&config).iter().all(|role| {
        role.account.as_ref().is_none_or(|account| account.as_str() != "333333333333")
    }));
}

#[test]
fn the_permissions_on_the_state_are_the_calls_of_its_store() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wanted = called(&std::fs::read_to_string(source.join("store/s3.rs")).unwrap());
    wanted.extend(called(&std::fs::read_to_string(source.join("aws/location.rs")).unwrap()));
    let config = parse(&format!("{SMALLEST}[service]\nstate = \"s3://acme-state\"\n"));
    let grants = round_grants(&config);
    let of = |sid: &str| -> BTreeSet<String> {
        let grants = grants.iter().filter(|it| it.statement.sid.as_deref() == Some(sid));
        grants.flat_map(|it| it.statement.action.iter()).map(str::to_owned).collect()
    };
    // Every role may read the buckets of the organization.
    let (read, written): (BTreeSet<String>, BTreeSet<String>) =
        wanted.into_iter().partition(|action| !action.contains("Put"));
    assert_eq!(of("WriteState"), written);
    assert!(read.is_subset(&of("ReadSources")), "{read:?}");
}
