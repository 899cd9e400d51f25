//! Reading AWS: everything that orgtrail manages, or one resource again immediately
//! before it is written. Both call the resource's own [`Resource::observe`].
//!
//! [`Resource::observe`]: super::Resource::observe

use super::Desired;
use super::catalogue::{Catalogued, Entry, Observed, Results};
use crate::aws::{Aws, AwsError, Clients, Observation};

/// What a resource reads AWS with.
pub(crate) struct ObserveContext<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) desired: &'a Desired,
    results: Results,
    /// For a re-read: what was observed before.
    before: Option<&'a Observed>,
}

/// Reads everything; what does not depend on each other, at the same time.
///
/// Never fails: what could not be read is [`Observation::Unreadable`].
pub async fn observe(aws: &Aws, desired: &Desired) -> Observed {
    Observed::read(&ObserveContext::new(aws, desired, None)).await
}

/// The same observation with one resource read again.
pub(crate) async fn reread(
    aws: &Aws,
    desired: &Desired,
    before: &Observed,
    entry: &Entry,
) -> Observed {
    let context = ObserveContext::new(aws, desired, Some(before));
    let mut now = before.clone();
    (entry.reread)(&context, &mut now).await;
    now
}

/// Reads some resources only; all others are unreadable, so that nothing is done with them.
pub(crate) async fn read_some(aws: &Aws, desired: &Desired, ids: &[&str]) -> Observed {
    let mut observed = Observed::not_read(&AwsError::not_read());
    for entry in ids.iter().filter_map(|id| Entry::find(id)) {
        let before = observed.clone();
        let context = ObserveContext::new(aws, desired, Some(&before));
        (entry.reread)(&context, &mut observed).await;
    }
    observed
}

impl<'a> ObserveContext<'a> {
    fn new(aws: &'a Aws, desired: &'a Desired, before: Option<&'a Observed>) -> Self {
        Self { aws, desired, results: Results::default(), before }
    }

    /// The clients of the management account in the home Region.
    pub(crate) fn management(&self) -> Clients {
        self.aws.clients(self.desired.management(), self.desired.home_region())
    }

    /// The clients of the log-archive account in the archive's Region.
    pub(crate) fn archive(&self) -> Clients {
        self.aws.clients(self.desired.archive(), &self.desired.config.archive.region)
    }

    /// The state of a resource that another one needs to read its own: read once, and
    /// for a re-read the one that was observed before.
    pub(crate) async fn state_of<R: Catalogued>(&self) -> &Observation<R::State> {
        match self.before {
            Some(before) => R::observation(before),
            None => R::result(&self.results).get_or_init(|| Box::pin(R::observe(self))).await,
        }
    }

    /// Reads a part of `whole`, if that is present.
    ///
    /// A re-read does not ask: an earlier step may have created the whole.
    pub(crate) async fn part_of<W, T>(
        &self,
        whole: impl Future<Output = Observation<W>>,
        part: impl Future<Output = Observation<T>>,
    ) -> Observation<T> {
        if self.before.is_some() {
            return part.await;
        }
        match whole.await {
            Observation::Present(_) => part.await,
            Observation::Absent => Observation::Absent,
            Observation::Unreadable(error) => Observation::Unreadable(error),
        }
    }
}
