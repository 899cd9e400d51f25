//! What must be restored before it can be copied: how much, for what price and
//! how soon.

use indicatif::{BinaryBytes, HumanCount};

use super::{Context, OpError};
use crate::{
    archive::consolidate::restore::{ArchivedTotals, Tier},
    cost::prices,
};

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

/// Says it, with what is left to be started priced by each tier; whether there was
/// any.
pub(super) fn tell(context: &Context, held: &ArchivedTotals) -> Result<bool, OpError> {
    let mut startable = false;
    for (class, sum) in &held.0 {
        let class = class.as_str();
        if sum.restoring > 0 {
            context.out.data(format_args!(
                "{class}: {} objects ({}) are being restored; run again when they are",
                HumanCount(sum.restoring),
                BinaryBytes(sum.restoring_bytes),
            ))?;
        }
        let (objects, bytes) = (sum.objects - sum.restoring, sum.bytes - sum.restoring_bytes);
        if objects == 0 {
            continue;
        }
        startable = true;
        context.out.data(format_args!(
            "{class}: {} objects ({}) must be restored first:",
            HumanCount(objects),
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
