//! The archive, proven at its place; then a copy of it, damaged and found out.

use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use futures::{TryStreamExt as _, stream};
use serde_json::Value;

use super::ground::{BUCKET, Ground};
use super::program::Ran;
use super::{Stop, Story};
use crate::archive::key::{LogClass, ObjectKey, ObjectKind};
use crate::aws::{At as _, Clients, WriteClients};
use crate::cli::{OpError, Outcome};

/// A copy of one account's part of the archive, without its lock.
const COPY: &str = "acme-log-archive-copy";
const VERIFY_COPY: &str = "orgtrail verify s3://acme-log-archive-copy";
/// Objects that are copied at a time.
const AT_A_TIME: usize = 16;

pub(super) async fn play(story: &mut Story, ground: &Ground) -> Result<(), Stop> {
    story.chapter(
        "9. The archive, proven",
        "Every digest's signature, link and log file is checked, for every account and Region at once,\n\
         also of what was brought in from elsewhere. Then a copy of one account's part, which no lock\n\
         guards, is tampered with: a log is changed, a digest deleted, a foreign file added.",
    )?;
    let keys = ground.sandbox.keys_raw(BUCKET, "");
    let moved = keys.iter().filter(|key| is_digest(key) && key.contains("_legacy_")).count();
    let ran = ground.program.run(&["verify", "--format", "json"]).await?;
    let held = ran.ended(Outcome::Clean) && relocated(&ran) == moved as u64 && moved > 0;
    let said = if held { proven(&ran) } else { ran.in_full() };
    let title = "every chain of digests holds, also where the consolidated ones are now";
    story.must(title, Some("orgtrail verify"), held, said)?;

    let aws = ground.aws().await?;
    let archive = ground.clients(&aws, &ground.log_archive);
    let copies = ground.clients(&aws, &ground.management);
    let part = format!("/{}/", ground.member);
    let keys: Vec<&str> =
        keys.iter().map(String::as_str).filter(|key| key.contains(&part)).collect();
    copy(&archive, &copies, &keys).await?;
    let target = format!("s3://{COPY}");
    let ran = ground.program.run(&["verify", &target, "--format", "json"]).await?;
    let held = ran.ended(Outcome::Clean) && relocated(&ran) > 0;
    let said = if held { proven(&ran) } else { ran.in_full() };
    let title = "a copy in another account's bucket is proven too";
    story.must(title, Some(VERIFY_COPY), held, said)?;

    let Some(crimes) = Crimes::plan(&keys, ground) else {
        let title = "the copy has digests and log files of the organization's trail";
        return story.must(title, None, false, "none to tamper with");
    };
    crimes.commit(&copies).await?;
    let ran = ground.program.run(&["verify", &target, "--format", "json"]).await?;
    for (title, key, kinds) in [
        (
            "one changed byte of a log file is found, and the file named",
            &crimes.altered,
            &["log-hash", "log-format"][..],
        ),
        ("one deleted digest is found, and named", &crimes.deleted, &["digest-missing"]),
        ("one foreign file is found, and named", &crimes.added, &["log-unlisted"]),
    ] {
        let kind = found(&ran, key).filter(|kind| kinds.contains(&kind.as_str()));
        let held = ran.ended(Outcome::IntegrityFailure) && kind.is_some();
        let said = match kind.filter(|_| held) {
            Some(kind) => format!("{kind}: {key}"),
            None => ran.in_full(),
        };
        story.step(title, Some(VERIFY_COPY), held, said)?;
    }
    Ok(())
}

/// What is done to the copy, by key.
struct Crimes {
    altered: String,
    deleted: String,
    added: String,
}

