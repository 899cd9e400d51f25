//! Access to AWS: the only place that builds SDK clients.
//!
//! [`Aws`] signs in and assumes a role in each account. [`Clients`] have the operations that
//! read, of one account and Region; [`WriteClients`] have all operations, and need a
//! [`WriteAuthority`]. [`AwsError`] describes a failed call, [`Observation`] the result of a
//! read. Every request passes `connector`, which paces it (`pacing`, by the table in `rates`)
//! and limits its duration; `bucket_owner` adds the expected owner to every call of S3.
//! [`Objects`] reads many objects at once; [`signed_actions`] are the actions of the calls that are
//! made without an SDK client.
//!
//! ```text
//! let policy = clients.s3().get_bucket_policy().bucket(name).send().await
//!     .at(&clients, "s3:GetBucketPolicy");
//! let policy = Observation::from_result(policy, AwsError::is_not_found);
//! ```

mod authority;
mod bucket_owner;
mod clients;
mod clock;
mod connector;
pub mod counts;
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
mod signed;
mod stopping;
mod transport;
mod xml;

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
pub use signed::{QueryParameters, SignedCall, SignedRead, StackRead, StackWrite, signed_actions};
pub use xml::XmlElement;
