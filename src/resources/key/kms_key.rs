use std::collections::BTreeSet;

use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType, Tag};
use serde::Serialize;

use crate::aws::{At, Aws, AwsError, Clients, ErrorKind, Observation, WriteClients};
use crate::names::Arn;
use crate::resources::bucket::Encryption;
use crate::resources::change::{Change, FieldChange};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::trail::OrganizationTrail;
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The key that encrypts the logs.
///
/// Source: KMS `DescribeKey`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KmsKey {
    /// Its ARN.
    pub arn: Arn,
    /// `Enabled`, `Disabled`, `PendingDeletion`, …
    pub state: String,
    /// Whether it is symmetric and for encryption, as CloudTrail needs it.
    pub symmetric: bool,
    /// Whether AWS manages it, so that nobody can change its policy.
    pub aws_managed: bool,
    /// How it was found.
    pub found_by: FoundBy,
    /// Other aliases of it that the trail or the bucket use.
    #[serde(skip)]
    pub names: BTreeSet<String>,
}

/// How the key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// By its declared ARN.
    Arn,
    /// By its declared alias.
    Alias,
    /// The existing trail, or the existing bucket, encrypts with it.
    Use,
    /// By its description: a run that stopped before it created the alias.
    Description,
}

impl KmsKey {
    /// Finds the key: behind the alias, then the one that the trail or the bucket uses,
    /// then one that a stopped run left.
    ///
    /// `trail` and `bucket` are how these name their key.
    async fn find(
        aws: &Aws,
        desired: &Desired,
        trail: Option<&str>,
        bucket: Option<&str>,
    ) -> Observation<Self> {
        let found = Self::find_declared_or_used(aws, desired, trail.or(bucket)).await;
        let Observation::Present(mut key) = found else { return found };
        // Another alias may be of the same key, and then nothing needs to change.
        for named in [trail, bucket].into_iter().flatten() {
            if is_key(named, &key, &desired.key_alias_arn()) {
                continue;
            }
            let Some(arn) = named.parse::<Arn>().ok().filter(|arn| arn.resource_type() == "alias")
            else {
                continue;
            };
            let (Some(account), Some(region)) = (&arn.account, &arn.region) else { continue };
            let clients = aws.clients(account, region);
            match describe(&clients, named, FoundBy::Use).await {
                Observation::Present(other) if other.arn == key.arn => {
                    key.names.insert(named.to_owned());
                }
                Observation::Present(_) | Observation::Absent => {}
                Observation::Unreadable(error) => return Observation::Unreadable(error),
            }
        }
        Observation::Present(key)
    }

    async fn find_declared_or_used(
        aws: &Aws,
        desired: &Desired,
        used: Option<&str>,
    ) -> Observation<Self> {
        if let Some(arn) = &desired.config.key.arn {
            return Self::declared_by_arn(aws, desired, arn).await;
        }
        let clients = aws.clients(desired.archive(), &desired.config.archive.region);
        let alias = desired.config.key.alias.as_str();
        match describe(&clients, alias, FoundBy::Alias).await {
            Observation::Absent => {}
            seen => return seen,
        }
        let used = used.and_then(|key| key.parse::<Arn>().ok());
        if let Some(arn) = used
            && let (Some(account), Some(region)) = (&arn.account, &arn.region)
        {
            match describe(&aws.clients(account, region), &arn.to_string(), FoundBy::Use).await {
                Observation::Present(key) if !key.aws_managed => return Observation::Present(key),
                Observation::Unreadable(error) => return Observation::Unreadable(error),
                _ => {}
            }
        }
        find_without_alias(&clients, &description(desired)).await
    }

    /// The key of an ARN: read in its own account, or if no role can be assumed there, in
    /// the log-archive account, which its policy may allow.
    async fn declared_by_arn(aws: &Aws, desired: &Desired, arn: &Arn) -> Observation<Self> {
        let region = arn.region.as_ref().unwrap_or(&desired.config.archive.region);
        let owner = arn.account.as_ref().unwrap_or_else(|| desired.archive());
        let text = arn.to_string();
        let seen = describe(&aws.clients(owner, region), &text, FoundBy::Arn).await;
        if seen.unreadable().is_none() || owner == desired.archive() {
            return seen;
        }
        match describe(&aws.clients(desired.archive(), region), &text, FoundBy::Arn).await {
            Observation::Present(key) => Observation::Present(key),
            _ => seen,
        }
    }

    /// Whether the key belongs to another account than the log archive's, whose
    /// policy and rotation are its owner's.
    pub(crate) fn is_in_other_account(&self, desired: &Desired) -> bool {
        self.arn.account.as_ref() != Some(desired.archive())
    }

