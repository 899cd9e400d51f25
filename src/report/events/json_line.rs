use crate::events::answer::{Proof, SearchedEvent};
use crate::events::export;

/// A record on one line, as CloudTrail wrote it, with a last member `orgtrail`: the key of its
/// file, and whether it is proven.
pub fn json_line(event: &SearchedEvent) -> Result<String, serde_json::Error> {
    export::json_line(&event.raw, &event.file, event.proof.map(Proof::as_str))
}
