//! Objects that must be restored before they can be copied: number, price and duration.

use indicatif::BinaryBytes;

use super::{Context, OpError};
use crate::archive::consolidate::restore::{ArchivedTotals, Tier};
use crate::cost::prices;
use crate::words::counted;

/// The values of `--restore-tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum RestoreTier {
    /// The cheapest: within 12 hours, or 48 hours from Deep Archive.
    #[default]
    Bulk,
    /// Within hours.
    Standard,
}

impl From<RestoreTier> for Tier {
    fn from(tier: RestoreTier) -> Self {
        match tier {
            RestoreTier::Bulk => Self::Bulk,
            RestoreTier::Standard => Self::Standard,
        }
    }
}

/// Prints them, with the price of each tier for those whose restore has not started; whether
/// there are any of these.
pub(super) fn print(context: &Context, held: &ArchivedTotals) -> Result<bool, OpError> {
    let mut startable = false;
    for (class, sum) in &held.0 {
        let class = class.as_str();
        if sum.restoring > 0 {
            context.out.data(format_args!(
                "{class}: {} ({}) are being restored; run again once they are restored",
                counted(sum.restoring, "object"),
                BinaryBytes(sum.restoring_bytes),
            ))?;
        }
        let (objects, bytes) = (sum.objects - sum.restoring, sum.bytes - sum.restoring_bytes);
        if objects == 0 {
            continue;
        }
        startable = true;
        context.out.data(format_args!(
            "{class}: {} ({}) must be restored first:",
            counted(objects, "object"),
            BinaryBytes(bytes)
        ))?;
        for tier in [Tier::Bulk, Tier::Standard] {
            if let Some(price) = prices::restore(class, tier.as_str()) {
                let usd = price.usd(objects, bytes);
                let (flag, takes) = (tier.as_str().to_lowercase(), price.takes);
                context
                    .out
                    .data(format_args!("  --restore --restore-tier {flag:8}  {usd}, {takes}"))?;
            }
        }
    }
    Ok(startable)
}
