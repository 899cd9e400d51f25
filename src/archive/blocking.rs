//! Work on blocking threads and in tasks, none of whose panics gets lost: a result that
//! is missing would count as proven.

use tokio::task::{JoinError, spawn_blocking};

/// Works on a blocking thread, and passes its panic on.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    or_panic(spawn_blocking(work).await)
}

/// What a task returned; its panic is passed on.
pub(super) fn or_panic<T>(done: Result<T, JoinError>) -> T {
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
