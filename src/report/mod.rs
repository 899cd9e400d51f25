//! Results as people and programs read them: pure rendering, no effects.

pub mod contract;
pub mod drift;
mod junit;
pub mod verification;
