//! How many requests to AWS follow one another before a command reads or writes its first
//! object. At 20 ms each, a run that has nothing to do takes that long.
//!
//! The client's network works in lock step: every request that is sent in a step is answered
//! in the next one, and a step ends when the client has nothing left to do but wait. So the
//! step in which a request is sent is the length of the longest chain of requests before it,
//! whatever the machine's speed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;
use orgtrail::aws::{Pacing, WriteAuthority};
use orgtrail::ops::consolidate::{self, prepare};
use orgtrail::ops::verify::{self, verify};
use orgtrail::ops::{Connection, Env, Outcome};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::configured::{ConfiguredEnv, parse};
use crate::retire_env::{config, with_legacy_trail};

/// The most requests that may follow one another before the first object.
const BEFORE_VERIFIED: usize = 6;
const BEFORE_COPIED: usize = 10;

/// A network in lock step.
#[derive(Debug, Clone)]
struct LockStep {
    inner: SharedHttpClient,
    steps: Arc<Steps>,
}

#[derive(Debug)]
struct Steps {
    /// The current step. Answers are held back by those who wait for the next one.
    current: watch::Sender<usize>,
    /// One more than the requests that the sandbox has not answered yet.
    under_way: Arc<()>,
    sent: Mutex<Vec<Sent>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    step: usize,
    operation: String,
    path: String,
}

impl LockStep {
    fn new() -> Self {
        Self {
            inner: aws_smithy_http_client::Builder::new().build_http(),
            steps: Arc::new(Steps {
                current: watch::Sender::new(0),
                under_way: Arc::default(),
                sent: Mutex::default(),
            }),
        }
    }

    /// Runs a client, whose network this is.
    fn run<T>(&self, client: impl Future<Output = T>) -> T {
        let steps = Arc::clone(&self.steps);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || steps.end_if_waiting())
            .build()
            .unwrap();
        runtime.block_on(client)
    }

    fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.steps.sent.lock())
    }
}

impl Steps {
    fn begin(&self, request: &HttpRequest) -> (usize, Arc<()>) {
        let step = *self.current.borrow();
        let operation = request.extension::<Metadata>();
        let operation = operation.map_or_else(
            || format!("S3 {}", request.method()),
            |it| format!("{} {}", it.service(), it.name()),
        );
        let path = request.uri().split_once("://").map_or("", |(_, rest)| rest);
        let path = path.split_once('/').map_or("", |(_, path)| path).to_owned();
        self.sent.lock().push(Sent { step, operation, path });
        (step, Arc::clone(&self.under_way))
    }

    /// The client waits: for the sandbox, which takes no time, or for the next step.
    fn end_if_waiting(&self) {
        if Arc::strong_count(&self.under_way) == 1 && self.current.receiver_count() > 0 {
            self.current.send_modify(|step| *step += 1);
        }
    }
}

impl HttpClient for LockStep {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(LockStepConnector {
            inner: self.inner.http_connector(settings, components),
            steps: Arc::clone(&self.steps),
        })
    }
}

#[derive(Debug)]
struct LockStepConnector {
    inner: SharedHttpConnector,
    steps: Arc<Steps>,
}

impl HttpConnector for LockStepConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, steps) = (self.inner.clone(), Arc::clone(&self.steps));
        HttpConnectorFuture::new(async move {
            let (step, under_way) = steps.begin(&request);
            let mut next = steps.current.subscribe();
            let mut answer = inner.call(request).await?;
            let body = ByteStream::new(answer.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            *answer.body_mut() = SdkBody::from(body.into_bytes());
            drop(under_way);
            next.wait_for(|current| *current > step)
                .await
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            Ok(answer)
        })
    }
}

/// The step in which the first request is sent that `is_wanted` says, with all requests of
/// the steps before it printed.
#[expect(clippy::print_stdout, reason = "`--nocapture` shows what is sent in which step")]
fn steps_before(what: &str, sent: &[Sent], is_wanted: impl Fn(&Sent) -> bool) -> usize {
    let first = sent.iter().filter(|sent| is_wanted(sent)).map(|sent| sent.step).min();
    println!("{what}: {} requests", sent.len());
    let last = first.or_else(|| sent.iter().map(|sent| sent.step).max()).unwrap_or_default();
    for step in 0..=last {
        let mut counts = BTreeMap::<&str, Vec<&str>>::new();
        for one in sent.iter().filter(|one| one.step == step) {
            counts.entry(&one.operation).or_default().push(&one.path);
        }
        println!("  {}.", step + 1);
        for (operation, paths) in counts {
            println!("    {} × {operation} {}", paths.len(), paths[0]);
        }
    }
    first.unwrap_or(last + 1)
}

fn is_read(sent: &Sent) -> bool {
    let is_get = ["S3 GET", "S3 GetObject"].contains(&sent.operation.as_str());
    is_get && sent.path.contains("AWSLogs/")
}

fn is_copy(sent: &Sent) -> bool {
    let is_put = ["S3 PutObject", "S3 CopyObject"].contains(&sent.operation.as_str());
    is_put && sent.path.contains("AWSLogs/")
}

/// Operations whose network works in lock step.
fn operations(sandbox: &ConfiguredEnv, network: &LockStep) -> Env {
    let base = sandbox.without_transport(sandbox.administrator(), "us-east-1");
    let base = base.http_client(network.clone()).build();
    let connection = Connection { pacing: Pacing::Off, base: Some(base), ..Connection::default() };
    Env::new(connection, || Timestamp::UNIX_EPOCH).with_config(Ok(parse(&config())))
}

#[tokio::test(flavor = "multi_thread")]
async fn few_requests_follow_one_another_before_the_first_object() {
    let sandbox = with_legacy_trail(30).await;
    let measured = tokio::task::spawn_blocking(move || {
        let network = LockStep::new();
        let copied = network.run(async {
            let env = operations(&sandbox, &network);
            let prepared = prepare(&env, consolidate::Request::default()).await.unwrap();
            prepared.run(&env, Some(&WriteAuthority::granted())).await.unwrap()
        });
        assert_eq!(copied.outcome(), Outcome::Clean);
        assert!(copied.report.counts.copied > 0);
        let first = steps_before("consolidate", &network.sent(), is_copy);

        let network = LockStep::new();
        let again = network.run(async {
            let env = operations(&sandbox, &network);
            let prepared = prepare(&env, consolidate::Request::default()).await.unwrap();
            prepared.run(&env, Some(&WriteAuthority::granted())).await.unwrap()
        });
        assert_eq!((again.outcome(), again.report.counts.copied), (Outcome::Clean, 0));
        steps_before("consolidate again", &network.sent(), is_copy);

        let network = LockStep::new();
        let verified = network.run(async {
            verify(&operations(&sandbox, &network), &verify::Request::default()).await.unwrap()
        });
        assert_eq!(verified.outcome(), Outcome::Clean, "{:#?}", verified.verification.findings);
        (first, steps_before("verify", &network.sent(), is_read))
    });
    let (copied, verified) = measured.await.unwrap();
    assert!(copied <= BEFORE_COPIED, "{copied} requests before the first copied object");
    assert!(verified <= BEFORE_VERIFIED, "{verified} requests before the first verified object");
}
