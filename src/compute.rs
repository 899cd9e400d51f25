//! Work that needs a processor for a while, on threads of its own.
//!
//! A thread keeps what it freed for its own next work. Reports of large organizations, read by
//! whichever thread is free, would need several times their size: one thread reads and writes
//! them all, in files too.

use std::sync::LazyLock;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::archive::blocking::or_panic;

type Pool = LazyLock<Option<Runtime>>;

static REPORTS: Pool = LazyLock::new(|| pool("orgtrail-reports", 1));
static PAGES: Pool =
    LazyLock::new(|| pool("orgtrail-pages", available_parallelism().map_or(2, usize::from)));

fn pool(name: &str, threads: usize) -> Option<Runtime> {
    let pool = Builder::new_current_thread()
        .max_blocking_threads(threads)
        .thread_keep_alive(Duration::from_hours(24))
        .thread_name(name)
        .build();
    pool.inspect_err(|error| tracing::warn!(%error, "no threads of their own for large work")).ok()
}

/// Reads or writes a report, after those that came before.
pub fn of_reports<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    run(&REPORTS, work)
}

/// Renders a page or another answer, on as many threads as there are processors.
pub fn of_pages<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    run(&PAGES, work)
}

/// Waits in a blocking task of the runtime that asks, so that tests which pause its clock see
/// that something is going on.
fn run<T: Send + 'static>(
    pool: &'static Pool,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    spawn_blocking(move || match &**pool {
        None => work(),
        Some(pool) => or_panic(pool.block_on(pool.spawn_blocking(work))),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    async fn threads_of(run: impl Fn() -> JoinHandle<thread::ThreadId>) -> usize {
        let work: Vec<_> = (0..200).map(|_| run()).collect();
        let mut threads = BTreeSet::new();
        for done in work {
            threads.insert(format!("{:?}", done.await.unwrap()));
        }
        threads.len()
    }

    #[tokio::test]
    async fn reports_are_the_work_of_one_thread_and_pages_of_few() {
        assert_eq!(threads_of(|| of_reports(|| thread::current().id())).await, 1);
        let most = available_parallelism().map_or(2, usize::from);
        assert!((1..=most).contains(&threads_of(|| of_pages(|| thread::current().id())).await));
    }

    #[tokio::test]
    async fn work_that_panics_ends_alone() {
        assert!(of_reports(|| panic!("on purpose")).await.is_err());
        assert_eq!(of_reports(|| 1).await.unwrap(), 1);
    }
}
