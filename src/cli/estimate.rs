//! What a dry run would take, for people.

use indicatif::{BinaryBytes, HumanCount};

use super::{Context, OpError};
use crate::{archive::consolidate::run::Report, cost::consolidation::Estimate};

/// Says what the run would move from where, and what that takes.
pub(super) fn tell(context: &Context, report: &Report, estimate: &Estimate) -> Result<(), OpError> {
    for (source, counts) in &report.by_source {
        context.out.data(format_args!(
            "  {source}: {} objects to copy ({}), {} in the archive before",
            HumanCount(counts.copied),
            BinaryBytes(counts.copied_bytes),
            HumanCount(counts.present),
        ))?;
    }
    context.out.data("requests, at the most:")?;
    for kind in &estimate.requests {
        let (requests, usd) = (HumanCount(kind.requests).to_string(), kind.usd);
        context.out.data(format_args!("  {:20} {requests:>14} {usd:>10}", kind.kind))?;
    }
    context.out.data(format_args!(
        "together {}, then {} a month in {}; the way costs {} between Regions, {} where orgtrail runs outside of AWS",
        estimate.total_usd,
        estimate.stored_usd_a_month,
        estimate.storage_class,
        estimate.between_regions_usd,
        estimate.to_internet_usd,
    ))
}
