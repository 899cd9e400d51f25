use super::{Checker, repeated};
use crate::config::{Config, InsightEvents, ReadWriteType, Selectors};

/// CloudTrail's own limit.
const MOST_TAGS: usize = 50;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    tags(config, checker);
    insights(config, checker);
    short_form(config, checker);
}

fn tags(config: &Config, checker: &mut Checker<'_>) {
    let tags = &config.trail.tags;
    if tags.len() > MOST_TAGS {
        checker.error(
            &["trail.tags"],
            format!("found {} tags, expected at most {MOST_TAGS}", tags.len()),
        );
    }
    for (key, value) in tags {
        let place = crate::config::read::join("trail.tags", key);
        let length = key.chars().count();
        if !(1..=128).contains(&length) {
            checker.error(
                &[&place],
                format!("found a tag key of {length} characters, expected 1 to 128"),
            );
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            checker.error(
                &[&place],
                format!("found the tag key `{key}`, expected none that begins with `aws:`"),
            );
        }
        let length = value.chars().count();
        if length > 256 {
            checker.error(
                &[&place],
                format!("found a tag value of {length} characters, expected at most 256"),
            );
        }
        if let Some(strange) = key.chars().chain(value.chars()).find(|c| !is_tag_character(*c)) {
            checker.error(
                &[&place],
                format!(
                    "found {strange:?} in a tag, expected letters, digits, spaces and `_.:/=+-@`"
                ),
            );
        }
    }
}

fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

fn insights(config: &Config, checker: &mut Checker<'_>) {
    let recorded = Recorded::by(&config.trail.selectors());
    let sources = [
        "trail.include_management_events",
        "trail.read_write_type",
        "trail.event_selectors",
        "trail.advanced_event_selectors",
    ];
    let keys = |first| std::iter::once(first).chain(sources).collect::<Vec<_>>();
    let insights = &config.trail.insights;
    let sides = [
        ("call_rate", insights.call_rate, &insights.call_rate_events),
        ("error_rate", insights.error_rate, &insights.error_rate_events),
    ];
    for (key, on, events) in sides {
        let place = format!("trail.insights.{key}_events");
        if on && events.is_empty() {
            checker
                .error(&[&place], "found no events, expected \"Management\", \"Data\" or both")
                .hint(format!("to record no Insights of this kind, turn `{key}` off"));
        }
        for (at, one) in repeated(events) {
            checker.warning(&[&format!("{place}[{at}]")], format!("{one} is listed twice"));
        }
        if on && events.contains(&InsightEvents::Data) && !recorded.data {
            checker
                .error(
                    &[&place, "trail.data_events", sources[2], sources[3]],
                    "Insights into data events need the trail to record data events, and it does \
                     not",
                )
                .hint("record them, or leave out \"Data\"");
        }
    }
    let looks_at_management =
        |on: bool, events: &[InsightEvents]| on && events.contains(&InsightEvents::Management);
    if looks_at_management(insights.call_rate, &insights.call_rate_events) && !recorded.writes {
        checker
            .error(
                &keys("trail.insights.call_rate"),
                "Insights into call rates need the trail to record management events that write, \
                 and it does not",
            )
            .hint("record them, or turn `call_rate` off");
    }
    if looks_at_management(insights.error_rate, &insights.error_rate_events)
        && !recorded.reads
        && !recorded.writes
    {
        checker
            .error(
                &keys("trail.insights.error_rate"),
                "Insights into error rates need the trail to record management events, and it \
                 does not",
            )
            .hint("record them, or turn `error_rate` off");
    }
    if !recorded.reads || !recorded.writes {
        let what = match (recorded.reads, recorded.writes) {
            (true, _) => "management events that write",
            (_, true) => "management events that read",
            _ => "management events",
        };
        checker.warning(&sources, format!("the trail does not record {what}"));
    }
}

/// Which events some selectors record.
struct Recorded {
    reads: bool,
    writes: bool,
    data: bool,
}

