//! The sandbox's buckets against a model of versioned buckets that fits on a
//! page.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use proptest::prelude::*;

use crate::env::{HOME, TestEnv};

const KEYS: [&str; 3] = ["a", "a/b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8),
    PutNew(usize, u8),
    Copy(usize, usize),
    Delete(usize),
    /// The nth version of a key, newest first.
    DeleteVersion(usize, usize),
    Enable,
    Suspend,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    prop_oneof![
        4 => (key.clone(), any::<u8>()).prop_map(|(key, body)| Step::Put(key, body)),
        2 => (key.clone(), any::<u8>()).prop_map(|(key, body)| Step::PutNew(key, body)),
        2 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::Copy(from, to)),
        3 => key.clone().prop_map(Step::Delete),
        3 => (key, 0_usize..4).prop_map(|(key, at)| Step::DeleteVersion(key, at)),
        1 => Just(Step::Enable),
        1 => Just(Step::Suspend),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versioning {
    Off,
    On,
    Suspended,
}

/// (version id, content or delete marker), newest first.
type Versions = Vec<(String, Option<u8>)>;

#[derive(Debug)]
struct Model {
    versioning: Versioning,
    keys: BTreeMap<&'static str, Versions>,
}

impl Model {
    fn current(&self, key: &str) -> Option<u8> {
        self.keys.get(key).and_then(|versions| versions.first()).and_then(|(_, body)| *body)
    }

    fn push(&mut self, key: &'static str, id: Option<&str>, body: Option<u8>) {
        let id = id.unwrap_or("null").to_owned();
        match self.versioning {
            Versioning::On => assert_ne!(id, "null"),
            Versioning::Off | Versioning::Suspended => assert_eq!(id, "null"),
        }
        let versions = self.keys.entry(key).or_default();
        versions.retain(|(other, _)| id != "null" || other != "null");
        versions.insert(0, (id, body));
    }
}

async fn client() -> (TestEnv, Client) {
    let env = TestEnv::start().await;
    let client = env.s3_client(env.administrator(), HOME);
    (env, client)
}

async fn set(client: &Client, status: BucketVersioningStatus) {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let request = client.put_bucket_versioning().bucket("model");
    request.versioning_configuration(configuration).send().await.unwrap();
}

async fn take(client: &Client, model: &mut Model, step: Step) {
    let put = |key: &str, body: u8| {
        client.put_object().bucket("model").key(key).body(ByteStream::from(vec![body]))
    };
    match step {
        Step::Put(key, body) => {
            let done = put(KEYS[key], body).send().await.unwrap();
            model.push(KEYS[key], done.version_id(), Some(body));
        }
        Step::PutNew(key, body) => {
            let done = put(KEYS[key], body).if_none_match("*").send().await;
            assert_eq!(done.is_ok(), model.current(KEYS[key]).is_none());
            if let Ok(done) = done {
                model.push(KEYS[key], done.version_id(), Some(body));
            }
        }
        Step::Copy(from, to) => {
            let source = format!("model/{}", KEYS[from]);
            let copy = client.copy_object().bucket("model").copy_source(source).key(KEYS[to]);
            let done = copy.send().await;
            let body = model.current(KEYS[from]).filter(|_| from != to);
            assert_eq!(done.is_ok(), body.is_some());
            if let (Ok(done), Some(body)) = (done, body) {
                model.push(KEYS[to], done.version_id(), Some(body));
            }
        }
        Step::Delete(key) => {
            let done = client.delete_object().bucket("model").key(KEYS[key]).send().await.unwrap();
            if model.versioning == Versioning::Off {
                model.keys.remove(KEYS[key]);
            } else {
                assert_eq!(done.delete_marker(), Some(true));
                model.push(KEYS[key], done.version_id(), None);
            }
        }
        Step::DeleteVersion(key, at) => {
            let Some(versions) = model.keys.get_mut(KEYS[key]) else { return };
            let Some((id, body)) = versions.get(at).cloned() else { return };
            let delete = client.delete_object().bucket("model").key(KEYS[key]).version_id(&id);
            let done = delete.send().await.unwrap();
            assert_eq!(done.delete_marker(), body.is_none().then_some(true));
            versions.remove(at);
            if versions.is_empty() {
                model.keys.remove(KEYS[key]);
            }
        }
        Step::Enable => {
            set(client, BucketVersioningStatus::Enabled).await;
            model.versioning = Versioning::On;
        }
        Step::Suspend => {
            set(client, BucketVersioningStatus::Suspended).await;
            model.versioning = Versioning::Suspended;
        }
    }
}

/// The bucket says of itself what the model says of it.
async fn compare(client: &Client, model: &Model) {
    let listing = client.list_object_versions().bucket("model").send().await.unwrap();
    let versions = listing.versions().iter();
    let mut found: Vec<_> =
        versions
            .map(|v| (v.key().unwrap(), v.version_id().unwrap(), v.is_latest().unwrap(), true))
            .chain(listing.delete_markers().iter().map(|m| {
                (m.key().unwrap(), m.version_id().unwrap(), m.is_latest().unwrap(), false)
            }))
            .collect();
    let mut expected: Vec<_> = model
        .keys
        .iter()
        .flat_map(|(key, versions)| {
            versions
                .iter()
                .enumerate()
                .map(|(at, (id, body))| (*key, id.as_str(), at == 0, body.is_some()))
        })
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let listing = client.list_objects_v2().bucket("model").send().await.unwrap();
    let found: Vec<&str> = listing.contents().iter().map(|object| object.key().unwrap()).collect();
    let expected: Vec<&str> =
        model.keys.keys().copied().filter(|key| model.current(key).is_some()).collect();
    assert_eq!(found, expected);
    for (key, versions) in &model.keys {
        for (id, body) in versions {
            let found = client.get_object().bucket("model").key(*key).version_id(id).send().await;
            let found = match found {
                Ok(found) => Some(found.body.collect().await.unwrap().to_vec()[0]),
                Err(error) => {
                    // A delete marker can be named, and not be got.
                    assert_eq!(error.raw_response().unwrap().status().as_u16(), 405);
                    None
                }
            };
            assert_eq!(found, *body);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn buckets_behave_as_the_model_does(steps in proptest::collection::vec(step(), 1..25)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_sandbox, client) = client().await;
            client.create_bucket().bucket("model").send().await.unwrap();
            let mut model = Model { versioning: Versioning::Off, keys: BTreeMap::new() };
            for step in steps {
                take(&client, &mut model, step).await;
                compare(&client, &model).await;
            }
        });
    }
}
