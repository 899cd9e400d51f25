//! Events as people and other programs read them.

mod csv;
pub mod detect;
mod export;
mod json_line;
mod reconcile;
mod timeline;
mod who;

pub use self::csv::{csv_header, csv_row};
pub use self::export::export_text;
pub use self::json_line::json_line;
pub use self::reconcile::reconcile_text;
pub use self::timeline::{Columns, search_summary, who_in_words};
use self::timeline::{coverage_lines, files_read, proof_lines};
pub use self::who::{
    actor_in_words, attribution_text, break_in_words, claim_in_words, link_in_words,
    origin_in_words,
};
