//! How fast the sandbox's S3 is, and whether it stays so as a bucket fills.
//!
//! `cargo bench -- sandbox [--objects 1000000]`. Client and server share the
//! machine's cores. Sixteen keep-alive connections send PUTs and GETs of 4 KiB,
//! signed with SigV4 over an unsigned payload, as an IAM user, against a bucket
//! with a policy; a bare client reads the answers, so that the server is what is
//! measured.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::{digest, hmac};
use orgtrail::sandbox::{Credentials, Options, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::quick::{Goal, QUICK, row};
use crate::usage::{cpu_seconds, peak_mib};

const CONNECTIONS: usize = 16;
const BODY_BYTES: usize = 4096;
const BUCKET: &str = "bench";
const PUT_FLOOR: f64 = 5_000.0;
const GET_FLOOR: f64 = 8_000.0;
/// Requests of one measurement.
const WINDOW: u64 = 40_000;

/// Runs the bench; `--objects N` sets the largest bucket.
pub(crate) fn run(options: &[String]) {
    let most = match options {
        [] => 1_000_000,
        [flag] if flag == QUICK => 10_000,
        [name, number] if name == "--objects" => number.parse().expect("--objects takes a number"),
        _ => panic!("expected: sandbox [--objects N]"),
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(most, threads, options.first().is_some_and(|flag| flag == QUICK)));
}

async fn measure(most: u64, threads: usize, is_quick: bool) {
    let started = Instant::now();
    let sandbox = Sandbox::start(Options::new("us-east-1".parse().unwrap())).await.unwrap();
    let start_up = started.elapsed();
    if !is_quick {
        println!(
            "sandbox: start {:.1} ms (limit 100); {CONNECTIONS} connections, {BODY_BYTES} B, {threads} threads for client and server, SigV4 with unsigned payload",
            millis(start_up)
        );
    }
    let client = Arc::new(Signer::new(&sandbox));
    prepare(&client).await;
    if !is_quick {
        println!(
            "{:>10}  {:>10}  {:>10}  {:>7}  {:>10}  {:>7}  {:>10}  {:>10}",
            "objects",
            "fill PUT/s",
            "PUT/s",
            "limits",
            "GET/s",
            "limits",
            "CPU us/PUT",
            "CPU us/GET"
        );
    }
    let mut first: Option<(Rate, Rate)> = None;
    let mut last = (Rate::default(), Rate::default());
    let mut there = 0;
    for objects in [1_000, 10_000, 100_000, 1_000_000] {
        if objects > most {
            break;
        }
        let fill = drive(&client, objects - there, move |n| Kind::Put(there + n)).await;
        there = objects;
        let put = drive(&client, WINDOW, move |n| Kind::Put(scattered(n, objects))).await;
        let get = drive(&client, WINDOW, move |n| Kind::Get(scattered(!n, objects))).await;
        first.get_or_insert((put, get));
        last = (put, get);
        if is_quick {
            continue;
        }
        println!(
            "{objects:>10}  {:>10.0}  {:>10.0}  {:>6.2}x  {:>10.0}  {:>6.2}x  {:>10.1}  {:>10.1}",
            fill.per_second,
            put.per_second,
            put.per_second / PUT_FLOOR,
            get.per_second,
            get.per_second / GET_FLOOR,
            put.cpu_micros,
            get.cpu_micros
        );
    }
    if is_quick {
        let (put, get) = (last.0.per_second / PUT_FLOOR, last.1.per_second / GET_FLOOR);
        row("sandbox: PUT/s", put, "5,000", Goal::AtLeast(1.0));
        row("sandbox: GET/s", get, "8,000", Goal::AtLeast(1.0));
    } else if let Some(first) = first {
        println!(
            "flatness, rate at the largest over rate at the smallest: PUT {:.2}, GET {:.2}; the same by CPU time, which a busy machine does not blur: PUT {:.2}, GET {:.2}; peak memory of client and server {:.0} MiB",
            last.0.per_second / first.0.per_second,
            last.1.per_second / first.1.per_second,
            first.0.cpu_micros / last.0.cpu_micros,
            first.1.cpu_micros / last.1.cpu_micros,
            peak_mib()
        );
    }
    sandbox.stop().await.unwrap();
}

/// How fast requests went.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    per_second: f64,
    /// CPU time of client and server together, per request.
    cpu_micros: f64,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A key's number, all over the bucket.
fn scattered(n: u64, objects: u64) -> u64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % objects
}

