//! `/metrics`, in the text format of Prometheus.
//!
//! The values are computed when they are read, from what is known anyway. No label is an
//! account, so their number does not grow with the organization.

use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, header};
use jiff::Timestamp;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Here;
use super::api::{Answer, Content, Endpoint};
use super::problem::Problem;
use crate::aws::counts;
use crate::compute::of_pages;
use crate::config::AccessScope;
use crate::report::contract::checks::Severity;
use crate::report::contract::new_accounts::JoiningState;
use crate::report::contract::round::Outcome;
use crate::report::contract::service::{CellStates, Signal, SignalState};
use crate::serve::app::App;
use crate::serve::board::Board;
use crate::serve::notify::DeliveryResult;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    scope: Some(AccessScope::Metrics),
    answers: &[Answer {
        status: 200,
        description: "The metrics, in the text format of Prometheus.",
        content: Content::Media(&["text/plain"]),
    }],
    ..Endpoint::read("/metrics", "metrics", "The metrics.", || get(metrics))
}];

/// The metrics that are quantiles.
const QUANTILES: [&str; 3] = [VERIFIED_THROUGH, DELIVERY_LAG, JOIN_TO_COVERED];
const VERIFIED_THROUGH: &str = "chain_verified_through_timestamp_seconds";
const DELIVERY_LAG: &str = "delivery_lag_seconds";
const JOIN_TO_COVERED: &str = "account_join_to_covered_seconds";

/// The media type of the format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn metrics(State(service): Here) -> Result<Response, Problem> {
    let app = service.app;
    // Thousands of accounts are sorted: other tasks must not wait for it.
    let text = of_pages(move || text(&app)).await;
    let Ok(Ok(text)) = text else {
        let detail = "the metrics could not be written";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
    };
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

/// The metrics of a service.
pub(super) fn text(app: &App) -> Result<String, std::fmt::Error> {
    let mut metrics = Metrics::default();
    let (board, health) = (app.board(), app.health());
    metrics.of_rounds(&board);
    metrics.of_board(&board, app.now());
    metrics.of_accounts(app);
    metrics.counter(
        "rounds_missed",
        "Slots that passed while no replica was running",
        &[(&[], health.missed)],
    );
    let overlap = health.skipped.saturating_sub(health.backed_off);
    metrics.counter(
        "rounds_skipped",
        "Slots that were skipped: the previous round was still running (overlap), or earlier \
         rounds had no result (back_off)",
        &[(&[("reason", "overlap")], overlap), (&[("reason", "back_off")], health.backed_off)],
    );
    metrics.of_process(app);
    let mut text = String::new();
    encode(&mut text, &metrics.registry)?;
    // The library has no summaries, and only these may have the label `quantile`.
    for name in QUANTILES {
        let kind = |kind: &str| format!("# TYPE orgtrail_{name} {kind}\n");
        text = text.replacen(&kind("gauge"), &kind("summary"), 1);
    }
    Ok(text)
}

type Labels = Vec<(String, String)>;
/// Labels as they are written here.
type Pairs<'a> = &'a [(&'a str, &'a str)];

struct Metrics {
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { registry: Registry::with_prefix("orgtrail") }
    }
}