impl Recorded {
    fn by(selectors: &Selectors) -> Self {
        let kinds: Vec<ReadWriteType> = match selectors {
            Selectors::Classic(selectors) => selectors
                .iter()
                .filter(|selector| selector.include_management_events)
                .map(|selector| selector.read_write_type)
                .collect(),
            Selectors::Advanced(selectors) => selectors
                .iter()
                .filter(|selector| selector.category() == Some("Management"))
                .map(|selector| match selector.only_value("readOnly") {
                    Some("true") => ReadWriteType::ReadOnly,
                    Some("false") => ReadWriteType::WriteOnly,
                    _ => ReadWriteType::All,
                })
                .collect(),
        };
        let data = match selectors {
            Selectors::Classic(selectors) => {
                selectors.iter().any(|selector| !selector.data_resources.is_empty())
            }
            Selectors::Advanced(selectors) => {
                selectors.iter().any(|selector| selector.category() == Some("Data"))
            }
        };
        Self {
            data,
            reads: kinds.iter().any(|kind| *kind != ReadWriteType::WriteOnly),
            writes: kinds.iter().any(|kind| *kind != ReadWriteType::ReadOnly),
        }
    }
}

/// The keys that stand in for selectors.
fn short_form(config: &Config, checker: &mut Checker<'_>) {
    let trail = &config.trail;
    let excludes = "trail.exclude_management_event_sources";
    if !trail.include_management_events {
        if trail.data_events.is_empty()
            && trail.event_selectors.is_empty()
            && trail.advanced_event_selectors.is_empty()
        {
            checker.error(
                &["trail.include_management_events", "trail.data_events"],
                "the trail would record nothing: neither management events nor data events",
            );
        }
        if !trail.exclude_management_event_sources.is_empty() {
            checker.error(
                &[excludes, "trail.include_management_events"],
                "excludes sources of management events, but no management events are recorded",
            );
        }
    }
    for (at, source) in repeated(&trail.exclude_management_event_sources) {
        checker.warning(&[&format!("{excludes}[{at}]")], format!("{source} is listed twice"));
    }
    for (at, events) in trail.data_events.iter().enumerate() {
        let place = format!("trail.data_events[{at}]");
        super::selectors::resource_type(
            checker,
            &format!("{place}.resource_type"),
            &events.resource_type,
        );
        for (nth, arn) in events.resources.iter().enumerate() {
            let key = format!("{place}.resources[{nth}]");
            super::selectors::arn_beginning(config, checker, &key, arn);
        }
        for (nth, arn) in repeated(&events.resources) {
            checker
                .warning(&[&format!("{place}.resources[{nth}]")], format!("{arn} is listed twice"));
        }
    }
    for (at, events) in repeated(&trail.data_events) {
        checker.warning(
            &[&format!("trail.data_events[{at}]")],
            format!("the same data events of {} are listed twice", events.resource_type),
        );
    }
    let long_forms = [
        ("trail.event_selectors", !trail.event_selectors.is_empty()),
        ("trail.advanced_event_selectors", !trail.advanced_event_selectors.is_empty()),
    ];
    // Saying the default over again, as `config show` does, contradicts nothing.
    let short_forms = [
        ("trail.include_management_events", !trail.include_management_events),
        ("trail.read_write_type", trail.read_write_type != ReadWriteType::All),
        (excludes, !trail.exclude_management_event_sources.is_empty()),
        ("trail.data_events", !trail.data_events.is_empty()),
    ];
    if let [(classic, true), (advanced, true)] = long_forms {
        checker
            .error(
                &[advanced, classic],
                "a trail has classic or advanced event selectors, never both; found both",
            )
            .hint("advanced selectors can express everything that classic ones can");
    }
    for (long, _) in long_forms.into_iter().filter(|(_, used)| *used) {
        for (short, _) in short_forms.into_iter().filter(|(_, used)| *used) {
            checker
                .error(
                    &[short, long],
                    format!("`{short}` and `{long}` both select events, expected one of them"),
                )
                .hint(format!("use only `{long}`"));
        }
    }
}