#[derive(Clone, Copy)]
enum Kind {
    Put(u64),
    Get(u64),
}

fn key(number: u64) -> String {
    format!("AWSLogs/o-bench/111111111111/CloudTrail/us-east-1/2026/01/01/{number:016}.json.gz")
}

async fn prepare(client: &Signer) {
    let mut connection = Connection::open(client.address.clone()).await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
    );
    for (query, body) in [("", String::new()), ("policy=", policy)] {
        let request = client.sign("PUT", &format!("/{BUCKET}"), query, body.as_bytes());
        let status = connection.send(&request, body.as_bytes()).await.0;
        assert!(status < 300, "preparing the bucket: HTTP {status}");
    }
}

/// Sends `count` requests over all connections.
async fn drive(
    client: &Arc<Signer>,
    count: u64,
    kind: impl Fn(u64) -> Kind + Copy + Send + 'static,
) -> Rate {
    let next = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (client, next) = (Arc::clone(client), Arc::clone(&next));
            tokio::spawn(async move {
                let mut connection = Connection::open(client.address.clone()).await;
                let mut body = vec![b'x'; BODY_BYTES];
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    match kind(n) {
                        Kind::Put(number) => {
                            body[..8].copy_from_slice(&number.to_be_bytes());
                            let path = format!("/{BUCKET}/{}", key(number));
                            let request = client.sign("PUT", &path, "", &body);
                            let (status, _) = connection.send(&request, &body).await;
                            assert_eq!(status, 200);
                        }
                        Kind::Get(number) => {
                            let path = format!("/{BUCKET}/{}", key(number));
                            let request = client.sign("GET", &path, "", b"");
                            let (status, length) = connection.send(&request, b"").await;
                            assert_eq!((status, length), (200, BODY_BYTES));
                            assert_eq!(connection.body()[..8], number.to_be_bytes());
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let count = count as f64;
    Rate {
        per_second: count / started.elapsed().as_secs_f64(),
        cpu_micros: (cpu_seconds() - cpu) * 1e6 / count,
    }
}

/// Signs requests with one day's key.
struct Signer {
    address: String,
    access_key: String,
    secret: String,
}

impl Signer {
    fn new(sandbox: &Sandbox) -> Self {
        let Credentials { access_key_id, secret_access_key } = sandbox.administrator().unwrap();
        Self {
            address: sandbox.endpoint().trim_start_matches("http://").to_owned(),
            access_key: access_key_id,
            secret: secret_access_key,
        }
    }

    fn sign(&self, method: &str, path: &str, query: &str, body: &[u8]) -> String {
        #[expect(clippy::disallowed_methods, reason = "signatures go by the real clock")]
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        let (date, stamp) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ"));
        let payload = "UNSIGNED-PAYLOAD";
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{}\nx-amz-content-sha256:{payload}\nx-amz-date:{stamp}\n\n{names}\n{payload}",
            self.address
        );
        let hash = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [date.as_str(), "us-east-1", "s3", "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        let signature = hex::encode(mac(&key, text.as_bytes()));
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut request = String::with_capacity(512);
        let _ = write!(
            request,
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nx-amz-date: {stamp}\r\nx-amz-content-sha256: {payload}\r\nauthorization: AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.access_key,
            body.len()
        );
        request
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// A keep-alive connection that reads no more of an answer than it must.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_at: usize,
}

impl Connection {
    async fn open(address: String) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(2 * BODY_BYTES), body_at: 0 }
    }

    /// Gives the status and the length of the body.
    async fn send(&mut self, head: &str, body: &[u8]) -> (u16, usize) {
        let mut request = Vec::with_capacity(head.len() + body.len());
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(body);
        self.stream.write_all(&request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).unwrap();
            let status = head[9..12].parse().unwrap();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            self.body_at = end + 4;
            while self.buffer.len() < self.body_at + length {
                assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0);
            }
            return (status, length);
        }
    }

    fn body(&self) -> &[u8] {
        &self.buffer[self.body_at..]
    }
}
