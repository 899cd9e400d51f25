use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::verify::{chain, period};

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    /// The beginning.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
}

impl From<period::Period> for Period {
    fn from(period: period::Period) -> Self {
        let period::Period { from, to } = period;
        Self { from, to }
    }
}

/// The requested period; null where it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// The beginning.
    pub from: Option<Timestamp>,
    /// The end.
    pub to: Option<Timestamp>,
}

impl From<chain::Window> for Window {
    fn from(window: chain::Window) -> Self {
        Self { from: window.since, to: window.until }
    }
}
