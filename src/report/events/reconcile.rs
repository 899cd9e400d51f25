use std::fmt::Write as _;

use crate::events::reconcile::{Place, Reason, Reconciled};
use crate::printable::plain;
use crate::report::new_table;
use crate::words::counted;

/// Reasons of places that are printed in full.
const MAX_REASONS: usize = 10;

/// The comparison with Event history: what is missing first, then what is unknown.
#[must_use]
pub fn reconcile_text(reconciled: &Reconciled) -> String {
    let mut text = String::new();
    let missing: Vec<&Place> = reconciled.places.iter().filter(|place| place.missing > 0).collect();
    if !missing.is_empty() {
        let mut table =
            new_table(["ACCOUNT", "REGION", "MISSING", "SAMPLED", "FROM", "TO", "FIRST MISSING"]);
        for place in &missing {
            let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
            let first = place.first_missing.first();
            table.add_row([
                place.account.to_string(),
                place.region.to_string(),
                place.missing.to_string(),
                place.sampled.to_string(),
                time(place.missing_between.map(|(first, _)| first)).unwrap_or_default(),
                time(place.missing_between.map(|(_, last)| last)).unwrap_or_default(),
                first.map(|event| plain(&event.name).into_owned()).unwrap_or_default(),
            ]);
        }
        let _ = writeln!(text, "{}\n", table.trim_fmt());
        for place in &missing {
            if let Some(since) = place.stopped_delivering() {
                let _ = writeln!(
                    text,
                    "{} in {}: every sampled event since {since} is missing: the trail stopped delivering, or its log files were deleted",
                    place.account, place.region
                );
            }
            for event in &place.first_missing {
                let _ = writeln!(
                    text,
                    "  {}  {} ({})  {}",
                    event.at,
                    plain(&event.name),
                    plain(&event.source),
                    plain(&event.id)
                );
            }
        }
        text.push('\n');
    }
    let unknown = reconciled.places.iter().filter(|place| place.unknown.is_some());
    for place in unknown.take(MAX_REASONS) {
        let reason = place.unknown.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "NOT COMPARED: {} in {}: {}",
            place.account,
            place.region,
            plain(reason)
        );
        if let Some(hint) = &place.hint {
            let _ = writeln!(text, "  hint: {}", plain(hint));
        }
    }
    let more = reconciled.unknown().saturating_sub(MAX_REASONS);
    if more > 0 {
        let _ = writeln!(text, "NOT COMPARED: {more} more accounts and Regions");
    }
    for note in &reconciled.notes {
        let _ = writeln!(text, "NOT KNOWN: {}", plain(note));
    }
    for reason in [Reason::Selectors, Reason::BeforeTrail, Reason::BeforeJoining] {
        let count: u64 =
            reconciled.places.iter().filter_map(|place| place.expected.get(&reason)).sum();
        if count > 0 {
            let _ = writeln!(text, "not in the archive, as expected: {count} {}", reason.as_str());
        }
    }
    let found: u64 = reconciled.places.iter().map(|place| place.found).sum();
    let _ = writeln!(
        text,
        "{} of Event history from {} to {}: {found} in the archive, {} MISSING, {} of {} not compared",
        counted(reconciled.sampled(), "event"),
        reconciled.from,
        reconciled.to,
        reconciled.missing(),
        reconciled.unknown(),
        places(reconciled.places.len()),
    );
    text
}

fn places(count: usize) -> String {
    match count {
        1 => "1 account and Region".to_owned(),
        more => format!("{more} accounts and Regions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::reconcile::HistoryEvent;

    #[test]
    fn what_is_missing_comes_first() {
        let mut place = Place::new("111111111111".parse().unwrap(), "us-east-1".parse().unwrap());
        let event = |id: &str, at: &str| HistoryEvent {
            id: id.to_owned(),
            at: at.parse().unwrap(),
            name: "Create\u{1b}User".to_owned(),
            source: "iam.amazonaws.com".to_owned(),
            read_only: Some(false),
        };
        place.add(event("a", "2026-01-01T00:00:00Z"), true, None);
        place.add(event("b", "2026-01-01T01:00:00Z"), false, None);
        place.add(event("c", "2026-01-01T02:00:00Z"), false, None);
        place.add(event("d", "2026-01-01T03:00:00Z"), false, Some(Reason::Selectors));
        let mut denied = Place::new("222222222222".parse().unwrap(), "eu-west-1".parse().unwrap());
        denied.unknown = Some("Event history: denied".to_owned());
        let text = reconcile_text(&Reconciled {
            at: "2026-01-02T00:00:00Z".parse().unwrap(),
            from: "2026-01-01T00:00:00Z".parse().unwrap(),
            to: "2026-01-01T23:00:00Z".parse().unwrap(),
            places: vec![place, denied],
            notes: Vec::new(),
            was_stopped: false,
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].trim_start().starts_with("ACCOUNT") && lines[1].contains("Create\\u001bUser"),
            "{text}"
        );
        assert!(
            text.contains("every sampled event since 2026-01-01T01:00:00Z is missing"),
            "{text}"
        );
        assert!(text.contains("NOT COMPARED: 222222222222 in eu-west-1: Event history: denied"));
        assert!(text.contains("1 left out by the trail's event selectors"));
        assert!(
            lines[lines.len() - 1]
                .contains("1 in the archive, 2 MISSING, 1 of 2 accounts and Regions"),
            "{text}"
        );
    }
}
