//! Members' buckets and an archive on the sandbox, consolidated by runs that sign
//! in anew each time, as separate processes would.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::types::{
    BucketVersioningStatus, StorageClass, VersioningConfiguration as Versioning,
};
use orgtrail::archive::consolidate::binding::Scope;
use orgtrail::archive::consolidate::copy::Target;
use orgtrail::archive::consolidate::ledger::{Ledger, LedgerError};
use orgtrail::archive::consolidate::record::{ChainChecker, Row};
use orgtrail::archive::consolidate::run::{
    Archive, ConsolidateOptions, Progress, Report, RunInfo, Sources, consolidate,
};
use orgtrail::archive::consolidate::server_side::ServerSide;
use orgtrail::archive::consolidate::source::{Policy, Source};
use orgtrail::archive::key::ObjectKey;
use orgtrail::archive::verify::digest::{DigestDocument, sha256_hex};
use orgtrail::archive::verify::run::PublicKeySource;
use orgtrail::aws::{Aws, Clients, Pacing, Retries, Settings, Timeouts, WriteAuthority};
use orgtrail::names::{AccountId, Region};
use orgtrail::sandbox::Sandbox;

use crate::env::{HOME, TestEnv, writer};

pub(crate) const ARCHIVE: &str = "acme-log-archive";
/// The members' buckets.
pub(crate) const BUCKETS: [&str; 2] = ["member-legacy-one", "member-legacy-two"];
const ORG: &str = "o-exampleorgid";

/// One object as it lies in a bucket: its body and its metadata.
pub(crate) type Object = (Vec<u8>, BTreeMap<String, String>);

pub(crate) struct ConsolidateEnv {
    env: TestEnv,
    /// Who writes the archive.
    keeper: AccountId,
    /// Who owns the buckets of [`BUCKETS`].
    pub(crate) members: [AccountId; 2],
    region: Region,
}

/// A run that was asked for, with the way to watch and stop it.
pub(crate) struct Started {
    pub(crate) progress: Arc<Progress>,
    pub(crate) limit: Option<u64>,
}

impl Started {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { progress: Arc::new(Progress::new(limit)), limit }
    }
}

impl Deref for ConsolidateEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl ConsolidateEnv {
    pub(crate) async fn new() -> Self {
        let region: Region = "us-east-1".parse().unwrap();
        let env = TestEnv::builder().accounts(5).start().await;
        let accounts = env.sandbox.accounts();
        let keeper = accounts[1].clone();
        let members = [accounts[2].clone(), accounts[3].clone()];
        let env = Self { env, keeper, members, region };
        let aws = env.sign_in().await;
        let archive = env.archive(&aws).target.clients;
        writer(&archive).s3().create_bucket().bucket(ARCHIVE).send().await.unwrap();
        let versioning = Versioning::builder().status(BucketVersioningStatus::Enabled).build();
        let put = writer(&archive).s3().put_bucket_versioning().bucket(ARCHIVE);
        put.versioning_configuration(versioning).send().await.unwrap();
        for (clients, bucket) in env.readers(&aws).iter().zip(BUCKETS) {
            writer(clients).s3().create_bucket().bucket(bucket).send().await.unwrap();
        }
        env.share(&aws).await;
        env
    }

    /// Lets the archive's account read the second bucket, so that S3 can copy
    /// from there by itself.
    async fn share(&self, aws: &Aws) {
        share(&self.readers(aws)[1], BUCKETS[1], "*", &self.keeper).await;
    }

    async fn sign_in(&self) -> Aws {
        let settings = Settings {
            pacing: Pacing::Off,
            timeouts: Timeouts { s3_attempt: Duration::from_secs(2), ..Timeouts::default() },
            retries: Retries { attempts: 3, first_wait: Duration::from_millis(5) },
            ..Settings::default()
        };
        sign_in(&self.env, settings).await
    }

    fn archive(&self, aws: &Aws) -> Archive {
        archive(aws.clients(&self.keeper, &self.region))
    }

    fn readers(&self, aws: &Aws) -> [Clients; 2] {
        self.members.each_ref().map(|member| aws.clients(member, &self.region))
    }

    /// Puts many at once.
    pub(crate) async fn put_all(&self, objects: &[(usize, String, Vec<u8>)]) {
        let aws = self.sign_in().await;
        let readers = self.readers(&aws);
        for (bucket, key, body) in objects {
            put(&readers[*bucket], BUCKETS[*bucket], key, body).await;
        }
    }

    /// Puts an object into the archive, as if another had written it there.
    pub(crate) async fn put_archived(&self, key: &str, body: &[u8]) {
        let aws = self.sign_in().await;
        put(&self.archive(&aws).target.clients, ARCHIVE, key, body).await;
    }

