//! The metrics, and what is built on them.

use std::collections::BTreeSet;
use std::path::Path;

use super::client::Server;
use crate::aws::counts;

/// The names of the metrics that a text has, as their types are declared.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// A service that has called AWS, and has a channel.
async fn server() -> Server {
    let channel = "[[service.notify]]\nname = \"security\"\nkind = \"sns\"\n\
                   target = \"arn:aws:sns:eu-central-1:100000000001:alerts\"\n";
    let server = Server::with(channel).await;
    counts::sent("S3", Some(200));
    server
}

#[tokio::test]
async fn the_metrics_are_those_of_the_documentation_and_name_no_account() {
    let server = server().await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let expected = [
        "orgtrail_round_last_start_timestamp_seconds",
        "orgtrail_round_last_end_timestamp_seconds",
        "orgtrail_round_last_success_timestamp_seconds",
        "orgtrail_round_duration_seconds",
        "orgtrail_round_exit_code",
        "orgtrail_rounds_missed_total",
        "orgtrail_rounds_skipped_total",
        "orgtrail_findings",
        "orgtrail_accounts",
        "orgtrail_accounts_joined",
        "orgtrail_accounts_departed",
        "orgtrail_accounts_listed_timestamp_seconds",
        "orgtrail_account_join_to_covered_seconds",
        "orgtrail_cells",
        "orgtrail_chain_verified_through_timestamp_seconds",
        "orgtrail_delivery_lag_seconds",
        "orgtrail_objects_copied_total",
        "orgtrail_bytes_copied_total",
        "orgtrail_aws_requests_total",
        "orgtrail_aws_throttled_total",
        "orgtrail_notifications_total",
        "orgtrail_build_info",
    ];
    let found = names(&text);
    assert_eq!(found, expected.map(str::to_owned).into_iter().collect(), "{text}");
    for line in [
        "# TYPE orgtrail_delivery_lag_seconds summary",
        "# TYPE orgtrail_chain_verified_through_timestamp_seconds summary",
        "orgtrail_cells{state=\"dark\"} 17",
        "orgtrail_accounts{state=\"dark\"} 1",
        "orgtrail_accounts_joined{state=\"covered\"} 1",
        "orgtrail_accounts_joined{state=\"late\"} 1",
        "orgtrail_accounts_departed 1",
        "# TYPE orgtrail_account_join_to_covered_seconds summary",
        "orgtrail_account_join_to_covered_seconds{quantile=\"0\"} 540",
        "orgtrail_round_exit_code{schedule=\"hourly\",part=\"verify\"} 13",
        "orgtrail_findings{severity=\"low\",verdict=\"suppressed\"} 1",
        "orgtrail_rounds_skipped_total{reason=\"overlap\"} 0",
        "orgtrail_notifications_total{channel=\"security\",result=\"failed\"} 0",
    ] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line}\n{text}");
    }
    assert!(!text.contains("1000000000"), "an account id:\n{text}");
}

#[tokio::test]
async fn alerts_and_the_dashboard_use_metrics_that_exist() {
    let server = server().await;
    let text = server.get("/metrics").await.text();
    let known = names(&text);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/service");
    for file in ["alerts.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = text.split(|letter| !is_name(letter));
        let used: BTreeSet<&str> = words.filter(|word| word.starts_with("orgtrail_")).collect();
        assert!(used.len() > 5, "{file}: {used:?}");
        let unknown: Vec<_> = used.iter().filter(|name| !known.contains(**name)).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}");
    }
    let dashboard = std::fs::read(folder.join("dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_slice(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 5);
}