    /// Clients that read in the key's own account and Region.
    pub(super) fn owner_clients(&self, context: &ObserveContext<'_>) -> Clients {
        let account = self.arn.account.as_ref().unwrap_or_else(|| context.desired.archive());
        let region = self.arn.region.as_ref().unwrap_or(&context.desired.config.archive.region);
        context.aws.clients(account, region)
    }

    /// Clients that write in the key's own account: another than the log-archive account
    /// if the key was adopted.
    pub(crate) fn clients(context: &ApplyContext<'_>) -> WriteClients {
        let key = context.observed.kms_key.present();
        match key.and_then(|key| key.arn.account.as_ref()) {
            Some(account) => context.account(account),
            None => context.archive(),
        }
    }
}

pub(in crate::resources) async fn describe(
    clients: &Clients,
    key: &str,
    found_by: FoundBy,
) -> Observation<KmsKey> {
    const ACTION: &str = "kms:DescribeKey";
    let answer = clients.kms().describe_key().key_id(key).send().await;
    let read = answer.at(clients, ACTION).and_then(|answer| {
        let missing = || clients.malformed(ACTION, "a response without a key's ARN");
        let key = answer.key_metadata.ok_or_else(missing)?;
        let arn = key.arn.as_deref().and_then(|arn| arn.parse().ok()).ok_or_else(missing)?;
        Ok(KmsKey {
            arn,
            state: key.key_state.map_or_else(|| "Enabled".into(), |s| s.as_str().to_owned()),
            symmetric: key.key_spec.is_none_or(|spec| spec == KeySpec::SymmetricDefault)
                && key.key_usage.is_none_or(|usage| usage == KeyUsageType::EncryptDecrypt),
            aws_managed: key.key_manager == Some(aws_sdk_kms::types::KeyManagerType::Aws),
            found_by,
            names: BTreeSet::new(),
        })
    });
    Observation::from_result(read, AwsError::is_not_found)
}

/// A key that a stopped run created without its alias: `CreateKey` writes the description
/// with the key.
pub(in crate::resources) async fn find_without_alias(
    clients: &Clients,
    description: &str,
) -> Observation<KmsKey> {
    let listed = clients
        .kms()
        .list_keys()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .at(clients, "kms:ListKeys");
    let keys = match listed {
        Ok(keys) => keys,
        Err(error) => return Observation::Unreadable(error),
    };
    let mut denied = Vec::new();
    for key in keys.iter().filter_map(|key| key.key_id()) {
        let answer = clients.kms().describe_key().key_id(key).send().await;
        let answer = match answer.at(clients, "kms:DescribeKey") {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => continue,
            Err(error) if error.kind() == ErrorKind::AccessDenied => {
                denied.push((key, error));
                continue;
            }
            // It may be the one: continuing would create a second key.
            Err(error) => return Observation::Unreadable(error),
        };
        let is_ours = answer.key_metadata.is_some_and(|key| {
            key.description.as_deref() == Some(description)
                && key.key_state == Some(KeyState::Enabled)
        });
        if is_ours {
            return describe(clients, key, FoundBy::Description).await;
        }
    }
    if denied.is_empty() {
        return Observation::Absent;
    }
    // A key with an alias was not left by a stopped run; one without may be.
    let listed = clients
        .kms()
        .list_aliases()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .at(clients, "kms:ListAliases");
    let aliases = match listed {
        Ok(aliases) => aliases,
        Err(error) => return Observation::Unreadable(error),
    };
    let has_alias = |key: &str| aliases.iter().any(|alias| alias.target_key_id() == Some(key));
    match denied.into_iter().find(|(key, _)| !has_alias(key)) {
        Some((_, error)) => Observation::Unreadable(error),
        None => Observation::Absent,
    }
}

fn description(desired: &Desired) -> String {
    format!("CloudTrail logs of {} ({})", desired.org_id(), desired.config.key.alias)
}

/// Whether the name of a key in a bucket or trail is this key's: its ARN, id or alias.
pub(crate) fn is_key(named: &str, key: &KmsKey, alias: &Arn) -> bool {
    let arn = key.arn.to_string();
    named == arn
        || named == key.arn.resource_name()
        || key.names.contains(named)
        || (key.found_by == FoundBy::Alias
            && (named == alias.to_string() || named == &*alias.resource))
}

