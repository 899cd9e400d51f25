//! What must be restored before it can be copied: how much, for how much, and
//! how long that takes.

use indicatif::{BinaryBytes, HumanCount};

use super::{CliError, Context};
use crate::archive::consolidate::restore::{Held, Tier};
use crate::cost::prices;

/// The values of `--restore-tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum RestoreTier {
    /// The cheapest: within half a day, or two days from Deep Archive.
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

/// Says it.
pub(super) fn tell(context: &Context, held: &Held) -> Result<(), CliError> {
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
        context.out.data(format_args!(
            "{class}: {} objects ({}) must be restored first: `--restore` starts that",
            HumanCount(objects),
            BinaryBytes(bytes)
        ))?;
        for tier in [Tier::Bulk, Tier::Standard] {
            let Some(price) = prices::restore(class, tier.as_str()) else { continue };
            context.out.data(format_args!(
                "  as {}: about {}, {}",
                price.tier,
                price.usd(objects, bytes),
                price.takes
            ))?;
        }
    }
    Ok(())
}
