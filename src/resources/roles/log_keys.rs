//! What orgtrail does with KMS keys: the archive's, the vault's, and the one that
//! authenticates its records.
//!
//! KMS chooses a key's id when the key is created, so that no ARN is known in advance. An
//! alias is: `kms:ResourceAliases` keeps changes to keys that have no alias but the declared
//! one. A key that has no alias at all is one that was just created.

use super::grant::{Grant, Scope};
use crate::config::Config;
use crate::names::{AccountId, KeyAlias, Region};

/// Reading a key's state and policy.
const READ: [&str; 3] = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus"];
const ALIASES: &str = "kms:ResourceAliases";

/// The keys that are managed in a role's account.
pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let config = scope.config;
    let vault = config.archive.replication.as_ref().filter(|vault| scope.is_in(&vault.account));
    let is_archive = scope.is_in(scope.archive());
    let mut grants = Vec::new();
    if let Some(account) = scope.account {
        let creates_archive_key = is_archive && config.key.arn.is_none();
        if creates_archive_key || vault.is_some() {
            grants.extend(create(scope, account, creates_archive_key));
        }
        if creates_archive_key {
            grants.extend(archive_key(scope, account));
        }
        if let Some(vault) = vault {
            grants.push(vault_key(scope, account, &vault.region, &vault.key_alias));
        }
    }
    grants.extend(declared_key(scope));
    grants
}

fn create(scope: &Scope<'_>, account: &AccountId, is_archives: bool) -> [Grant; 2] {
    // Of the vault's key, only the state is compared.
    let read: &[&str] = if is_archives { &READ } else { &["kms:DescribeKey"] };
    [
        Grant::new(
            "CreateKey",
            ["kms:CreateKey", "kms:ListAliases", "kms:ListKeys"],
            ["*"],
            "Creates the key, once it is clear that a stopped run did not leave one. AWS has no \
             resource for these actions.",
        ),
        Grant::new(
            "ReadKeys",
            read.iter().copied(),
            [scope.keys(Some(account))],
            "Finds the key among the account's, where a stopped run did not name it, and reads \
             its settings.",
        ),
    ]
}

fn archive_key(scope: &Scope<'_>, account: &AccountId) -> [Grant; 2] {
    let config = scope.config;
    let key = &config.key;
    let region = &config.archive.region;
    let mut actions = vec!["kms:CreateAlias", "kms:EnableKey", "kms:PutKeyPolicy"];
    actions.push(rotation(scope));
    if !config.trail.tags.is_empty() {
        actions.push("kms:TagResource");
    }
    let [alias, keys] = arns(scope, account, region, &key.alias);
    let name = key.alias.as_str();
    let via = format!("s3.{region}.{}", scope.partition().dns_suffix());
    [
        Grant::new(
            "ManageKey",
            actions,
            [alias, keys.clone()],
            "Names the archive's key and configures it. KMS chooses the key's id: the condition \
             leaves out keys that have another alias.",
        )
        .when("ForAllValues:StringEquals", ALIASES, [name]),
        Grant::new(
            "EncryptLogs",
            ["kms:GenerateDataKey"],
            [keys],
            "Encrypts copies and records with the archive's key, through S3 only.",
        )
        .when("ForAnyValue:StringEquals", ALIASES, [name])
        .when("StringEquals", "kms:ViaService", [via]),
    ]
}

fn rotation(scope: &Scope<'_>) -> &'static str {
    if scope.config.key.rotation { "kms:EnableKeyRotation" } else { "kms:DisableKeyRotation" }
}

fn vault_key(scope: &Scope<'_>, account: &AccountId, region: &Region, alias: &KeyAlias) -> Grant {
    Grant::new(
        "ManageVaultKey",
        ["kms:CreateAlias", "kms:EnableKeyRotation"],
        arns(scope, account, region, alias),
        "Names the vault's key and lets KMS rotate it. KMS chooses the key's id: the condition \
         leaves out keys that have another alias.",
    )
    .when("ForAllValues:StringEquals", ALIASES, [alias.as_str()])
}

fn arns(scope: &Scope<'_>, account: &AccountId, region: &Region, alias: &KeyAlias) -> [String; 2] {
    let arn =
        |resource: &str| format!("arn:{}:kms:{region}:{account}:{resource}", scope.partition());
    [arn(alias.as_str()), arn("key/*")]
}

/// A key that the configuration names by its ARN: its account reads it, and the log-archive
/// account changes it where it is its own.
fn declared_key(scope: &Scope<'_>) -> Vec<Grant> {
    let Some(arn) = &scope.config.key.arn else { return Vec::new() };
    let is_owner = arn.account.as_ref().is_some_and(|owner| scope.is_in(owner));
    let is_archive = scope.is_in(scope.archive());
    let key = arn.to_string();
    let mut grants = Vec::new();
    if is_owner || is_archive {
        let why = "Reads the declared key's state, policy and rotation.";
        grants.push(Grant::new("ReadKey", READ, [key.clone()], why));
    }
    if is_archive {
        let region = &scope.config.archive.region;
        let via = format!("s3.{region}.{}", scope.partition().dns_suffix());
        grants.push(
            Grant::new(
                "EncryptLogs",
                ["kms:GenerateDataKey"],
                [key.clone()],
                "Encrypts copies and records with the archive's key, through S3 only.",
            )
            .when("StringEquals", "kms:ViaService", [via]),
        );
        if is_owner {
            let actions = ["kms:EnableKey", "kms:PutKeyPolicy", rotation(scope)];
            let why = "Configures the declared key.";
            grants.push(Grant::new("ManageKey", actions, [key], why));
        }
    }
    grants
}

/// The key that authenticates orgtrail's records, for whoever starts orgtrail.
pub(super) fn mac(config: &Config) -> Option<Grant> {
    let key = config.records.mac_key.as_ref()?;
    Some(Grant::new(
        "AuthenticateRecords",
        ["kms:GenerateMac", "kms:VerifyMac"],
        [key.to_string()],
        "Authenticates the records below `orgtrail/` with the key of [records]. orgtrail uses it \
         with the credentials that it is started with.",
    ))
}
