//! The archive of the configuration, as a target of verification.

use std::sync::Arc;

use super::target::{declared_trail, org_owner, organization, public_key_source, saved_keys};
use super::{Env, OpError, Scope, Target};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::RecordTrust;
use crate::archive::key::Root;
use crate::archive::verify::place::OrgOwner;
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{Deliveries, ExpectedAccounts, OtherBuckets};
use crate::archive::verify::source::{S3Source, Source};
use crate::aws::Aws;
use crate::config::Config;
use crate::names::prefix_folder;
use crate::org::{Buckets, Identity};

/// What is read of the archive before its chains.
struct Opened {
    source: Arc<Source>,
    owner: OrgOwner,
    root: Root,
    saved: PublicKeySet,
    trust: RecordTrust,
    acceptances: Acceptances,
}

impl Target {
    pub(super) async fn archive(
        given: Option<PublicKeySet>,
        scope: &Scope,
        env: &Env,
    ) -> Result<Self, OpError> {
        let config = env.config()?;
        let opening = |aws: Aws, identity: Identity| async move {
            Opened::read(&aws, &identity, config, scope).await
        };
        let (aws, opened) = Box::pin(env.aws_of_member_and(opening)).await?;
        let Opened { source, owner, root, saved, trust, acceptances } = opened;
        let archive = &config.archive;
        let folder = prefix_folder(archive.prefix.as_ref());
        Ok(Self {
            name: format!("s3://{}/{folder}", archive.bucket),
            acceptances,
            trust,
            declared_trail: Some(declared_trail(config, &owner)),
            declared: Some(root),
            org_owner: Some(owner),
            prefix: folder,
            keys: public_key_source(given, saved, &aws),
            source,
            from: None,
            to: None,
            now: aws.now(),
            is_live: true,
            notes: Vec::new(),
            other_buckets: OtherBuckets::read_as(
                aws.clone(),
                vec![config.organization.log_archive_account.clone(), aws.caller().account.clone()],
            )
            .with_owner_lookup(Buckets::new(
                aws.clone(),
                config.organization.clone(),
                None,
            )),
            expected: Some(ExpectedAccounts::new(
                aws.clone(),
                config.organization.management_account.clone(),
                config.organization.home_region.clone(),
            )),
            deliveries: Deliveries::query(aws),
            not_files: Vec::new(),
            unpacked: None,
        })
    }
}

impl Opened {
    async fn read(
        aws: &Aws,
        identity: &Identity,
        config: &Config,
        scope: &Scope,
    ) -> Result<Self, OpError> {
        let archive = &config.archive;
        let clients = aws.clients(&config.organization.log_archive_account, &archive.region);
        let prefix = archive.prefix.as_ref().map(ToString::to_string);
        let source = S3Source::new(clients, archive.bucket.as_str()).with_deleted();
        let source = Arc::new(Source::S3(source));
        // It was compared with the configuration.
        let owner = match org_owner(identity) {
            Some(owner) => owner,
            None => organization(&aws.own_clients()).await?,
        };
        let trust = RecordTrust::of_config(config, aws, Some(&owner.org));
        let trust = trust.and_listed(&scope.acceptances);
        let root = Root { prefix: prefix.as_deref().map(Into::into), org: Some(owner.org.clone()) };
        let folder = prefix_folder(prefix.as_ref());
        let listing = async {
            let accounts = source.list_root_ahead(&root).await;
            source.list_accounts_ahead(&root, &accounts).await;
        };
        let (saved, acceptances, ()) = futures::join!(
            saved_keys(&source, &folder),
            Acceptances::read(Arc::clone(&source), prefix.as_deref(), &trust),
            listing
        );
        Ok(Self { source, owner, root, saved, trust, acceptances })
    }
}
