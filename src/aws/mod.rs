//! Talking to AWS: the only place that builds SDK clients.
//!
//! [`Aws`] signs in and knows the way into every account; [`Clients`] are what reads of
//! the services of one account and Region, [`WriteClients`] all of them, for those who have
//! a [`WriteAuthority`]; [`AwsError`] is what a failed call
//! tells, [`Observation`] what a read told. Every request passes `connector`, where it
//! waits for its turn (`pacing`, by the table in `rates`) and is bounded in
//! time; `bucket_owner` states with every call of S3 who must own the bucket.
//! [`Objects`] are read many at a time.
//!
//! ```text
//! let policy = clients.s3().get_bucket_policy().bucket(name).send().await
//!     .at(&clients, "s3:GetBucketPolicy");
//! let seen = Observation::from_result(policy, AwsError::is_not_found);
//! ```

mod authority;
mod bucket_owner;
mod clients;
mod clock;
mod connector;
mod endpoint;
mod error;
mod hint;
mod kind;
mod location;
mod objects;
mod observation;
mod pacing;
mod propagation;
mod rates;
mod read;
mod role;
mod session;
mod settings;
mod stopping;
mod transport;

pub use authority::{WriteAuthority, WriteClients};
pub use clients::{At, Clients};
pub use endpoint::Endpoint;
pub use error::{AwsError, ErrorKind, Failure};
pub use objects::{Object, Objects};
pub use observation::Observation;
pub use pacing::Pacing;
pub use propagation::{Propagation, retry_propagation};
pub(crate) use propagation::{is_transient, retry_while};
pub use session::{Aws, Caller};
pub use settings::{Retries, Settings, Timeouts};
