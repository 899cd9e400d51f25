//! Accepting findings about objects of the archive.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::trust::trust;
use super::verify::{Scope, Target as VerifyTarget, checked};
use super::{Env, OpError, Outcome, archive, managed_archive};
use crate::archive::accept::{Acceptance, Acceptances, Accepting, Written, accept as write};
use crate::archive::consolidate::copy::Target;
use crate::archive::consolidate::quarantine::refused_key;
use crate::archive::key::ObjectKey;
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::Selection;
use crate::archive::verify::source::{S3Source, Source};
use crate::aws::{At as _, Aws, WriteAuthority, WriteClients};
use crate::names::{AccountId, BucketName, Region};
use crate::report::contract::acceptance as contract;
use crate::report::drift::plain;

/// How far around an object's time its chain is verified.
const AROUND: SignedDuration = SignedDuration::from_hours(4);

/// An object of the archive, and what is found against it.
#[derive(Debug)]
pub struct Examined {
    aws: Aws,
    target: Target,
    /// Its key.
    pub key: String,
    /// The object.
    pub object: Object,
    /// The findings about it, beyond notices.
    pub findings: Vec<Finding>,
}

/// Finds out what there is to accept about an object. Changes nothing.
///
/// # Errors
/// There is no such object: usage. Nothing is found against it: refused. Not signed in, or
/// unreadable.
pub async fn examine(env: &Env, key: String) -> Result<Examined, OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let prefix = archive::prefix(config);
    let target = archive::bucket(config, &aws);
    let object = current(&target, &key).await?;
    let findings = findings(&key, prefix.as_deref(), env).await?;
    let is_quarantined = refused_key(prefix.as_deref(), &key).is_some();
    if findings.is_empty() && !is_quarantined {
        return Err(OpError::new(
            format!("nothing to accept: verification has no finding about `{}`", plain(&key)),
            Outcome::Refused,
        ));
    }
    Ok(Examined { aws, target, key, object, findings })
}

impl Examined {
    /// The archive's bucket.
    #[must_use]
    pub fn bucket(&self) -> &BucketName {
        &self.target.bucket
    }

    /// Whether the object differs from what its digest lists.
    #[must_use]
    pub fn contradicts_digest(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.contradicts_digest())
    }

    /// Records that the findings are accepted, and why.
    ///
    /// # Errors
    /// The object changed since it was examined: refused. The record could not be written.
    pub async fn accept(self, env: &Env, reason: String) -> Result<Accepted, OpError> {
        managed_archive::refuse(env, &self.aws).await?;
        let now = current(&self.target, &self.key).await?;
        let contradicts_digest = self.contradicts_digest();
        let Self { aws, target, key, object, findings } = self;
        if (&now.version_id, &now.sha256) != (&object.version_id, &object.sha256) {
            return Err(OpError::new(
                format!("nothing was written: `{}` changed during the prompt", plain(&key)),
                Outcome::Refused,
            )
            .with_hint("run the same command again"));
        }
        let prefix = archive::prefix(env.config()?);
        let trust = trust(env, &aws).await?;
        let codes: BTreeSet<String> =
            findings.iter().map(|finding| finding.kind.code().to_owned()).collect();
        let record = Acceptance {
            version: 0,
            number: 0,
            previous_sha256: None,
            key,
            version_id: object.version_id,
            sha256: object.sha256,
            size_bytes: object.size_bytes,
            findings: codes.into_iter().collect(),
            contradicts_digest,
            reason,
            accepted_by: aws.caller().arn.to_string(),
            accepted_at: aws.now(),
            accepted_with: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
        };
        let writer = WriteClients::new(&target.clients, &WriteAuthority::granted());
        let accepting = Accepting { record };
        let written = write(&writer, &target.bucket, prefix.as_deref(), accepting, &trust);
        let Written { key, acceptance, sha256 } = written.await?;
        let locked_until = locked_until(&target, &key).await?;
        Ok(Accepted {
            acceptance,
            record_key: key,
            record_sha256: sha256,
            mac_key: trust.mac_key.as_ref().map(|key| key.arn().to_string()),
            locked_until,
        })
    }
}

/// An acceptance that was recorded.
#[derive(Debug)]
pub struct Accepted {
    /// The acceptance.
    pub acceptance: Acceptance,
    /// The key of its record in the archive.
    pub record_key: String,
    /// The SHA-256 of its record.
    pub record_sha256: String,
    /// The ARN of the KMS key of its MAC; without one, only the configuration makes it count.
    pub mac_key: Option<String>,
    /// Until when Object Lock protects the record.
    pub locked_until: Option<Timestamp>,
}

impl Accepted {
    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::Report {
        contract::Report {
            acceptance: (&self.acceptance).into(),
            record_key: self.record_key.clone(),
            record_sha256: self.record_sha256.clone(),
            mac_key: self.mac_key.clone(),
            locked_until: self.locked_until,
        }
    }
}

