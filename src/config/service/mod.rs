mod access;
mod notify;
mod schedule;
mod secret;
mod state;
mod url;

pub use access::{Access, AccessScope, HeaderName, HostName, ListenAddress, ListenPlace, Network};
pub use notify::{ChannelName, Notify, NotifyKind, NotifySeverity, NotifyTarget};
pub use schedule::{CronPattern, RoundPart, Schedule, ScheduleName, ZoneName};
pub use secret::{Secret, SecretError};
pub use state::{Place, StatePlace};
pub use url::WebUrl;

use super::section::section;
use crate::names::AccountId;

section! {
    /// The service: `orgtrail serve`.
    pub struct Service {
        /// Where the service listens: an address and a port, or `unix:/PATH`. An address that
        /// other machines can reach needs a way to authenticate in `[service.access]`.
        listen: ListenAddress = default(ListenAddress::usual()),
        /// Who may use the pages and the API.
        access: Access = section,
        /// Where the service keeps its rounds and claims: a directory, or `s3://BUCKET/PREFIX`.
        /// Not the archive, whose Object Lock would retain every claim. Default: the
        /// directory `orgtrail` below `$XDG_STATE_HOME` or `~/.local/state`.
        state: Option<StatePlace> = default(None::<StatePlace>),
        /// The account that owns the state bucket. Default: the log-archive account if
        /// `manage_state` is set, and else the caller's account.
        state_account: Option<AccountId> = default(None::<AccountId>),
        /// Whether `apply` creates the state bucket, in the log-archive account and the
        /// archive's Region, and configures it.
        manage_state: bool = default(false),
        /// After how many days rounds and notifications expire in a state bucket that orgtrail
        /// manages.
        state_retention_days: u32 = default(400u32),
        /// The URL under which people reach the service, for links in notifications.
        public_url: Option<WebUrl> = default(None::<WebUrl>),
        /// The rounds to run, and when. Without this section: drift hourly, the last day's
        /// digests hourly, everything nightly.
        schedule: Vec<Schedule> = default(schedule::default_schedules()),
        /// The channels that are notified. None without this section.
        notify: Vec<Notify> = default(Vec::<Notify>::new()),
    }
}

impl Service {
    /// The account that owns the state bucket, if the configuration declares it: else it is
    /// the caller's.
    #[must_use]
    pub fn state_owner<'a>(&'a self, log_archive: &'a AccountId) -> Option<&'a AccountId> {
        self.state_account.as_ref().or(self.manage_state.then_some(log_archive))
    }
}
