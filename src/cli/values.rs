//! The values of options whose types are the library's.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::checks::Severity;
use crate::config::AccessScope;
use crate::report::drift::Format;

/// A parser of severities, which another crate declares.
pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
    let value = |severity: &Severity| {
        let help = match severity {
            Severity::Low => "Good practice",
            Severity::Medium => "Weakens the trail or a guard",
            Severity::High => "Events or their proof can be lost, or read by others",
            Severity::Critical => "Events or their proof are being lost, or can be destroyed",
        };
        PossibleValue::new(severity.as_str()).help(help)
    };
    let find = |word: String| Severity::ALL.into_iter().find(|one| one.as_str() == word);
    PossibleValuesParser::new(Severity::ALL.iter().rev().map(value))
        .try_map(move |word| find(word).ok_or("not a severity"))
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