fn labels(pairs: Pairs<'_>) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Metrics {
    fn gauge(&mut self, name: &str, help: &str, values: &[(Pairs<'_>, f64)]) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (pairs, value) in values {
            family.get_or_create(&labels(pairs)).set(*value);
        }
        self.registry.register(name, help, family);
    }

    /// The name is without `_total`, which the format adds.
    fn counter(&mut self, name: &str, help: &str, values: &[(Pairs<'_>, u64)]) {
        let family = Family::<Labels, Counter>::default();
        for (pairs, value) in values {
            family.get_or_create(&labels(pairs)).inc_by(*value);
        }
        self.registry.register(name, help, family);
    }

    /// The newest part of each schedule.
    fn of_rounds(&mut self, board: &Board) {
        let gauge = Family::<Labels, Gauge<f64, AtomicU64>>::default;
        let [start, end, success, duration, code] = [gauge(), gauge(), gauge(), gauge(), gauge()];
        let mut known = std::collections::BTreeSet::new();
        let mut succeeded = std::collections::BTreeSet::new();
        for round in &board.rounds {
            for part in &round.parts {
                let name = (round.schedule.as_str(), part.part.name());
                let labels = labels(&[("schedule", name.0), ("part", name.1)]);
                if known.insert(name) {
                    start.get_or_create(&labels).set(seconds(part.started_at));
                    end.get_or_create(&labels).set(seconds(part.ended_at));
                    let took = part.ended_at.duration_since(part.started_at).as_secs_f64();
                    duration.get_or_create(&labels).set(took);
                    code.get_or_create(&labels).set(part.exit_code.into());
                }
                // It read everything that it had to, whatever it found.
                let has_result = matches!(
                    part.outcome,
                    Outcome::Clean | Outcome::Drift | Outcome::IntegrityFailure
                );
                if has_result && part.report_bytes.is_some() && succeeded.insert(name) {
                    success.get_or_create(&labels).set(seconds(part.ended_at));
                }
            }
        }
        for (name, help, family) in [
            ("round_last_start_timestamp_seconds", "When the part last started", start),
            ("round_last_end_timestamp_seconds", "When the part last ended", end),
            (
                "round_last_success_timestamp_seconds",
                "When the part last ended with a complete result, whatever it found",
                success,
            ),
            ("round_duration_seconds", "How long the part last took", duration),
            ("round_exit_code", "The exit code of the part's last run", code),
        ] {
            self.registry.register(name, help, family);
        }
    }

    fn of_board(&mut self, board: &Board, now: Timestamp) {
        let signals = board.signals.as_deref().map(|it| it.signals.as_slice()).unwrap_or_default();
        let mut findings = Vec::new();
        let severities = [
            (Severity::Critical, "critical"),
            (Severity::High, "high"),
            (Severity::Medium, "medium"),
            (Severity::Low, "low"),
        ];
        for (severity, word) in severities {
            for verdict in ["fail", "unknown", "suppressed"] {
                let is_counted = |signal: &&Signal| {
                    signal.severity == severity && self::verdict(signal) == verdict
                };
                let count = signals.iter().filter(is_counted).count();
                findings.push(([("severity", word), ("verdict", verdict)], number(count)));
            }
        }
        let findings: Vec<(Pairs<'_>, f64)> =
            findings.iter().map(|(pairs, count)| (pairs.as_slice(), *count)).collect();
        let help =
            "What is wrong (fail), unreadable (unknown), or suppressed, after the newest round";
        self.gauge("findings", help, &findings);
        let Some(coverage) = &board.coverage else { return };
        self.states("accounts", "Accounts, by the worst state of their Regions", coverage.worst());
        self.states("cells", "Accounts and Regions, by state", coverage.cells());
        let through = coverage.proven_through();
        let through = through.iter().map(|end| end.map_or(0.0, seconds)).collect();
        self.quantiles(
            VERIFIED_THROUGH,
            "The end of the proven period, over accounts and Regions; 0 where nothing is proven",
            through,
        );
        let cells = coverage.accounts.iter().flat_map(|account| &account.cells);
        // Between two checks, nothing is known about deliveries.
        let asked_at = coverage.as_of.min(now);
        let lags = cells.filter_map(|cell| cell.newest_log_file_at);
        let lag = |at: Timestamp| asked_at.duration_since(at).as_secs_f64().max(0.0);
        self.quantiles(
            DELIVERY_LAG,
            "The age of the newest log file when the newest check read it, over accounts and Regions",
            lags.map(lag).collect(),
        );
    }

    /// Accounts that joined and left since the service began.
    fn of_accounts(&mut self, app: &App) {
        let (accounts, config, now) = (app.accounts(), app.config(), app.now());
        let joined = accounts.joined(&config, now);
        let words = [
            (JoiningState::Covered, "covered"),
            (JoiningState::Joining, "joining"),
            (JoiningState::Late, "late"),
            (JoiningState::Excluded, "excluded"),
        ];
        let counts = words.map(|(state, word)| {
            let count = joined.iter().filter(|account| account.state == state).count();
            ([("state", word)], number(count))
        });
        let counts: Vec<(Pairs<'_>, f64)> =
            counts.iter().map(|(pairs, count)| (pairs.as_slice(), *count)).collect();
        let help = "Accounts that joined since the service began, and are members, by state";
        self.gauge("accounts_joined", help, &counts);
        let departed = accounts.history.departed().count();
        let help = "Accounts that left since the service began";
        self.gauge("accounts_departed", help, &[(&[], number(departed))]);
        if let Some(as_of) = accounts.as_of {
            let help = "When the list of accounts was last read";
            self.gauge("accounts_listed_timestamp_seconds", help, &[(&[], seconds(as_of))]);
        }
        let covered = joined.iter().filter_map(|account| account.covered_after_seconds);
        let covered = covered.filter_map(|seconds| u32::try_from(seconds).ok()).map(f64::from);
        self.quantiles(
            JOIN_TO_COVERED,
            "The time from joining to being covered, over the accounts that joined",
            covered.collect(),
        );
    }

    fn states(&mut self, name: &str, help: &str, states: CellStates) {
        let CellStates { proven, delivering, late, failed, dark, unreadable, excluded } = states;
        let of = |word: &'static str| [("state", word)];
        let words = ["proven", "delivering", "late", "failed", "dark", "unreadable", "excluded"];
        let words = words.map(of);
        let counts = [proven, delivering, late, failed, dark, unreadable, excluded];
        let values: Vec<(Pairs<'_>, f64)> = words
            .iter()
            .zip(counts)
            .map(|(pairs, count)| (pairs.as_slice(), number(count)))
            .collect();
        self.gauge(name, help, &values);
    }

    fn quantiles(&mut self, name: &str, help: &str, mut values: Vec<f64>) {
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        // In thousandths, so that a place is a whole number.
        let at = |thousandths: usize| values.get(last * thousandths / 1000).copied();
        let quantiles = [("0", 0), ("0.5", 500), ("0.9", 900), ("0.99", 990), ("1", 1000)];
        let labels = quantiles.map(|(word, _)| [("quantile", word)]);
        let values: Vec<(Pairs<'_>, f64)> = labels
            .iter()
            .zip(quantiles)
            .filter_map(|(pairs, (_, thousandths))| Some((pairs.as_slice(), at(thousandths)?)))
            .collect();
        self.gauge(name, help, &values);
    }

    /// What this process did since it started.
    fn of_process(&mut self, app: &App) {
        let (objects, bytes) = app.live().copied();
        self.counter("objects_copied", "Objects that this process copied", &[(&[], objects)]);
        self.counter("bytes_copied", "The size of the copied objects", &[(&[], bytes)]);
        let requests = Family::<Labels, Counter>::default();
        let throttled = Family::<Labels, Counter>::default();
        for ((service, status), count) in counts::requests() {
            let code = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let labels = labels(&[("service", &service), ("code", &code)]);
            requests.get_or_create(&labels).inc_by(count);
            // A rate needs the zero before the first one.
            throttled.get_or_create(&self::labels(&[("service", &service)])).inc_by(0);
        }
        let help = "Requests to AWS, by status; none for those without a response";
        self.registry.register("aws_requests", help, requests);
        for (service, count) in counts::throttled() {
            throttled.get_or_create(&labels(&[("service", &service)])).inc_by(count);
        }
        self.registry.register("aws_throttled", "Requests that AWS throttled", throttled);
        let notifications = Family::<Labels, Counter>::default();
        for channel in &app.config().service.notify {
            for result in DeliveryResult::ALL {
                let labels = [("channel", channel.name.as_str()), ("result", result.word())];
                notifications.get_or_create(&self::labels(&labels)).inc_by(0);
            }
        }
        for ((channel, result), count) in app.notifier().totals() {
            let labels = labels(&[("channel", &channel), ("result", result.word())]);
            notifications.get_or_create(&labels).inc_by(count);
        }
        let help = "Notifications, by channel and result";
        self.registry.register("notifications", help, notifications);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.gauge("build_info", "The version of this process", &[(&version, 1.0)]);
    }
}

fn verdict(signal: &Signal) -> &'static str {
    match (signal.suppressed, signal.state) {
        (true, _) => "suppressed",
        (false, SignalState::Failing) => "fail",
        (false, SignalState::Unreadable) => "unknown",
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
