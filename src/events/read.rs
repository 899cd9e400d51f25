//! Reading log files: fetched ahead, inflated and split on blocking threads. What is found is
//! passed on through a bounded channel, so that a slow reader slows everything down, and one
//! that goes away ends it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use futures::stream::StreamExt as _;
use jiff::Timestamp;
use orgtrail_base::cloudtrail::gzip::{GzipError, inflate};
use orgtrail_events::records::{SplitError, Splitter};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::files::{LogFile, LogFiles};
use crate::archive::blocking::or_panic;
use crate::archive::verify::source::{FetchError, ListError, Source};
use crate::stop::Stop;

/// The largest file that is inflated. Units: bytes, inflated.
///
/// CloudTrail's files are at most about 50 MB; the limit stops a decompression bomb.
const LIMIT: u64 = 1 << 30;
/// What is found in a file is passed on in pieces of about this size. Units: bytes.
const PIECE: usize = 256 << 10;
/// Pieces that wait for the reader.
const WAITING: usize = 16;
/// Files that are fetched ahead.
const FETCHES: usize = 64;
/// Less than a piece of text is decompressed when a reader goes away.
const GZIP: [u8; 2] = [0x1f, 0x8b];

thread_local! {
    /// The inflater's buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Looks at records.
pub trait Look: Debug + Send + Sync + 'static {
    /// What is found in them.
    type Found: Send + 'static;

    /// Looks at a record, given as its text, and adds what it finds.
    ///
    /// # Errors
    /// The record is malformed: it is counted and left out.
    fn record(
        &self,
        file: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<Self::Found>,
    ) -> Result<(), Malformed>;

    /// The size of what is found. Units: bytes.
    fn weight(found: &Self::Found) -> usize;
}

/// A record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What the reader is given.
#[derive(Debug)]
pub enum Piece<F> {
    /// What was found in a part of a file. All of a file comes before its [`Piece::File`].
    Found(Vec<F>),
    /// A file was read.
    File(FileResult),
    /// All files delivered before this time were read.
    ReadUpTo(Timestamp),
    /// A listing failed: what follows it was not read.
    Failed(ListError),
}

/// What reading a file resulted in.
#[derive(Debug, Clone)]
pub struct FileResult {
    /// The file.
    pub file: Arc<LogFile>,
    /// The records in it.
    pub records: u64,
    /// Those that could not be read.
    pub malformed: u64,
    /// Its length, inflated. Units: bytes.
    pub inflated_bytes: u64,
    /// The SHA-256 of its inflated bytes, in lower case, if that was asked for and all of it
    /// was read.
    pub sha256: Option<String>,
    /// Why it, or the rest of it, could not be read.
    pub fault: Option<FileFault>,
}

/// Why a file could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileFault {
    /// It was listed, and does not exist.
    #[error("deleted while it was read")]
    Missing,
    /// It could not be fetched.
    #[error("{0}")]
    Fetch(String),
    /// It is not one whole gzip stream.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// It is not a log file.
    #[error(transparent)]
    Split(#[from] SplitError),
}

/// How files are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the hash of each file is computed.
    pub hash: bool,
}