/// All acceptances that the archive has.
///
/// # Errors
/// Not signed in, or the organization is unreadable.
pub async fn acceptances(env: &Env) -> Result<Acceptances, OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let target = archive::bucket(config, &aws);
    let source = S3Source::new(target.clients.clone(), target.bucket.as_str());
    let trust = trust(env, &aws).await?;
    let source = Arc::new(Source::S3(source));
    Ok(Acceptances::read(source, archive::prefix(config).as_deref(), &trust).await)
}

/// Whether all acceptances are authenticated and their records intact.
#[must_use]
pub fn outcome(acceptances: &Acceptances) -> Outcome {
    let is_whole = acceptances.unreadable.is_empty()
        && acceptances.records.iter().all(crate::archive::accept::AcceptanceRecord::counts);
    match (acceptances.faults.is_empty(), is_whole) {
        (false, _) => Outcome::IntegrityFailure,
        (true, false) => Outcome::Incomplete,
        (true, true) => Outcome::Clean,
    }
}

/// An object as it is now.
#[derive(Debug)]
pub struct Object {
    /// Its version, if the bucket has versions.
    pub version_id: Option<String>,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// How large it is.
    pub size_bytes: u64,
}

async fn current(target: &Target, key: &str) -> Result<Object, OpError> {
    let get = target.clients.s3().get_object().bucket(target.bucket.as_str()).key(key).send().await;
    let got = match get.at(&target.clients, "s3:GetObject") {
        Ok(got) => got,
        Err(error) if error.is_not_found() => {
            let message = format!("s3://{} has no object `{}`", target.bucket, plain(key));
            return Err(OpError::usage(message)
                .with_hint("`orgtrail verify` and `orgtrail consolidate` name the keys"));
        }
        Err(error) => return Err(error.into()),
    };
    let version_id = got.version_id.clone();
    let body =
        got.body.collect().await.map_err(|error| OpError::new(error, Outcome::Incomplete))?;
    let body = body.into_bytes();
    Ok(Object { version_id, sha256: sha256_hex(&body), size_bytes: body.len() as u64 })
}

/// What verification finds against an object, beyond notices.
async fn findings(key: &str, prefix: Option<&str>, env: &Env) -> Result<Vec<Finding>, OpError> {
    let subject = refused_key(prefix, key).unwrap_or(key);
    let (selection, window) = around(subject);
    let target = VerifyTarget::open(None, &Scope::default(), env).await?;
    let mut request = target.request(selection, window);
    // What was accepted before is no reason to accept other bytes.
    request.acceptances = Acceptances::none();
    let verification = checked(request, env).await?;
    let of_it = |finding: &&Finding| {
        let is_named = finding.key.as_deref() == Some(subject)
            || finding.files.iter().any(|file| file == subject);
        is_named && finding.severity > Severity::Notice
    };
    Ok(verification.all_findings().filter(of_it).cloned().collect())
}

/// What to verify for findings about a key: its account and Region around its time, or the
/// whole archive if the key does not name them.
fn around(key: &str) -> (Selection, Window) {
    let mut selection = Selection::default();
    if let Ok(key) = key.parse::<ObjectKey>() {
        selection.accounts.insert(key.account().clone());
        selection.regions.insert(key.region().clone());
        let plus = |by| key.time().checked_add(by).ok();
        let window = Window { since: plus(-AROUND), until: None, last: plus(AROUND) };
        return (selection, window);
    }
    selection.accounts.extend(key.split('/').find_map(|part| part.parse::<AccountId>().ok()));
    selection.regions.extend(key.split('/').find_map(|part| part.parse::<Region>().ok()));
    (selection, Window::default())
}

/// Up to when a record is locked.
async fn locked_until(target: &Target, key: &str) -> Result<Option<Timestamp>, OpError> {
    let head = target.clients.s3().head_object().bucket(target.bucket.as_str()).key(key);
    let head = head.send().await.at(&target.clients, "s3:GetObject")?;
    let until = head.object_lock_retain_until_date();
    Ok(until.and_then(|until| Timestamp::from_second(until.secs()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_what_is_verified_around_it() {
        let key = "AWSLogs/o-exampleorgid/111111111111/CloudTrail/us-east-1/2026/01/10/\
            111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz";
        let (selection, window) = around(key);
        assert_eq!((selection.accounts.len(), selection.regions.len()), (1, 1));
        assert_eq!(window.since, Some("2026-01-10T04:05:00Z".parse().unwrap()));
        let (selection, window) = around("AWSLogs/111111111111/CloudTrail/us-east-1/odd.txt");
        assert_eq!((selection.accounts.len(), selection.regions.len()), (1, 1));
        assert_eq!(window.since, None);
        assert!(around("odd").0.accounts.is_empty());
    }
}
