//! The hours of a chain: which are proven, and what the others are.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::components::{count, scroll};
use crate::report::contract::Period;
use crate::serve::board::{ChainFinding, ScopeChains};

/// How many hours are shown: 7 days.
pub(super) const HOURS: i64 = 7 * 24;
const ALL_HOURS: usize = 7 * 24;
const HOUR: i64 = 3600;

/// The state of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HourState {
    /// Proven.
    Valid,
    /// A digest or log file is missing.
    Missing,
    /// Something is not what CloudTrail wrote.
    Altered,
    /// Not proven, and not contradicted.
    Open,
}

impl HourState {
    /// All states.
    pub(super) const ALL: [Self; 4] = [Self::Valid, Self::Missing, Self::Altered, Self::Open];

    /// Its word, and its class.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Open => "open",
        }
    }

    /// What it means.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing: a digest or log file",
            Self::Altered => "altered: not what CloudTrail wrote",
            Self::Open => "open: not proven yet",
        }
    }

    /// What a finding makes of its hours.
    pub(super) fn of(finding: &ChainFinding) -> Self {
        let is_missing = ["missing", "deleted"].iter().any(|word| finding.kind.contains(word));
        match (finding.is_broken, is_missing) {
            (true, true) => Self::Missing,
            (true, false) => Self::Altered,
            (false, _) => Self::Open,
        }
    }
}

/// Something that is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap<'a> {
    /// The state of its hours.
    pub state: HourState,
    /// The time that it concerns; none if that is not known.
    pub period: Option<Period>,
    /// Why; none where no verification has covered the time.
    pub finding: Option<&'a ChainFinding>,
}

/// An hour, and the gap that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hour {
    state: HourState,
    gap: Option<usize>,
}

/// Seven days of a chain.
#[derive(Debug)]
pub(super) struct Timeline<'a> {
    /// The beginning.
    pub from: Timestamp,
    /// The end.
    pub until: Timestamp,
    /// One for each hour; none before the chain's beginning, and in the future.
    hours: Vec<Option<Hour>>,
    /// What is not proven, the most severe first.
    pub gaps: Vec<Gap<'a>>,
}

/// The first second of an hour, or of the next one.
fn next_hour(time: Timestamp) -> i64 {
    time.as_second().saturating_add(HOUR - 1).div_euclid(HOUR) * HOUR
}

