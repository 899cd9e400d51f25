use super::{clients, write_clients};
use crate::aws::Observation;
use crate::names::prefix_folder;
use crate::resources::bucket::{DeclaredExpiring, Expiration, ExpiringBucket};
use crate::resources::change::Change;
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The bucket of the results of queries. Athena encrypts them as the workgroup says.
#[derive(Debug)]
pub(crate) struct ResultsBucket;

const RULE: &str = "orgtrail-athena-results";

fn declared(desired: &Desired) -> Option<DeclaredExpiring<'_>> {
    let athena = desired.config.athena.as_ref()?;
    Some(DeclaredExpiring {
        name: &athena.results.bucket,
        region: &athena.region,
        setting: "athena.results",
        otherwise: "results of queries, which contain log data, would be kept",
        expirations: vec![Expiration {
            rule: RULE.to_owned(),
            prefix: prefix_folder(athena.results.prefix.as_ref()),
            days: athena.results_days,
        }],
    })
}

impl Resource for ResultsBucket {
    type State = ExpiringBucket;
    const ID: &'static str = "athena-results";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = ExpiringBucket::ACTIONS;

    fn location(desired: &Desired) -> Location {
        desired.athena_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.athena.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<ExpiringBucket> {
        let Some(athena) = &context.desired.config.athena else { return Observation::Absent };
        let clients = clients(context, athena);
        let found = ExpiringBucket::read(&clients, &athena.results.bucket, RULE).await;
        Observation::from_result(found, |_| false).flatten()
    }

    fn diff(desired: &Desired, found: Option<&ExpiringBucket>, _: &Observed) -> Change {
        let Some(declared) = declared(desired) else { return Change::nothing() };
        ExpiringBucket::diff(found, &declared, desired, "Athena writes results of queries to it")
    }

    fn kept(desired: &Desired, _: Option<&ExpiringBucket>) -> Vec<Kept> {
        let Some(athena) = &desired.config.athena else { return Vec::new() };
        let cost = KeptCost::Objects {
            classes: vec!["STANDARD"],
            note: "; its lifecycle rule empties it",
        };
        vec![Kept::new(&athena.results.bucket, "it contains results of queries", cost)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let Some(athena) = &context.desired.config.athena else { return Ok(()) };
        let Some(declared) = declared(context.desired) else { return Ok(()) };
        let found = context.observed.athena_results.present();
        ExpiringBucket::apply(found, &declared, context, &write_clients(context, athena)).await
    }
}
