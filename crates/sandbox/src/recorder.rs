use http::Request;
use parking_lot::Mutex;

/// A request to S3, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Request {
    /// By S3's names: `PutObject`.
    pub operation: String,
    /// The bucket and the key, as the address has them; `/` where it names none.
    pub path: String,
    /// `x-amz-expected-bucket-owner`.
    pub expected_owner: Option<String>,
    /// `x-amz-copy-source`.
    pub copy_source: Option<String>,
    /// `x-amz-source-expected-bucket-owner`.
    pub source_owner: Option<String>,
}

/// The requests to S3 since recording started; none before.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Option<Vec<S3Request>>>);

impl Recorder {
    pub(super) fn begin(&self) {
        self.0.lock().get_or_insert_default();
    }

    pub(super) fn take(&self) -> Vec<S3Request> {
        self.0.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn record<B>(&self, operation: impl FnOnce() -> String, request: &Request<B>) {
        let mut recorded = self.0.lock();
        let Some(requests) = recorded.as_mut() else { return };
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        requests.push(S3Request {
            operation: operation(),
            path: request.uri().path().to_owned(),
            expected_owner: header("x-amz-expected-bucket-owner"),
            copy_source: header("x-amz-copy-source"),
            source_owner: header("x-amz-source-expected-bucket-owner"),
        });
    }
}
