//! Athena: its place, its results and its limits.

use super::*;

fn section(lines: &str) -> String {
    config("", "", &format!("[athena]\nfirst_day = 2024-01-31\n{lines}"))
}

#[test]
fn what_is_not_set_follows_from_the_archive() {
    assert_eq!(findings(&section("")), []);
    let text = section("").parse::<Config>().unwrap().to_toml().unwrap();
    for line in [
        "account = \"222222222222\"",
        "results = \"s3://acme-log-archive-athena-results\"",
        "projection = \"injected\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let missing = config("", "", "[athena]\n");
    only(&missing, ERROR, "athena.first_day", "`first_day` is missing");
    only(
        &section("first_day = 2012-12-31").replace("first_day = 2024-01-31\n", ""),
        ERROR,
        "athena.first_day",
        "from 2013 on",
    );
}

#[test]
fn a_scan_limit_is_one_that_athena_accepts() {
    let limit = |bytes: u64| section(&format!("scan_limit_bytes = {bytes}"));
    assert_eq!(findings(&limit(10_000_000)), []);
    let key = "athena.scan_limit_bytes";
    only(&limit(9_999_999), ERROR, key, "expected at least 10000000");
}

#[test]
fn results_have_a_bucket_of_their_own() {
    let key = "athena.results";
    let results = |place: &str| section(&format!("results = \"{place}\""));
    assert_eq!(findings(&results("s3://acme-results/athena/")), []);
    only(&results("s3://acme-log-archive/athena"), ERROR, key, "the bucket of `archive.bucket`");
    only(&results("s3://acme-log-archive-access-logs"), ERROR, key, "access_logging.bucket");
    only(&results("s3://acme-results/a b"), ERROR, key, "found the prefix `a b`");
    only(&results("/tmp"), ERROR, key, "s3://BUCKET");
    let export = "export = \"s3://acme-export\"\nresults = \"s3://acme-export/results\"";
    only(&section(export), ERROR, key, "the bucket of `athena.export`");
    let archive = section("export = \"s3://acme-log-archive/events\"");
    only(&archive, ERROR, "athena.export", "the export is in the archive");
    only(&section("results_days = 0"), ERROR, "athena.results_days", "expected 1 to 3660");
}

#[test]
fn another_account_must_be_let_in() {
    let account = section("account = \"333333333333\"");
    only(&account, WARNING, "athena.account", "nobody may read the archive");
    let readers = "readers = [\"333333333333\"]";
    let account = config(
        "",
        readers,
        &format!("[key]\n{readers}\n[athena]\nfirst_day = 2024-01-31\naccount = \"333333333333\""),
    );
    assert_eq!(findings(&account), []);
}

#[test]
fn another_region_is_named_and_another_partition_refused() {
    let region = |region: &str| section(&format!("region = \"{region}\""));
    only(&region("eu-west-1"), WARNING, "athena.region", "pays for data transfer");
    only(&region("cn-north-1"), ERROR, "athena.region", "partition aws-cn");
}

#[test]
fn the_key_of_results_is_where_they_are() {
    let key = |arn: &str| section(&format!("kms_key = \"{arn}\""));
    assert_eq!(findings(&key("arn:aws:kms:us-east-1:222222222222:key/1234")), []);
    for arn in [
        "arn:aws:kms:eu-west-1:222222222222:key/1234",
        "arn:aws:kms:us-east-1:222222222222:alias/results",
        "arn:aws:iam::222222222222:role/results",
    ] {
        only(&key(arn), ERROR, "athena.kms_key", "expected the ARN of a KMS key in us-east-1");
    }
}
