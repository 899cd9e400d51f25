//! What CloudTrail reports about trails whose chains were copied here.

use jiff::Timestamp;

use super::{
    Chain, ChainName, ChainSummary, ChainVerifier, Finding, FindingKind, Outcome, Placement,
    TrailOwner, TrailReports,
};
use crate::archive::key::Root;
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::Severity;
use crate::names::{AccountId, Arn, Partition};

/// A trail that delivers to another place than the verified archive.
#[derive(Debug, Clone)]
pub struct OriginTrail {
    /// Its name.
    pub trail: String,
    /// The Region in which it was created.
    pub home_region: String,
    /// The bucket that it delivers to now.
    pub bucket: String,
    /// The root below which it delivers there.
    pub root: Root,
    /// When its newest digest was delivered, or why that could not be read.
    pub latest: Result<Option<Timestamp>, String>,
}

/// A chain that ends before the newest digest that its trail delivered to another place.
#[derive(Debug, Clone)]
pub(crate) struct LaggingChain {
    pub(crate) chain_name: ChainName,
    /// The bucket that the trail delivers to now.
    pub(crate) bucket: String,
    pub(crate) root: Root,
    /// The end of the newest digest here.
    pub(crate) end: Timestamp,
    /// When the newest digest was delivered.
    pub(crate) latest: Timestamp,
    /// The `expected` of its finding.
    pub(crate) wanted: String,
}

impl ChainVerifier {
    /// Compares the end of a relocated chain with what CloudTrail reports about its trail.
    pub(super) fn at_origin(
        &self,
        chain: &Chain,
        reports: &TrailReports,
        out: &mut Vec<Outcome>,
    ) -> Option<LaggingChain> {
        let summary = &chain.summary;
        let end = summary.proven_until()?;
        if summary.backfill || summary.placement != Placement::Relocated || !reports.origins_known {
            return None;
        }
        // Later digests in this bucket show where the chain continues.
        let at_hand = end.max(chain.tip.end);
        if self.config.window.until.is_none_or(|until| until <= at_hand) {
            return None;
        }
        // The trail that delivers here now was already checked.
        let is_here = |trail: &str, home: &str, root: &Root| summary.is_of(trail, home, root);
        if reports.latest.iter().any(|it| is_here(&it.trail, &it.home_region, &it.root))
            || reports.unreported.iter().any(|it| is_here(&it.trail, &it.home_region, &it.root))
        {
            return None;
        }
        let named = format!("the trail {} of {}", summary.trail, summary.home_region);
        let origin = reports
            .origins
            .iter()
            .find(|origin| is_here(&origin.trail, &origin.home_region, &origin.root));
        let Some(origin) = origin else {
            out.push(Outcome::found(self.vanished(summary, &chain.tip.key, end)));
            return None;
        };
        let wanted = |at: Timestamp| format!("the digest of {named} that was delivered at {at}");
        let unknown = |kind, expected: String, found: &str| {
            let finding =
                self.at(kind, &chain.tip.key).with_mismatch(expected, found).with_period(end, end);
            Outcome::found(finding.with_severity(Severity::Incomplete))
        };
        match &origin.latest {
            Err(why) => {
                out.push(unknown(FindingKind::Unreadable, format!("the status of {named}"), why));
                None
            }
            Ok(None) => {
                let expected = format!("a delivery time of a digest in the status of {named}");
                out.push(unknown(FindingKind::DeliveryUnknown, expected, "none"));
                None
            }
            Ok(Some(latest)) => {
                let is_newer = latest.duration_since(at_hand) > NEWER_AFTER;
                if !self.window_includes_time(*latest) || !is_newer {
                    return None;
                }
                let found = format!("none here after the one that ends at {end}");
                let finding = self
                    .at(FindingKind::NewestDeleted, &chain.tip.key)
                    .with_mismatch(wanted(*latest), found)
                    .with_period(end, *latest)
                    .with_severity(Severity::Incomplete);
                out.push(Outcome::found(finding));
                Some(LaggingChain {
                    chain_name: summary.chain_name.clone(),
                    bucket: origin.bucket.clone(),
                    root: origin.root.clone(),
                    end,
                    latest: *latest,
                    wanted: wanted(*latest),
                })
            }
        }
    }

    /// The finding for a chain whose trail no longer exists. The finding's key is the trail's
    /// ARN, as in the record of a retirement.
    fn vanished(&self, summary: &ChainSummary, newest: &str, end: Timestamp) -> Finding {
        let scope = self.first();
        let is_own = summary.owners.contains(&TrailOwner::Account);
        let owner: Option<AccountId> = if is_own {
            Some(scope.account.clone())
        } else {
            self.config.org_owner.as_ref().map(|known| known.management.clone())
        };
        let name = match owner {
            Some(owner) => Arn::regional(
                Partition::of(&scope.region),
                "cloudtrail",
                &summary.chain_name.home_region,
                &owner,
                format!("trail/{}", summary.trail),
            )
            .to_string(),
            None => format!("trail/{}", summary.trail),
        };
        Finding { key: Some(name), ..Finding::new(FindingKind::SourceVanished) }
            .with_mismatch(
                "a trail whose status says when its newest digest was delivered",
                format!("no such trail; the newest digest here is {newest}"),
            )
            .with_period(end, end)
    }
}
