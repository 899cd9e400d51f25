//! The estimate of a dry run, as text.

use indicatif::{BinaryBytes, HumanCount};

use super::{Context, OpError};
use crate::archive::consolidate::run::Report;
use crate::cost::consolidation::Estimate;
use crate::words::counted;

/// Prints how many objects the run would copy from each source, and the cost.
pub(super) fn print(
    context: &Context,
    report: &Report,
    estimate: &Estimate,
) -> Result<(), OpError> {
    for (source, counts) in &report.by_source {
        context.out.data(format_args!(
            "  {source}: {} to copy ({}), {} already in the archive",
            counted(counts.copied, "object"),
            BinaryBytes(counts.copied_bytes),
            HumanCount(counts.present),
        ))?;
    }
    context.out.data("requests, at most:")?;
    for kind in &estimate.requests {
        let (requests, usd) = (HumanCount(kind.requests).to_string(), kind.usd);
        context.out.data(format_args!("  {:20} {requests:>14} {usd:>10}", kind.kind))?;
    }
    context.out.data(format_args!(
        "total {}, then {} per month in {}; data transfer costs {} between Regions, or {} if orgtrail runs outside AWS",
        estimate.total_usd,
        estimate.stored_usd_a_month,
        estimate.storage_class,
        estimate.between_regions_usd,
        estimate.to_internet_usd,
    ))
}
