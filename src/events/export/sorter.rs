//! Sorting more records than fit into memory: sorted runs in temporary files, which are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::Scratch;
use crate::local_file;

/// So many runs of a size become one of the next size: few files are open at a time.
const RUNS: usize = 16;
/// The window of the compression of runs, which a reader needs for each. Units: bits.
const WINDOW_BITS: u32 = 18;
/// The longest text of a run. Units: bytes.
const LONGEST: u32 = 64 << 20;

/// A record, in the order of an export: by time and id. Of copies, the one that CloudTrail
/// delivered as an update comes first, then the one in the first file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// When it happened.
    pub at: Option<Timestamp>,
    /// `eventID`, or empty.
    pub id: Box<str>,
    /// Whether it has no `addendum`.
    pub is_original: bool,
    /// The key of its file.
    pub key: Arc<str>,
    /// The record.
    pub raw: Box<str>,
}

impl Row {
    /// Its size in memory. Units: bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.raw.len() + self.id.len() + size_of::<Self>()
    }

    /// Whether another row is a copy of it: it has the same id and time.
    #[must_use]
    pub fn is_copy_of(&self, other: &Self) -> bool {
        !self.id.is_empty() && self.id == other.id && self.at == other.at
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let at = self.at.map(Timestamp::as_nanosecond);
        to.write_all(&[u8::from(at.is_some()), u8::from(self.is_original)])?;
        to.write_all(&at.unwrap_or_default().to_le_bytes())?;
        for text in [&*self.id, &*self.key, &*self.raw] {
            let length = u32::try_from(text.len()).map_err(io::Error::other)?;
            to.write_all(&length.to_le_bytes())?;
            to.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut flags = [0; 2];
        if from.read(&mut flags[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut flags[1..])?;
        let mut at = [0; 16];
        from.read_exact(&mut at)?;
        let at = Timestamp::from_nanosecond(i128::from_le_bytes(at)).map_err(io::Error::other)?;
        let mut text = || {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length > LONGEST {
                return Err(io::Error::other("a run is damaged"));
            }
            let mut bytes = vec![0; length as usize];
            from.read_exact(&mut bytes)?;
            String::from_utf8(bytes).map_err(io::Error::other)
        };
        let (id, key, raw) = (text()?, text()?, text()?);
        Ok(Some(Self {
            at: (flags[0] == 1).then_some(at),
            id: id.into(),
            is_original: flags[1] == 1,
            key: key.into(),
            raw: raw.into(),
        }))
    }
}

/// Sorts rows.
#[derive(Debug)]
pub struct Sorter {
    scratch: Arc<Scratch>,
    rows: Vec<Row>,
    weight: usize,
    /// Files of sorted rows, by size: those of one level were merged from the one before.
    levels: Vec<Vec<PathBuf>>,
}

impl Sorter {
    /// A sorter without rows.
    #[must_use]
    pub fn new(scratch: Arc<Scratch>) -> Self {
        Self { scratch, rows: Vec::new(), weight: 0, levels: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.weight += row.weight();
        self.rows.push(row);
    }

    /// How much memory its rows take. Units: bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.levels.is_empty()
    }

    /// Moves the rows out of memory.
    ///
    /// # Errors
    /// The temporary directory is full.
    pub fn spill(&mut self) -> io::Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        self.weight = 0;
        rows.sort_unstable();
        let mut run = self.write_run(rows.into_iter().map(Ok))?;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(runs) = self.levels.get_mut(level) else { break };
            runs.push(run);
            if runs.len() < RUNS {
                break;
            }
            let full = std::mem::take(runs);
            let sources = full.iter().map(Source::open).collect::<io::Result<_>>()?;
            run = self.write_run(Sorted::new(sources)?)?;
            for path in full {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn write_run(&self, rows: impl Iterator<Item = io::Result<Row>>) -> io::Result<PathBuf> {
        let path = self.scratch.path();
        let file = BufWriter::new(local_file::create_new(&path)?);
        let mut run = zstd::Encoder::new(file, 1)?;
        run.window_log(WINDOW_BITS)?;
        for row in rows {
            row?.write(&mut run)?;
        }
        run.finish()?.flush()?;
        Ok(path)
    }

    /// All rows, in order.
    ///
    /// # Errors
    /// A run could not be read.
    pub fn finish(mut self) -> io::Result<Sorted> {
        self.rows.sort_unstable();
        let mut sources = vec![Source::Memory(std::mem::take(&mut self.rows).into_iter())];
        for path in self.levels.iter().flatten() {
            sources.push(Source::open(path)?);
            // On Unix, an open file can be read after that; elsewhere the folder is removed later.
            let _ = fs::remove_file(path);
        }
        Sorted::new(sources)
    }
}

/// Rows in order.
#[derive(Debug)]
pub struct Sorted {
    sources: Vec<Source>,
    next: BinaryHeap<Reverse<(Row, usize)>>,
}

enum Source {
    Memory(std::vec::IntoIter<Row>),
    Run(Box<BufReader<zstd::Decoder<'static, BufReader<File>>>>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Memory(_)) { "Memory" } else { "Run" })
    }
}

impl Source {
    fn open(path: &PathBuf) -> io::Result<Self> {
        let run = zstd::Decoder::new(File::open(path)?)?;
        Ok(Self::Run(Box::new(BufReader::new(run))))
    }

    fn next(&mut self) -> io::Result<Option<Row>> {
        match self {
            Self::Memory(rows) => Ok(rows.next()),
            Self::Run(run) => Row::read(run),
        }
    }
}

impl Sorted {
    fn new(sources: Vec<Source>) -> io::Result<Self> {
        let mut sorted = Self { sources, next: BinaryHeap::new() };
        for source in 0..sorted.sources.len() {
            sorted.refill(source)?;
        }
        Ok(sorted)
    }

    fn refill(&mut self, number: usize) -> io::Result<()> {
        if let Some(source) = self.sources.get_mut(number)
            && let Some(row) = source.next()?
        {
            self.next.push(Reverse((row, number)));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        let Reverse((row, source)) = self.next.pop()?;
        Some(self.refill(source).map(|()| row))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        (prop::option::of(-9_i64..9), "[a-c]{0,2}", any::<bool>(), "[k-m]", "[x-z\u{e9}]{0,3}")
            .prop_map(|(at, id, is_original, key, raw)| Row {
                at: at.map(|second| Timestamp::from_second(second).unwrap()),
                id: id.into(),
                is_original,
                key: key.into(),
                raw: raw.into(),
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_come_out_in_order_wherever_they_were_in_between(
            rows in prop::collection::vec(row(), 0..80),
            every in 1_usize..40,
        ) {
            let scratch = Arc::new(Scratch::new().unwrap());
            let mut sorter = Sorter::new(scratch);
            for (number, row) in rows.iter().enumerate() {
                sorter.push(row.clone());
                if number % every == 0 {
                    sorter.spill().unwrap();
                    prop_assert_eq!(sorter.weight(), 0);
                }
            }
            prop_assert_eq!(sorter.is_empty(), rows.is_empty());
            let found: Vec<Row> = sorter.finish().unwrap().map(|row| row.unwrap()).collect();
            let mut wanted = rows;
            wanted.sort();
            prop_assert_eq!(found, wanted);
        }
    }
}
