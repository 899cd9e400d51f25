//! Results as people and programs read them: pure rendering, no effects.

pub mod contract;
pub mod drift;
pub mod events;
pub(crate) mod html;
mod junit;
mod spreadsheet;
pub mod verification;

use comfy_table::{ContentArrangement, Row, Table, presets};

/// A table without borders, as wide as its contents.
pub(crate) fn new_table(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}