    /// Puts an object of another storage class.
    pub(crate) async fn put_cold(
        &self,
        class: StorageClass,
        bucket: usize,
        key: &str,
        body: &[u8],
    ) {
        let aws = self.sign_in().await;
        put_as(class, &self.readers(&aws)[bucket], BUCKETS[bucket], key, body).await;
    }

    /// The metadata of an object of the archive.
    pub(crate) async fn archived_metadata(&self, key: &str) -> BTreeMap<String, String> {
        let aws = self.sign_in().await;
        let clients = self.archive(&aws).target.clients;
        let s3 = clients.s3();
        let head = s3.head_object().bucket(ARCHIVE).key(key).send().await.unwrap();
        head.metadata().cloned().unwrap_or_default().into_iter().collect()
    }

    /// Runs once, as a process of its own would.
    pub(crate) async fn run(&self, started: &Started) -> Result<Report, LedgerError> {
        let asked = ConsolidateOptions { limit: started.limit, ..asked() };
        let aws = self.sign_in().await;
        let readers = self.readers(&aws);
        let source = |nth: usize| source(BUCKETS[nth], &self.members[nth], &self.region);
        let sources = readers.into_iter().enumerate().map(|(n, clients)| {
            // Declared: either may contain the other's.
            (Source { accounts: self.members.iter().cloned().collect(), ..source(n) }, clients)
        });
        let sources = bound(&self.sandbox, sources.collect());
        let progress = Arc::clone(&started.progress);
        let (archive, authority) = (self.archive(&aws), WriteAuthority::granted());
        consolidate(&run(), &asked, &archive, sources, progress, Some(&authority)).await
    }

    /// What lies in the archive below `AWSLogs/`, by key; each key has been
    /// written once.
    pub(crate) async fn archived(&self) -> BTreeMap<String, Object> {
        let aws = self.sign_in().await;
        let clients = self.archive(&aws).target.clients;
        let s3 = clients.s3();
        let versions = s3.list_object_versions().bucket(ARCHIVE).send().await.unwrap();
        assert_eq!(versions.is_truncated(), Some(false));
        assert!(versions.delete_markers().is_empty(), "nothing is ever deleted");
        let mut objects = BTreeMap::new();
        for version in versions.versions() {
            let key = version.key().unwrap();
            assert_eq!(version.is_latest(), Some(true), "{key} was overwritten");
            if !key.starts_with("AWSLogs/") {
                continue;
            }
            let got = s3.get_object().bucket(ARCHIVE).key(key).send().await.unwrap();
            let metadata = got.metadata().cloned().unwrap_or_default().into_iter().collect();
            let body = got.body.collect().await.unwrap().to_vec();
            objects.insert(key.to_owned(), (body, metadata));
        }
        objects
    }

    /// The rows of every run's record; the chain of records holds.
    pub(crate) async fn records(&self) -> Vec<Row> {
        let aws = self.sign_in().await;
        rows(self.archive(&aws).target).await
    }
}

/// The rows of every run's record in an archive; the chain of records holds.
pub(crate) async fn rows(target: Target) -> Vec<Row> {
    let ledger = Ledger::new(target, None);
    let mut checker = ChainChecker::default();
    let mut rows = Vec::new();
    for (number, size) in ledger.numbers().await.unwrap() {
        let stored = ledger.stored(number, size).await.unwrap();
        rows.extend(checker.check(Some(&stored)).unwrap().rows);
    }
    rows
}

/// All of every lane, eight copies at once, the way that is found.
pub(crate) fn asked() -> ConsolidateOptions {
    ConsolidateOptions {
        shard: None,
        since: None,
        until: None,
        accounts: BTreeSet::new(),
        regions: BTreeSet::new(),
        full: false,
        trust_records: true,
        server_side: ServerSide::AnyBucket,
        restore: None,
        limit: None,
        concurrency: 8,
        overlap_days: 2,
        excluded: Vec::new(),
    }
}

/// Sources that speak for their owners alone, with the key of the test's signer.
pub(crate) fn bound(sandbox: &Sandbox, readable: Vec<(Source, Clients)>) -> Sources {
    let scope = Scope {
        accounts: sandbox.accounts().into_iter().collect(),
        regions: ["us-east-1".parse().unwrap()].into(),
        trusted: BTreeSet::new(),
    };
    let keys = PublicKeySource::Given(Arc::new(crate::forge::key_set()));
    Sources { readable, failed: Vec::new(), scope, keys }
}

/// A run after all the days of [`log`] and [`digest`] are closed.
pub(crate) fn run() -> RunInfo {
    RunInfo {
        id: "run".to_owned(),
        now: "2026-02-01T00:00:00Z".parse().unwrap(),
        caller: "arn:aws:iam::111111111111:user/admin".to_owned(),
        program: "test".to_owned(),
    }
}

/// A bucket that no trail tells of.
pub(crate) fn source(bucket: &str, account: &AccountId, region: &Region) -> Source {
    Source {
        bucket: bucket.parse().unwrap(),
        prefix: None,
        account: account.clone(),
        region: region.clone(),
        owner: Some(account.clone()),
        accounts: BTreeSet::new(),
        trails: Vec::new(),
        policy: Policy::default(),
    }
}

