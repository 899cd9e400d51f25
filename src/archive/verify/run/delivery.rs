//! What CloudTrail says of the newest digests.

use crate::archive::verify::chain::LatestDelivery;
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::place::Lane;
use crate::aws::{At as _, Aws};
use crate::names::{AccountId, Arn};
use jiff::Timestamp;

/// Where CloudTrail can be asked when it delivered the newest digest.
#[derive(Debug)]
pub struct Deliveries(Kind);

#[derive(Debug)]
enum Kind {
    None,
    Known(Vec<(AccountId, crate::names::Region, LatestDelivery)>),
    Ask { aws: Box<Aws>, account: AccountId, trail: Arn },
}

impl Deliveries {
    /// Nobody can be asked.
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// What was told already, by account and Region.
    #[must_use]
    pub fn known(told: Vec<(AccountId, crate::names::Region, LatestDelivery)>) -> Self {
        Self(Kind::Known(told))
    }

    /// `GetTrailStatus` of a trail in each Region, as its owner sees it:
    /// it tells of the owner's own events.
    #[must_use]
    pub fn ask(aws: Aws, account: AccountId, trail: Arn) -> Self {
        Self(Kind::Ask { aws: Box::new(aws), account, trail })
    }

    /// What is known of one account and Region.
    pub(super) async fn of(&self, lane: &Lane) -> (Vec<LatestDelivery>, Option<Finding>) {
        match &self.0 {
            Kind::None => (Vec::new(), None),
            Kind::Known(told) => {
                let here = |(account, region, _): &&(_, _, _)| {
                    (account, region) == (&lane.account, &lane.region)
                };
                (told.iter().filter(here).map(|(.., latest)| latest.clone()).collect(), None)
            }
            Kind::Ask { account, .. } if *account != lane.account => (Vec::new(), None),
            Kind::Ask { aws, account, trail } => {
                let clients = aws.clients(account, &lane.region);
                let answer = clients
                    .cloudtrail()
                    .get_trail_status()
                    .name(trail.to_string())
                    .send()
                    .await
                    .at(&clients, "cloudtrail:GetTrailStatus");
                match answer {
                    Ok(status) => {
                        let at = status
                            .latest_digest_delivery_time()
                            .and_then(|time| Timestamp::from_second(time.secs()).ok());
                        let trail = trail.resource_name().to_owned();
                        (at.map(|at| LatestDelivery { trail, at }).into_iter().collect(), None)
                    }
                    Err(error) if error.is_not_found() => (Vec::new(), None),
                    Err(error) => {
                        let finding = Finding::new(FindingKind::Unreadable)
                            .because(format!("the status of {trail}"), error)
                            .weighing(Severity::Notice);
                        (Vec::new(), Some(finding))
                    }
                }
            }
        }
    }
}