/// Reads log files in tasks of their own; dropping what is returned ends them.
pub fn read<L: Look>(
    source: Arc<Source>,
    files: LogFiles,
    look: Arc<L>,
    options: Options,
    stop: Stop,
) -> Pieces<L::Found> {
    let (to, from) = mpsc::channel(WAITING);
    let reading = tokio::spawn(async move {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = Arc::new(Semaphore::new(threads));
        let reading = |file: Result<LogFile, ListError>| {
            let (source, look, to) = (Arc::clone(&source), Arc::clone(&look), to.clone());
            let threads = Arc::clone(&threads);
            // Polled here, the next files would wait for this one.
            let task = file.map(|file| {
                tokio::spawn(read_file(source, Arc::new(file), look, options, threads, to))
            });
            async move {
                match task {
                    Ok(task) => Ok(or_panic(task.await)),
                    Err(error) => Err(error),
                }
            }
        };
        let mut results = files.list().map(reading).buffered(FETCHES).boxed();
        let mut hour = None;
        loop {
            let next = tokio::select! {
                next = results.next() => next,
                () = to.closed() => None,
                () = stop.requested() => None,
            };
            let sent = match next {
                None => return,
                Some(Err(error)) => {
                    let _ = to.send(Piece::Failed(error)).await;
                    return;
                }
                Some(Ok(result)) => {
                    let delivered = result.file.delivered_at();
                    let is_later = delivered.map(hours) > hour;
                    if let (true, Some(delivered)) = (is_later, delivered) {
                        hour = Some(hours(delivered));
                        if to.send(Piece::ReadUpTo(delivered)).await.is_err() {
                            return;
                        }
                    }
                    to.send(Piece::File(result)).await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Pieces { from, reading: Some(reading) }
}

/// What is found, in the order of [`Piece`].
#[derive(Debug)]
pub struct Pieces<F> {
    from: mpsc::Receiver<Piece<F>>,
    reading: Option<JoinHandle<()>>,
}

impl<F> Pieces<F> {
    /// The next piece, or nothing at the end. A panic while reading is propagated: files that
    /// were not read would count as empty.
    pub async fn recv(&mut self) -> Option<Piece<F>> {
        let next = self.from.recv().await;
        if let Some(reading) = self.reading.take_if(|_| next.is_none()) {
            or_panic(reading.await);
        }
        next
    }

    /// [`Self::recv`] on a blocking thread of the runtime.
    pub fn blocking_recv(&mut self) -> Option<Piece<F>> {
        Handle::current().block_on(self.recv())
    }
}

fn hours(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

async fn read_file<L: Look>(
    source: Arc<Source>,
    file: Arc<LogFile>,
    look: Arc<L>,
    options: Options,
    threads: Arc<Semaphore>,
    to: mpsc::Sender<Piece<L::Found>>,
) -> FileResult {
    // A local file is read on the thread that inflates it.
    let stored = match &*source {
        Source::Folder(_) => None,
        Source::S3(_) => match source.fetch(None, &file.key).await {
            Ok(stored) => Some(stored.bytes),
            Err(error) => return FileResult::unread(file, error.into()),
        },
    };
    let Ok(permit) = threads.acquire_owned().await else {
        return FileResult::unread(file, FileFault::Fetch("stopped".to_owned()));
    };
    let work = move || {
        let _permit = permit;
        let local = match (&stored, &*source) {
            (None, Source::Folder(folder)) => match folder.content(&file.key) {
                Ok(bytes) => bytes,
                Err(error) => return FileResult::unread(file, error.into()),
            },
            _ => Vec::new(),
        };
        let stored = stored.as_deref().unwrap_or(&local);
        read_stored(stored, &file, &*look, options, &to)
    };
    or_panic(tokio::task::spawn_blocking(work).await)
}

impl From<FetchError> for FileFault {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NotFound => Self::Missing,
            error => Self::Fetch(error.to_string()),
        }
    }
}

impl FileResult {
    fn unread(file: Arc<LogFile>, fault: FileFault) -> Self {
        Self { file, records: 0, malformed: 0, inflated_bytes: 0, sha256: None, fault: Some(fault) }
    }
}

/// Reads the records of a file as stored. Blocks while the reader is slow.
fn read_stored<L: Look>(
    stored: &[u8],
    file: &Arc<LogFile>,
    look: &L,
    options: Options,
    to: &mpsc::Sender<Piece<L::Found>>,
) -> FileResult {
    let mut splitter = Splitter::default();
    let mut hash = options.hash.then(|| Context::new(&SHA256));
    let (mut found, mut weight) = (Vec::new(), 0_usize);
    let (mut records, mut malformed, mut fault) = (0_u64, 0_u64, None);
    let mut is_gone = false;
    let mut push = |piece: &[u8]| {
        if let Some(hash) = &mut hash {
            hash.update(piece);
        }
        if fault.is_some() || is_gone {
            return;
        }
        let pushed = splitter.push(piece, |raw| {
            records += 1;
            let before = found.len();
            if look.record(file, raw, &mut found).is_err() {
                malformed += 1;
            }
            weight += found.get(before..).into_iter().flatten().map(L::weight).sum::<usize>();
        });
        fault = pushed.err().map(FileFault::from);
        if weight > PIECE {
            weight = 0;
            is_gone = to.blocking_send(Piece::Found(std::mem::take(&mut found))).is_err();
        }
    };
    let (inflated_bytes, unpacked) = if stored.starts_with(&GZIP) {
        let mut length = 0;
        let inflated = BUFFER.with_borrow_mut(|buffer| {
            inflate(stored, LIMIT, buffer, |piece| {
                length += piece.len() as u64;
                push(piece);
            })
        });
        (length, inflated.map(|_| ()))
    } else {
        push(stored);
        (stored.len() as u64, Ok(()))
    };
    let too_long = splitter.too_long();
    let ended = splitter.finish();
    let fault = fault
        .or_else(|| unpacked.err().map(FileFault::from))
        .or_else(|| ended.err().map(FileFault::from));
    if !found.is_empty() {
        // The reader may have gone away.
        let _ = to.blocking_send(Piece::Found(found));
    }
    FileResult {
        file: Arc::clone(file),
        records: records + too_long,
        malformed: malformed + too_long,
        inflated_bytes,
        sha256: hash.filter(|_| fault.is_none()).map(|hash| hex::encode(hash.finish())),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[derive(Debug)]
    struct Texts;

    impl Look for Texts {
        type Found = String;

        fn record(
            &self,
            _: &Arc<LogFile>,
            raw: &[u8],
            found: &mut Vec<String>,
        ) -> Result<(), Malformed> {
            found.push(String::from_utf8(raw.to_vec()).map_err(|_| Malformed)?);
            Ok(())
        }

        fn weight(found: &String) -> usize {
            found.len()
        }
    }

    fn read_all(stored: &[u8]) -> (Vec<String>, FileResult) {
        let file = LogFile { key: "a.json.gz".to_owned(), size_bytes: 0, parsed: None };
        let (to, mut from) = mpsc::channel(1 << 12);
        let result = read_stored(stored, &Arc::new(file), &Texts, Options { hash: true }, &to);
        drop(to);
        let mut all = Vec::new();
        while let Ok(Piece::Found(found)) = from.try_recv() {
            all.extend(found);
        }
        (all, result)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn files_are_read_compressed_and_not() {
        let record = format!(r#"{{"a":"{}"}}"#, "x".repeat(1000));
        let text = format!(r#"{{"Records":[{}]}}"#, vec![record.as_str(); 2000].join(","));
        for stored in [text.clone().into_bytes(), gzip(text.as_bytes())] {
            let (records, result) = read_all(&stored);
            assert_eq!((records.len(), result.records, result.malformed), (2000, 2000, 0));
            assert!(records.iter().all(|one| *one == record));
            assert_eq!(result.inflated_bytes, text.len() as u64);
            assert_eq!(result.sha256.unwrap().len(), 64);
            assert!(result.fault.is_none());
        }
    }

    #[test]
    fn a_damaged_file_gives_what_comes_before_the_damage_and_is_reported() {
        let text = br#"{"Records":[{"a":1},{"a":2}]}"#;
        let whole = gzip(text);
        let (_, cut) = read_all(&whole[..whole.len() - 4]);
        assert!(matches!(cut.fault, Some(FileFault::Gzip(GzipError::Truncated { .. }))), "{cut:?}");
        let (records, appended) = read_all(&[whole.clone(), whole].concat());
        assert_eq!(records.len(), 2);
        assert!(matches!(appended.fault, Some(FileFault::Gzip(_))), "{appended:?}");
        let (records, not_utf8) = read_all(b"{\"Records\":[{\"a\":\"\xff\"},{\"a\":2}]}");
        assert_eq!((records.len(), not_utf8.records, not_utf8.malformed), (1, 2, 1));
        let (records, other) = read_all(b"<html>");
        assert!(records.is_empty() && other.sha256.is_none());
        assert!(other.fault.unwrap().to_string().starts_with("not a log file"));
    }
}