/// [`ARCHIVE`], written by these.
pub(crate) fn archive(clients: Clients) -> Archive {
    Archive {
        target: Target {
            clients,
            bucket: ARCHIVE.parse().unwrap(),
            storage_class: StorageClass::Standard,
            part_bytes: 5 << 20,
        },
        prefix: None,
        trust: orgtrail::archive::authenticity::RecordTrust::default(),
        root: orgtrail::archive::key::Root { prefix: None, org: Some(ORG.parse().unwrap()) },
    }
}

/// Lets the archive's account read keys of a bucket that match.
pub(crate) async fn share(owner: &Clients, bucket: &str, keys: &str, keeper: &AccountId) {
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{keeper}:root") },
            "Action": ["s3:GetObject", "s3:GetObjectTagging"],
            "Resource": format!("arn:aws:s3:::{bucket}/{keys}"),
        }],
    });
    let put = writer(owner).s3().put_bucket_policy().bucket(bucket).policy(policy.to_string());
    put.send().await.unwrap();
}

/// Signs in as the administrator, with orgtrail's own HTTP client.
pub(crate) async fn sign_in(env: &TestEnv, settings: Settings) -> Aws {
    let base = env.without_transport(env.administrator(), HOME).build();
    Aws::with_base(settings, base).await.unwrap()
}

/// The metadata of an object of an environment: a digest's signature is the test signer's.
pub(crate) fn metadata_of(body: &[u8]) -> BTreeMap<String, String> {
    let mut metadata = metadata();
    let text = crate::forge::try_inflated(body);
    let digest = text.as_deref().and_then(|text| DigestDocument::parse(text).ok());
    if let (Some(text), Some(digest)) = (&text, digest) {
        let signed = crate::forge::sign_text(crate::forge::signer(), &digest.string_to_sign(text));
        metadata.insert("signature".to_owned(), signed);
    }
    metadata
}

/// The metadata that every object of an environment has.
pub(crate) fn metadata() -> BTreeMap<String, String> {
    [("signature", "00ff"), ("signature-algorithm", "SHA256withRSA")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

async fn put(clients: &Clients, bucket: &str, key: &str, body: &[u8]) {
    put_as(StorageClass::Standard, clients, bucket, key, body).await;
}

pub(crate) async fn put_as(
    class: StorageClass,
    clients: &Clients,
    bucket: &str,
    key: &str,
    body: &[u8],
) {
    writer(clients)
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("application/json")
        .content_encoding("gzip")
        .storage_class(class)
        .set_metadata(Some(metadata_of(body).into_iter().collect()))
        .body(body.to_vec().into())
        .send()
        .await
        .unwrap();
}

/// A log file that says something: of another text of the same length it has the same
/// size.
pub(crate) fn log_body(text: &str) -> Vec<u8> {
    stored(&serde_json::json!({ "Records": [], "text": text }).to_string())
}

/// A digest of a key that lists log files, by their keys and bodies; `text` makes one
/// of two.
pub(crate) fn digest_body(key: &str, text: &str, logs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let listed = |(key, body): &(String, Vec<u8>)| {
        let sha256 = sha256_hex(&crate::forge::inflated(body));
        serde_json::json!({ "s3Bucket": "any", "s3Object": key, "hashValue": sha256 })
    };
    let end = key.parse::<ObjectKey>().unwrap().time();
    let document = serde_json::json!({
        "digestStartTime": (end - jiff::SignedDuration::from_hours(1)).to_string(),
        "digestEndTime": end.to_string(),
        "digestS3Bucket": "any",
        "digestS3Object": key,
        "digestPublicKeyFingerprint": crate::forge::key_item().fingerprint,
        "text": text,
        "previousDigestSignature": null,
        "logFiles": logs.iter().map(listed).collect::<Vec<_>>(),
    });
    stored(&document.to_string())
}

/// A gzip member that compresses nothing.
fn stored(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// A log file's key in a member's bucket.
pub(crate) fn log(account: &AccountId, day: u8, number: u8) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail/us-east-1/2026/01/{day:02}/\
         {account}_CloudTrail_us-east-1_202601{day:02}T0005Z_{number:016}.json.gz"
    )
}

/// A digest's key in a member's bucket.
pub(crate) fn digest(account: &AccountId, day: u8, hour: u8) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail-Digest/us-east-1/2026/01/{day:02}/\
         {account}_CloudTrail-Digest_us-east-1_legacy_us-east-1_202601{day:02}T{hour:02}0000Z.json.gz"
    )
}

/// Where a source's key lies in the archive.
pub(crate) fn relocated(key: &str) -> String {
    key.replacen("AWSLogs/", &format!("AWSLogs/{ORG}/"), 1)
}
