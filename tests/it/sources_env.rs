//! An organization with the organization trail, and what legacy trails are made of.

use std::ops::Deref;

use jiff::SignedDuration;
use orgtrail::aws::{Aws, WriteClients};
use orgtrail::names::AccountId;
use serde_json::{Value, json};

use crate::env::{HOME, MINIMAL, TestEnv, working_day, writer};
use crate::program::Finished;

pub(crate) const MANAGEMENT: &str = "111111111111";
pub(crate) const ARCHIVE: &str = "222222222222";

/// An organization with the organization trail, before older trails are added.
pub(crate) struct SourcesEnv {
    env: TestEnv,
    pub(crate) aws: Aws,
    /// Active accounts other than the management and log-archive accounts.
    pub(crate) members: Vec<AccountId>,
}

pub(crate) fn archive() -> AccountId {
    ARCHIVE.parse().unwrap()
}

impl Deref for SourcesEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl SourcesEnv {
    pub(crate) async fn new() -> Self {
        let start = working_day() - SignedDuration::from_hours(2);
        let env = TestEnv::builder().accounts(7).at(start).start().await;
        env.sandbox.set_volume(2.0, None);
        let aws = env.sign_in().await;
        let mut members = Vec::new();
        for account in &env.sandbox.accounts()[2..] {
            if aws.assume_role_in(account).await.is_ok() {
                members.push(account.clone());
            }
        }
        assert!(members.len() >= 3, "{members:?}");
        let env = Self { env, aws, members };
        let applied = env.run("", &["apply", "--yes"]).await;
        assert_eq!(applied.code, 0, "{}", applied.text());
        env
    }

    pub(crate) fn clients(&self, account: &AccountId, region: &str) -> WriteClients {
        writer(&self.aws.clients(account, &region.parse().unwrap()))
    }

    /// A bucket that every trail may write to, and the management account read.
    pub(crate) async fn bucket(&self, owner: &AccountId, name: &str, region: &str) {
        make_bucket(&self.clients(owner, region), name, region, json!([])).await;
    }

    pub(crate) async fn trail(
        &self,
        account: &AccountId,
        name: &str,
        bucket: &str,
        prefix: Option<&str>,
    ) {
        let clients = self.clients(account, HOME);
        let trail = clients.cloudtrail();
        trail
            .create_trail()
            .name(name)
            .s3_bucket_name(bucket)
            .set_s3_key_prefix(prefix.map(str::to_owned))
            .is_multi_region_trail(true)
            .enable_log_file_validation(true)
            .send()
            .await
            .unwrap();
        trail.start_logging().name(name).send().await.unwrap();
    }

    /// Runs orgtrail with more lines in the configuration.
    pub(crate) async fn run(&self, more: &str, arguments: &[&str]) -> Finished {
        self.env.run(&format!("{MINIMAL}{more}"), arguments).await
    }

    /// The exit code and the JSON of a command.
    pub(crate) async fn json(&self, more: &str, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(more, &[arguments, &["--format", "json"]].concat()).await;
        (output.code, output.json())
    }

    /// Lets CloudTrail write to more of the archive.
    pub(crate) async fn open_archive(&self, resources: Value) {
        let archive = self.clients(&archive(), HOME);
        let policy = archive.s3().get_bucket_policy().bucket("acme-log-archive");
        let policy = policy.send().await.unwrap();
        let mut policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
        policy["Statement"].as_array_mut().unwrap().push(json!({
            "Effect": "Allow",
            "Principal": { "Service": "cloudtrail.amazonaws.com" },
            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
            "Resource": resources,
        }));
        let put = archive.s3().put_bucket_policy().bucket("acme-log-archive");
        put.policy(policy.to_string()).send().await.unwrap();
    }

    /// That every object of a bucket below `AWSLogs/` is in the archive.
    pub(crate) fn assert_arrived(&self, bucket: &str) {
        let org = self.sandbox.organization_id().unwrap();
        let there = self.sandbox.keys_raw("acme-log-archive", "AWSLogs/");
        let keys = self.sandbox.keys_raw(bucket, "");
        assert!(keys.len() > 4, "{keys:?}");
        for key in keys {
            let (_, below) = key.rsplit_once("AWSLogs/").unwrap();
            let below = below.strip_prefix(&format!("{org}/")).unwrap_or(below);
            assert!(there.contains(&format!("AWSLogs/{org}/{below}")), "{key}");
        }
    }
}

pub(crate) async fn make_bucket(clients: &WriteClients, name: &str, region: &str, more: Value) {
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(region.into())
        .build();
    let create = clients.s3().create_bucket().bucket(name);
    let place = (region != HOME).then_some(place);
    create.set_create_bucket_configuration(place).send().await.unwrap();
    let resources = json!([format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")]);
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Principal": { "Service": "cloudtrail.amazonaws.com" },
            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
            "Resource": resources,
        }),
        json!({
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{MANAGEMENT}:root") },
            "Action": ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
            "Resource": resources,
        }),
    ];
    statements.extend(more.as_array().unwrap().iter().cloned());
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let put = clients.s3().put_bucket_policy().bucket(name).policy(policy.to_string());
    put.send().await.unwrap();
}