fn stamp(second: i64) -> Timestamp {
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    let nearest = second.clamp(*range.start(), *range.end());
    Timestamp::from_second(nearest).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl<'a> Timeline<'a> {
    /// The seven days before a time.
    pub(super) fn of(chains: &'a ScopeChains, until: Timestamp, now: Timestamp) -> Self {
        let end = next_hour(until.min(now));
        let start = end.saturating_sub(HOURS * HOUR);
        let of_finding = |finding: &'a ChainFinding| Gap {
            state: HourState::of(finding),
            period: finding.period,
            finding: Some(finding),
        };
        let mut gaps: Vec<Gap<'a>> = chains.findings.iter().map(of_finding).collect();
        let mut hours: Vec<Option<Hour>> =
            vec![Some(Hour { state: HourState::Open, gap: None }); ALL_HOURS];
        let at = |hour: usize| start + i64::try_from(hour).unwrap_or(0) * HOUR;
        let proven = &chains.proven;
        let periods = || chains.findings.iter().filter_map(|finding| finding.period);
        let first = proven.iter().copied().chain(periods()).map(|period| period.from).min();
        for (position, hour) in hours.iter_mut().enumerate() {
            let (from, to) = (at(position), at(position) + HOUR);
            let is_before = first.is_some_and(|first| to <= first.as_second());
            let is_valid =
                proven.iter().any(|it| it.from.as_second() <= from && to <= it.to.as_second());
            *hour = match is_valid {
                _ if is_before => None,
                true => Some(Hour { state: HourState::Valid, gap: None }),
                false => Some(Hour { state: HourState::Open, gap: None }),
            };
        }
        // The most severe first: an hour belongs to the first gap that covers it.
        let order = |gap: &Gap<'_>| match gap.state {
            HourState::Altered => 0,
            HourState::Missing => 1,
            HourState::Open | HourState::Valid => 2,
        };
        gaps.sort_by_key(order);
        for (number, gap) in gaps.iter().enumerate() {
            let Some(period) = gap.period else { continue };
            for (position, hour) in hours.iter_mut().enumerate() {
                let (from, to) = (at(position), at(position) + HOUR);
                let overlaps = period.from.as_second() < to && from < period.to.as_second();
                if overlaps && hour.is_none_or(|hour| hour.gap.is_none()) {
                    *hour = Some(Hour { state: gap.state, gap: Some(number) });
                }
            }
        }
        let is_unexplained =
            |hour: &Option<Hour>| *hour == Some(Hour { state: HourState::Open, gap: None });
        let mut position = 0;
        while position < hours.len() {
            let run = hours.get(position..).unwrap_or_default();
            let length = run.iter().take_while(|hour| is_unexplained(hour)).count();
            if length > 0 {
                let period = Period { from: stamp(at(position)), to: stamp(at(position + length)) };
                let gap = Some(gaps.len());
                gaps.push(Gap { state: HourState::Open, period: Some(period), finding: None });
                for hour in hours.iter_mut().skip(position).take(length) {
                    *hour = Some(Hour { state: HourState::Open, gap });
                }
            }
            position += length.max(1);
        }
        Self { from: stamp(start), until: stamp(end), hours, gaps }
    }

    /// How many hours have a state.
    pub(super) fn number(&self, state: HourState) -> usize {
        self.hours.iter().flatten().filter(|hour| hour.state == state).count()
    }

    /// The states, and how many hours have each.
    pub(super) fn legend(&self) -> Markup {
        html! {
            ul.legend role="list" aria-label="Legend and number of hours" {
                @for state in HourState::ALL {
                    li {
                        span.tag.(state.word()) { (count(self.number(state))) " h" } " "
                        (state.meaning())
                    }
                }
            }
        }
    }

    /// A row for each day, a column for each hour. Gaps link to their row in the table, up to
    /// the `listed`-th.
    pub(super) fn table(&self, listed: usize) -> Markup {
        let caption = format!(
            "State of each hour from {} to {}, UTC",
            self.from.strftime("%-d %b, %H:%M"),
            self.until.strftime("%-d %b, %H:%M")
        );
        let table = html! {
            table.line {
                caption.vh { (caption) }
                thead { tr {
                    th scope="col" { "Day" }
                    @for hour in 0..24 { th scope="col" { (format!("{hour:02}")) } }
                } }
                tbody {
                    @for (day, hours) in self.days() {
                        tr {
                            th scope="row" {
                                time datetime=(day.strftime("%Y-%m-%d")) {
                                    (day.strftime("%a %-d %b"))
                                }
                            }
                            @for span in hours.chunk_by(|one, other| one == other) {
                                (cell(span, listed))
                            }
                        }
                    }
                }
            }
        };
        scroll("Timeline", &table)
    }

    /// The days, each with 24 hours.
    fn days(&self) -> Vec<(Date, [Option<Hour>; 24])> {
        let mut days: Vec<(Date, [Option<Hour>; 24])> = Vec::with_capacity(8);
        let start = self.from.as_second();
        for (position, hour) in self.hours.iter().enumerate() {
            let second = start.saturating_add(i64::try_from(position).unwrap_or(0) * HOUR);
            let day = stamp(second).to_zoned(TimeZone::UTC).date();
            if days.last().is_none_or(|(last, _)| *last != day) {
                days.push((day, [None; 24]));
            }
            let of_day = usize::try_from(second.rem_euclid(24 * HOUR) / HOUR).unwrap_or(0);
            if let Some((_, hours)) = days.last_mut()
                && let Some(place) = hours.get_mut(of_day)
            {
                *place = *hour;
            }
        }
        days
    }
}

