//! The archive, verified in place; then a copy of it, tampered with and detected.

use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use futures::{TryStreamExt as _, stream};
use serde_json::Value;

use super::env::{BUCKET, DemoEnv};
use super::program::ProgramOutput;
use super::{DemoReport, Stop};
use crate::archive::key::{LogClass, ObjectKey, ObjectKind};
use crate::aws::{At as _, Clients, WriteClients};
use crate::cli::{OpError, Outcome};

/// A copy of one account's part of the archive, without its lock.
const COPY: &str = "acme-log-archive-copy";
const VERIFY_COPY: &str = "orgtrail verify s3://acme-log-archive-copy";
/// Objects that are copied at a time.
const AT_A_TIME: usize = 16;

pub(super) async fn run(report: &mut DemoReport, env: &DemoEnv) -> Result<(), Stop> {
    report.section(
        "9. The archive, verified",
        "Every digest's signature, link and log files are checked, for every account and Region,\n\
         including the consolidated logs. Then an unlocked copy of one account's logs is tampered\n\
         with: one log file is changed, one digest is deleted, one unexpected file is added.",
    )?;
    let keys = env.sandbox.keys_raw(BUCKET, "");
    let moved = keys.iter().filter(|key| is_digest(key) && key.contains("_legacy_")).count();
    let output = env.program.run(&["verify", "--format", "json"]).await?;
    let passed =
        output.exited_with(Outcome::Clean) && relocated(&output) == moved as u64 && moved > 0;
    let details = if passed { proven(&output) } else { output.in_full() };
    let title = "every digest chain is proven, including the consolidated ones";
    report.required_step(title, Some("orgtrail verify"), passed, details)?;

    let aws = env.aws().await?;
    let archive = env.clients(&aws, &env.log_archive);
    let copies = env.clients(&aws, &env.management);
    let part = format!("/{}/", env.member);
    let keys: Vec<&str> =
        keys.iter().map(String::as_str).filter(|key| key.contains(&part)).collect();
    copy(&archive, &copies, &keys).await?;
    let target = format!("s3://{COPY}");
    let output = env.program.run(&["verify", &target, "--format", "json"]).await?;
    let passed = output.exited_with(Outcome::Clean) && relocated(&output) > 0;
    let details = if passed { proven(&output) } else { output.in_full() };
    let title = "a copy in another account's bucket is proven";
    report.required_step(title, Some(VERIFY_COPY), passed, details)?;

    let Some(tampering) = Tampering::plan(&keys, env) else {
        let title = "the copy has digests and log files of the organization's trail";
        return report.required_step(title, None, false, "nothing to tamper with");
    };
    tampering.apply(&copies).await?;
    let output = env.program.run(&["verify", &target, "--format", "json"]).await?;
    for (title, key, kinds) in [
        (
            "one changed byte of a log file is detected, and the file named",
            &tampering.altered,
            &["log-hash", "log-format"][..],
        ),
        ("one deleted digest is detected and named", &tampering.deleted, &["digest-missing"]),
        ("one unexpected file is detected and named", &tampering.added, &["log-unlisted"]),
    ] {
        let kind = found(&output, key).filter(|kind| kinds.contains(&kind.as_str()));
        let passed = output.exited_with(Outcome::IntegrityFailure) && kind.is_some();
        let details = match kind.filter(|_| passed) {
            Some(kind) => format!("{kind}: {key}"),
            None => output.in_full(),
        };
        report.step(title, Some(VERIFY_COPY), passed, details)?;
    }
    Ok(())
}

/// The keys of the copy that are tampered with.
struct Tampering {
    altered: String,
    deleted: String,
    added: String,
}

impl Tampering {
    /// In the middle of a chain, with neighbors on both sides.
    fn plan(keys: &[&str], env: &DemoEnv) -> Option<Self> {
        let parsed: Vec<ObjectKey> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        let here = |key: &&ObjectKey| key.region() == env.sandbox.home_region();
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
            added: format!("{stem}_Unexpected000001.json.gz"),
        })
    }

    /// Plain calls that any principal with the permissions can make.
    async fn apply(&self, clients: &WriteClients) -> Result<(), OpError> {
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
    let body = object.body.collect().await.map_err(OpError::unexpected)?;
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

fn parsed(output: &ProgramOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_default()
}

/// The number of proven digests at relocated keys.
fn relocated(output: &ProgramOutput) -> u64 {
    let document = parsed(output);
    let scopes = document["scopes"].as_array().into_iter().flatten();
    let chains = scopes.filter_map(|scope| scope["chains"].as_array()).flatten();
    chains.filter_map(|chain| chain["digests"]["relocated"].as_u64()).sum()
}

fn proven(output: &ProgramOutput) -> String {
    let document = parsed(output);
    let (digests, logs) = (&document["summary"]["digests"], &document["summary"]["log_files"]);
    let moved = relocated(output);
    format!(
        "{} digests and {} log files; {moved} digests relocated",
        digests["valid"], logs["valid"]
    )
}

/// The kind of the finding at a key.
fn found(output: &ProgramOutput, key: &str) -> Option<String> {
    let document = parsed(output);
    let findings = document["findings"].as_array()?;
    let at_key = findings.iter().find(|finding| finding["key"] == key)?;
    at_key["kind"].as_str().map(str::to_owned)
}
