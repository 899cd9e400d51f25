//! Work on blocking threads and in tasks. Panics are propagated, since a missing result
//! would count as proven.

use tokio::task::{JoinError, spawn_blocking};

/// Runs work on a blocking thread and propagates its panic.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    or_panic(spawn_blocking(work).await)
}

/// The result of a task; its panic is propagated.
pub(crate) fn or_panic<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| {
        std::panic::resume_unwind(
            error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string())),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_passed_on() {
        assert_eq!(blocking(|| 1).await, 1);
        let lost = tokio::spawn(blocking(|| panic!("out of order"))).await;
        let panic = lost.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"out of order"));
    }
}
