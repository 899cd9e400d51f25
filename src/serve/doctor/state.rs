use std::path::Path;

use crate::config::{Config, Place, StatePlace};
use crate::ops::Env;
use crate::ops::doctor::Item;

const ID: &str = "state-store";

/// Whether the service's state exists and honors conditional writes, as far as reads show it:
/// `orgtrail serve` writes a probe when it starts.
pub(super) async fn examine(env: &Env, config: &Config) -> Item {
    match config.service.state.as_ref().map(StatePlace::place) {
        None => Item::skipped(ID, "service.state"),
        Some(Place::Directory(path)) => directory(path),
        Some(Place::Bucket { bucket, .. }) => {
            let aws = match env.aws_to_notify().await {
                Ok(aws) => aws,
                Err(error) => {
                    return Item::waits(ID, &format!("not signed in: {}", error.message()));
                }
            };
            let archive = &config.organization.log_archive_account;
            let owner = config.service.state_owner(archive);
            let account = owner.unwrap_or(&aws.caller().account).clone();
            let clients = aws.clients(&account, aws.home_region());
            match clients.bucket_region(bucket).await {
                Ok(region) => {
                    let is_of_aws = aws.endpoint().to_string() == "AWS";
                    let honors = if is_of_aws || aws.is_sandbox() {
                        "which honors conditional writes"
                    } else {
                        "whose endpoint must honor `If-None-Match`: `orgtrail serve` checks it"
                    };
                    Item::ok(ID, format!("s3://{bucket} in {region}, {honors}"))
                }
                Err(error) if error.is_not_found() => Item::problem(
                    ID,
                    format!(
                        "the bucket {bucket} of service.state does not exist in account {account}"
                    ),
                    format!("aws s3api create-bucket --bucket {bucket}, in account {account}"),
                ),
                Err(error) => Item::unread(ID, &error),
            }
        }
    }
}

fn directory(path: &Path) -> Item {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() && !found.permissions().readonly() => Item::ok(
            ID,
            format!("{shown}, whose files are created exclusively: for one replica only"),
        ),
        Ok(found) if found.is_dir() => Item::problem(
            ID,
            format!("the directory {shown} of service.state is read-only"),
            "set service.state to a directory that this user can write to",
        ),
        Ok(_) => Item::problem(
            ID,
            format!("{shown} of service.state is no directory"),
            "set service.state to a directory, or to s3://BUCKET/PREFIX",
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Item::ok(ID, format!("{shown} does not exist yet: `orgtrail serve` creates it"))
        }
        Err(error) => Item::problem(
            ID,
            format!("the directory {shown} of service.state: {error}"),
            "check its owner and mode",
        ),
    }
}