impl Resource for KmsKey {
    type State = Self;
    const ID: &'static str = "kms-key";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "kms:CreateKey",
        "kms:DescribeKey",
        "kms:EnableKey",
        "kms:ListAliases",
        "kms:ListKeys",
        // `CreateKey` writes the policy and the tags with the key.
        "kms:PutKeyPolicy",
        "kms:TagResource",
    ];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let trails = context.state_of::<OrganizationTrail>().await;
        let encryption = context.state_of::<Encryption>().await;
        let trail = trails.present().and_then(|trails| trails.own.as_ref());
        let trail = trail.and_then(|trail| trail.settings.kms_key.as_deref());
        let bucket = encryption.present().and_then(|found| found.key.as_deref());
        let found = Self::find(context.aws, context.desired, trail, bucket).await;
        match (found, trails.unreadable().or_else(|| encryption.unreadable())) {
            // One of them may use a key already: creating one would be a second key.
            (Observation::Absent, Some(error)) => Observation::Unreadable(error.clone()),
            (found, _) => found,
        }
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let alias = &desired.config.key.alias;
        if found.is_none()
            && let Some(arn) = &desired.config.key.arn
        {
            return Change::refused(
                format!("the declared key {arn} does not exist"),
                "correct key.arn, or remove it so that orgtrail creates a key",
            );
        }
        let Some(found) = found else {
            return Change::create(
                "logs are encrypted with a key of their own",
                vec![
                    FieldChange::new("alias", None::<String>, Some(alias.to_string())),
                    FieldChange::new("spec", None::<String>, Some("SYMMETRIC_DEFAULT")),
                ],
            );
        };
        let arn = &found.arn;
        let region = &desired.config.archive.region;
        if arn.region.as_ref() != Some(region) {
            return Change::refused(
                format!("the key {arn} is not in the bucket's Region, {region}"),
                "CloudTrail requires both in the same Region: change archive.region, or set key.alias to another name",
            );
        }
        if !found.symmetric || found.aws_managed {
            return Change::refused(
                format!("the key {arn} is not a symmetric encryption key of your own"),
                "set key.alias to another name, so that orgtrail creates a key",
            );
        }
        let adopted = match found.found_by {
            FoundBy::Use => vec![format!("{arn} is in use already and is adopted")],
            _ => Vec::new(),
        };
        match found.state.as_str() {
            "Enabled" => Change::nothing().with_notes(adopted),
            "Disabled" if found.is_in_other_account(desired) => Change::blocked(
                format!("the key {arn} is disabled: logs can neither be written nor read"),
                "it belongs to another account, whose administrator must enable it",
            ),
            "Disabled" => Change::update(
                "logs can neither be written nor read with a disabled key",
                vec![FieldChange::new("state", Some("Disabled"), Some("Enabled"))],
            ),
            "PendingDeletion" | "PendingReplicaDeletion" => Change::blocked(
                format!(
                    "the key {arn} is pending deletion: once it is deleted, no log encrypted with it can ever be read"
                ),
                format!(
                    "keep it: aws kms cancel-key-deletion --region {region} --key-id {}; or set key.alias to another name, and the existing logs become unreadable",
                    arn.resource_name()
                ),
            ),
            other => Change::blocked(
                format!("the key {arn} is in state {other}"),
                "wait until it is Enabled, or find out who changes it",
            ),
        }
    }

    fn kept(desired: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let why = "without it no log can be decrypted";
        vec![Kept::new(&desired.config.key.alias, why, KeptCost::Key)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = Self::clients(context);
        if let Some(key) = context.observed.kms_key.present() {
            clients
                .kms()
                .enable_key()
                .key_id(key.arn.to_string())
                .send()
                .await
                .at(&clients, "kms:EnableKey")?;
            return Ok(());
        }
        let tags = context
            .desired
            .config
            .trail
            .tags
            .iter()
            .map(|(name, value)| Tag::builder().tag_key(name).tag_value(value).build())
            .collect::<Result<Vec<_>, _>>()?;
        let policy = super::policy::declared(context.desired, context.desired.archive()).to_json();
        let created = context
            .retry(|| async {
                clients
                    .kms()
                    .create_key()
                    .description(description(context.desired))
                    .key_spec(KeySpec::SymmetricDefault)
                    .key_usage(KeyUsageType::EncryptDecrypt)
                    .policy(&policy)
                    .set_tags(Some(tags.clone()).filter(|tags| !tags.is_empty()))
                    .send()
                    .await
                    .at(&clients, "kms:CreateKey")
            })
            .await?;
        let id = created
            .key_metadata
            .map(|key| key.key_id)
            .ok_or_else(|| StepError::Missing("the key".to_owned()))?;
        // The alias is created at once: without it, the next run would create a second
        // key.
        context.mark_created();
        super::alias::create(context, &id).await
    }
}
