//! As whom a bucket is read: the caller, or the role of the account whose logs it
//! holds.

use super::{CliError, Context, Exit};
use crate::archive::consolidate::discover::{self, Selected};
use crate::aws::{At as _, Aws, AwsError, Clients, ErrorKind};
use crate::cli::sources;
use crate::config::{Config, Roles};
use crate::names::{AccountId, BucketName};

/// The way into a bucket.
pub(super) struct Reader {
    pub(super) aws: Aws,
    /// Of an account that may list the bucket, in the bucket's Region.
    pub(super) clients: Clients,
}

/// Finds who may list a bucket: the caller itself; else, by the configuration
/// where there is one, the account that it, or a trail, names for the bucket.
///
/// # Errors
/// The bucket does not exist: usage. Nobody may list it: incomplete.
pub(super) async fn reader(bucket: &BucketName, context: &Context) -> Result<Reader, CliError> {
    // One that is not right matters only where the caller cannot read by itself.
    let config = context.config_path.exists().then(|| context.config());
    let right = config.as_ref().and_then(|config| config.as_ref().ok());
    let roles = right.map_or_else(Roles::default, |config| config.roles.clone());
    let home = right.map(|config| config.organization.home_region.clone());
    let aws = context.aws_of_caller(home, roles).await?;
    let denied = match listing(&aws, &aws.caller().account, bucket).await {
        Ok(clients) => return Ok(Reader { aws, clients }),
        Err(error) if error.is_not_found() => {
            return Err(CliError::new(error, Exit::Usage).with_hint("is the bucket's name right?"));
        }
        Err(error) => error,
    };
    let Some(config) = config.filter(|_| denied.kind() == ErrorKind::AccessDenied) else {
        return Err(denied.into());
    };
    let config = config?;
    for account in named(&config, bucket) {
        if let Ok(clients) = listing(&aws, &account, bucket).await {
            return Ok(Reader { aws, clients });
        }
    }
    // Only now: every account is asked for its trails.
    let found = Box::pin(sources::find(context, &aws, &config)).await;
    let Ok(legacy) = found else { return Err(denied.into()) };
    let Selected { sources, excluded } = discover::selected(&legacy.found.trails, &config);
    for source in sources.into_iter().chain(excluded).filter(|source| source.bucket == *bucket) {
        if let Ok(clients) = listing(&aws, &source.account, bucket).await {
            return Ok(Reader { aws, clients });
        }
    }
    let hint = "no account that the configuration, or a trail, names for this bucket may list it: \
                declare it under [[consolidate.sources]]";
    Err(CliError::new(denied, Exit::Incomplete).with_hint(hint))
}

/// The accounts that the configuration names for a bucket.
fn named(config: &Config, bucket: &BucketName) -> Vec<AccountId> {
    let mut named = Vec::new();
    if config.archive.bucket == *bucket {
        named.push(config.organization.log_archive_account.clone());
    }
    let vault = config.archive.replication.iter().filter(|vault| vault.bucket == *bucket);
    named.extend(vault.map(|vault| vault.account.clone()));
    let declared = config.consolidate.sources.iter().filter(|source| source.bucket == *bucket);
    named.extend(declared.map(|source| source.account.clone()));
    named
}

/// An account's clients in a bucket's Region, where they may list it.
async fn listing(aws: &Aws, account: &AccountId, bucket: &BucketName) -> Result<Clients, AwsError> {
    let region = aws.clients(account, aws.home_region()).bucket_region(bucket).await?;
    let clients = aws.clients(account, &region);
    let first = clients.s3().list_objects_v2().bucket(bucket.as_str()).max_keys(1).send().await;
    first.at(&clients, "s3:ListBucket")?;
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_who_reads_its_own_buckets() {
        let more = "[archive.replication]\nbucket = \"acme-vault\"\naccount = \"555555555555\"\n\
                    [[consolidate.sources]]\nbucket = \"legacy-a\"\naccount = \"444444444444\"\n";
        let config: Config = format!("{}{more}", crate::config::SMALLEST).parse().unwrap();
        for (bucket, account) in [
            ("acme-log-archive", Some("222222222222")),
            ("acme-vault", Some("555555555555")),
            ("legacy-a", Some("444444444444")),
            ("other", None),
        ] {
            let found = named(&config, &bucket.parse().unwrap());
            assert_eq!(found.first().map(AccountId::as_str), account, "{bucket}");
        }
    }
}
