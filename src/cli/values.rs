//! The values of options whose types are the library's.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::checks::Severity;
use crate::config::AccessScope;
use crate::report::drift::Format;

impl ValueEnum for Severity {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Low, Self::Medium, Self::High, Self::Critical]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Low => "Good practice",
            Self::Medium => "Weakens the trail or a guard",
            Self::High => "Events or their proof can be lost, or read by others",
            Self::Critical => "Events or their proof are being lost, or can be destroyed",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

impl ValueEnum for AccessScope {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Read => "Read the pages and the API",
            Self::Metrics => "Read the metrics",
            Self::Run => "Start a round of a schedule",
            Self::Evidence => "Build and download evidence bundles, which contain logs",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}