impl Crimes {
    /// In the middle of what one chain covers, where neighbours are on both
    /// sides.
    fn plan(keys: &[&str], ground: &Ground) -> Option<Self> {
        let parsed: Vec<ObjectKey> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        let here = |key: &&ObjectKey| key.region() == ground.sandbox.home_region();
        let is_of_the_organization = |key: &&ObjectKey| match key.kind() {
            ObjectKind::Digest { trail, .. } => trail.as_str() != super::legacy::TRAIL,
            ObjectKind::Log { .. } => false,
        };
        let is_log = |key: &&ObjectKey| {
            matches!(key.kind(), ObjectKind::Log { class: LogClass::Events, .. })
        };
        let digests: Vec<_> = parsed.iter().filter(here).filter(is_of_the_organization).collect();
        let logs: Vec<_> = parsed.iter().filter(here).filter(is_log).collect();
        let (digest, log) = (digests.get(digests.len() / 2)?, logs.get(logs.len() / 2)?);
        // A log file as CloudTrail would name it, in an hour whose digest stays.
        let beside = logs.get(logs.len() / 4)?.to_string();
        let (stem, _) = beside.rsplit_once('_')?;
        Some(Self {
            altered: log.to_string(),
            deleted: digest.to_string(),
            added: format!("{stem}_ForeignForeign01.json.gz"),
        })
    }

    /// Plain calls that anybody with the right to them can make.
    async fn commit(&self, clients: &WriteClients) -> Result<(), OpError> {
        let (whole, _) = get(clients, COPY, &self.altered).await?;
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        put(clients, &self.altered, bytes, HashMap::new()).await?;
        put(clients, &self.added, whole, HashMap::new()).await?;
        let delete = clients.s3().delete_object().bucket(COPY).key(&self.deleted);
        delete.send().await.at(clients, "s3:DeleteObject")?;
        Ok(())
    }
}

async fn copy(from: &Clients, to: &WriteClients, keys: &[&str]) -> Result<(), OpError> {
    to.s3().create_bucket().bucket(COPY).send().await.at(to, "s3:CreateBucket")?;
    stream::iter(keys.iter().map(Ok))
        .try_for_each_concurrent(AT_A_TIME, async |key| {
            let (bytes, metadata) = get(from, BUCKET, key).await?;
            put(to, key, bytes, metadata).await
        })
        .await
}

async fn get(
    clients: &Clients,
    bucket: &str,
    key: &str,
) -> Result<(Vec<u8>, HashMap<String, String>), OpError> {
    let object = clients.s3().get_object().bucket(bucket).key(key).send().await;
    let object = object.at(clients, "s3:GetObject")?;
    let body = object.body.collect().await.map_err(super::ground::unexpected)?;
    Ok((body.to_vec(), object.metadata.unwrap_or_default()))
}

async fn put(
    clients: &WriteClients,
    key: &str,
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
) -> Result<(), OpError> {
    let put = clients.s3().put_object().bucket(COPY).key(key).body(ByteStream::from(bytes));
    put.set_metadata(Some(metadata)).send().await.at(clients, "s3:PutObject")?;
    Ok(())
}

fn is_digest(key: &str) -> bool {
    key.contains("/CloudTrail-Digest/")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_default()
}

/// How many proven digests lie where relocation put them.
fn relocated(ran: &Ran) -> u64 {
    let report = report(ran);
    let scopes = report["scopes"].as_array().into_iter().flatten();
    let chains = scopes.filter_map(|scope| scope["chains"].as_array()).flatten();
    chains.filter_map(|chain| chain["digests"]["relocated"].as_u64()).sum()
}

fn proven(ran: &Ran) -> String {
    let report = report(ran);
    let (digests, logs) = (&report["summary"]["digests"], &report["summary"]["log_files"]);
    let moved = relocated(ran);
    format!(
        "{} digests and {} log files; {moved} digests relocated",
        digests["valid"], logs["valid"]
    )
}

/// What was found at a key.
fn found(ran: &Ran, key: &str) -> Option<String> {
    let report = report(ran);
    let findings = report["findings"].as_array()?;
    let at_key = findings.iter().find(|finding| finding["key"] == key)?;
    at_key["kind"].as_str().map(str::to_owned)
}
