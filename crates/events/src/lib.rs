//! CloudTrail's records: splitting log files into records, what a record says, and what
//! follows from many of them.
//!
//! Nothing here calls AWS, reads files or waits.

pub mod attribution;
pub mod detection;
pub mod event;
pub mod export;
pub mod lenient;
pub mod records;
pub mod severity;

pub use self::event::Event;