fn cell(span: &[Option<Hour>], listed: usize) -> Markup {
    let length = span.len();
    let columns = Some(length).filter(|length| *length > 1);
    let text = |state: HourState| {
        html! {
            @if length > 1 { (state.word()) }
            @else { span.vh { (state.word()) } "1 h" }
        }
    };
    match span.first().copied().flatten() {
        None => html! { td colspan=[columns] {} },
        Some(Hour { state, gap: None }) => {
            html! { td.(state.word()) colspan=[columns] {
                @if length > 1 { (state.word()) } @else { span.vh { (state.word()) } }
            } }
        }
        Some(Hour { state, gap: Some(number) }) => html! {
            td.(state.word()) colspan=[columns] {
                @if number < listed { a href={ "#g" (number + 1) } { (text(state)) } }
                @else { a href="#gaps" { (text(state)) } }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + hour * HOUR).unwrap()
    }

    fn period(from: i64, to: i64) -> Period {
        Period { from: at(from), to: at(to) }
    }

    fn finding(kind: &str, is_broken: bool, period: Option<Period>) -> ChainFinding {
        ChainFinding {
            kind: kind.into(),
            is_broken,
            meaning: "a meaning".into(),
            key: None,
            expected: None,
            found: None,
            period,
            objects: 1,
        }
    }

    fn chains(proven: &[(i64, i64)], findings: Vec<ChainFinding>) -> ScopeChains {
        let proven = proven.iter().map(|&(from, to)| period(from, to)).collect();
        ScopeChains { trails: Vec::new(), proven, findings }
    }

    #[test]
    fn each_hour_has_the_state_of_the_most_severe_finding() {
        let chains = chains(
            &[(10, 100), (103, 160)],
            vec![
                finding("digest-missing", true, Some(period(100, 103))),
                finding("log-hash", true, Some(period(120, 121))),
                finding("unreadable", false, Some(period(120, 123))),
            ],
        );
        let timeline = Timeline::of(&chains, at(164), at(164));
        let numbers = HourState::ALL.map(|state| timeline.number(state));
        // The seven days begin 14 hours before the chain.
        assert_eq!(numbers, [144, 3, 1, 6]);
        let states: Vec<_> = timeline.gaps.iter().map(|gap| gap.state.word()).collect();
        assert_eq!(states, ["altered", "missing", "open", "open"]);
        let last = timeline.gaps.last().unwrap();
        assert_eq!((last.period, last.finding), (Some(period(160, 164)), None));
    }

    #[test]
    fn a_chain_of_which_nothing_is_known_is_open() {
        let timeline_of = |chains: &ScopeChains| {
            let timeline = Timeline::of(chains, at(164), at(164));
            (timeline.number(HourState::Open), timeline.gaps.len())
        };
        assert_eq!(timeline_of(&chains(&[], Vec::new())), (168, 1));
        let without_period = chains(&[], vec![finding("no-digests", false, None)]);
        assert_eq!(timeline_of(&without_period), (168, 2));
    }

    #[test]
    fn an_hour_that_is_proven_in_part_is_open() {
        let to = Timestamp::from_second(at(10).as_second() - 1).unwrap();
        let proven = vec![Period { from: at(0), to }];
        let chains = ScopeChains { trails: Vec::new(), proven, findings: Vec::new() };
        let timeline = Timeline::of(&chains, at(10), at(10));
        assert_eq!(timeline.number(HourState::Valid), 9);
        assert_eq!(timeline.number(HourState::Open), 1);
    }

    proptest! {
        #[test]
        fn hours_add_up_for_any_periods(
            periods in prop::collection::vec(
                (any::<bool>(), Timestamp::MIN.as_second()..Timestamp::MAX.as_second(), any::<i32>()), 0..6),
            until in Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
            now in Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
        ) {
            let findings = periods.iter().map(|(is_broken, from, length)| {
                let to = stamp(from.saturating_add(i64::from(*length)));
                finding("x", *is_broken, Some(Period { from: stamp(*from), to }))
            });
            let chains = chains(&[], findings.collect());
            let timeline = Timeline::of(&chains, stamp(until), stamp(now));
            let page = timeline.table(3).into_string();
            prop_assert!(timeline.days().len() <= 9);
            prop_assert!(page.matches("<tr>").count() <= 10);
            let all: usize = HourState::ALL.map(|state| timeline.number(state)).iter().sum();
            prop_assert!(all <= 168);
        }
    }
}
