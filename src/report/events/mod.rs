//! Events as people and other programs read them.

mod csv;
mod export;
mod json_line;
mod reconcile;
mod timeline;

pub use self::csv::{csv_header, csv_row};
pub use self::export::export_text;
pub use self::json_line::json_line;
pub use self::reconcile::reconcile_text;
pub use self::timeline::{Columns, search_summary};
