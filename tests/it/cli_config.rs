//! Bad configs and good ones, one by one, through the binary.

use std::io::Read as _;
use std::process::Stdio;

use crate::program::{Finished, finish, orgtrail};

const SMALLEST: &str = orgtrail::config::SMALLEST;

/// Runs in a directory whose `orgtrail.toml` holds these bytes.
fn with_config(config: impl AsRef<[u8]>, arguments: &[&str]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config).unwrap();
    finish(&mut orgtrail(dir.path(), arguments))
}

/// That a command which needs the config says exactly this, and exits with 2.
#[track_caller]
fn refused(config: impl AsRef<[u8]>, says: &str) {
    let ran = with_config(config, &["config", "show"]);
    assert_eq!(ran.stderr.trim_end(), says.trim_end());
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ran = finish(&mut orgtrail(dir.path(), &["config", "check"]));
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: reading the config orgtrail.toml: No such file or directory (os error 2)\n  \
         hint: `orgtrail init` writes one; `--config FILE` names another\n"
    );
}

#[test]
fn a_directory_is_no_config() {
    let dir = tempfile::tempdir().unwrap();
    let ran = finish(&mut orgtrail(dir.path(), &["--config", ".", "config", "check"]));
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: reading the config .: Is a directory (os error 21)\n  \
         hint: `--config` takes the file itself, not its directory\n"
    );
}

#[test]
fn an_empty_config_is_refused_once() {
    for empty in ["", "\n\n", "# nothing but a comment\n"] {
        refused(
            empty,
            "error: orgtrail.toml:1:1: found nothing, expected at least `[organization]` and \
             `[archive]`\n  hint: `orgtrail init` writes a config",
        );
    }
}

#[test]
fn a_config_that_was_cut_short_is_refused_at_every_byte() {
    for end in 1..SMALLEST.len() - 1 {
        let ran = with_config(&SMALLEST[..end], &["config", "check"]);
        // All but the last quote and newline are needed.
        assert_eq!(ran.code, 2, "cut at {end}: {}", ran.stdout);
        assert!(ran.stdout.contains("error: orgtrail.toml:"), "cut at {end}: {}", ran.stdout);
        assert!(ran.stdout.contains("\n  hint: "), "cut at {end}: {}", ran.stdout);
    }
    refused(
        &SMALLEST[..SMALLEST.len() - 2],
        "error: orgtrail.toml:6:27: not TOML: invalid basic string, expected `\"`\n  \
         hint: the file ends too early: was it cut short?",
    );
}

#[test]
fn a_config_that_is_no_text_is_refused() {
    refused(
        [SMALLEST.as_bytes(), b"# caf\xe9\n"].concat(),
        "error: the config orgtrail.toml is not UTF-8 text: found byte 0xe9 in line 7\n  \
         hint: save the file as UTF-8",
    );
    refused(
        "\0\0\0\0",
        "error: orgtrail.toml:1:1: not TOML: invalid unquoted key, expected letters, numbers, \
         `-`, `_`\n  hint: strings are in quotes, and tables start with `[name]`",
    );
}

#[test]
fn a_config_that_is_huge_is_not_read_to_its_end() {
    let huge = format!("{SMALLEST}# {}\n", "x".repeat(2 * 1024 * 1024));
    refused(
        huge,
        "error: the config orgtrail.toml is larger than 1048576 bytes\n  \
         hint: `--config` may name the wrong file",
    );
    let dir = tempfile::tempdir().unwrap();
    let ran = finish(&mut orgtrail(dir.path(), &["--config", "/dev/zero", "config", "check"]));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let deep = format!("{SMALLEST}x = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let ran = with_config(deep, &["config", "check"]);
    assert_eq!(ran.code, 2);
    let keys = format!("{SMALLEST}[{}]\n", vec!["x"; 100_000].join("."));
    let ran = with_config(keys, &["config", "check"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn a_key_that_stands_there_twice_is_refused() {
    refused(
        format!("{SMALLEST}bucket = \"another\"\n"),
        "error: orgtrail.toml:7:1: not TOML: duplicate key\n  \
         hint: strings are in quotes, and tables start with `[name]`",
    );
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for (lines, says) in [
        (
            "retention_days = \"2557\"",
            "7:18: archive.retention_days: found the string \"2557\", expected a whole number, not \
             negative\n  hint: write it without quotes: 2557",
        ),
        (
            "retention_days = -1",
            "7:18: archive.retention_days: found the integer -1, expected a whole number, not \
             negative\n  hint: `orgtrail config reference` describes every key",
        ),
        (
            "retention_days = 7.5",
            "7:18: archive.retention_days: found the float 7.5, expected a whole number, not \
             negative\n  hint: `orgtrail config reference` describes every key",
        ),
        (
            "retention_days = 99999999999999999999",
            "7:18: archive.retention_days: found the integer 99999999999999999999, expected a \
             whole number, not negative\n  hint: `orgtrail config reference` describes every key",
        ),
        (
            "access_logging.enabled = \"true\"",
            "7:26: archive.access_logging.enabled: found the string \"true\", expected true or \
             false\n  hint: write it without quotes: true",
        ),
        (
            "readers = \"333333333333\"",
            "7:11: archive.readers: found the string \"333333333333\", expected an array, between \
             `[` and `]`\n  hint: write it without quotes: 333333333333",
        ),
        (
            "object_lock = true",
            "7:15: archive.object_lock: found the boolean true, expected a table of mode, days\n  \
             hint: `orgtrail config reference` describes every key",
        ),
        (
            "mfa_delete = \"Root\"",
            "7:14: archive.mfa_delete: found the string \"Root\", expected one of \"policy\", \
             \"root\", \"vault\", \"off\"\n  hint: did you mean \"root\"?",
        ),
    ] {
        refused(format!("{SMALLEST}{lines}\n"), &format!("error: orgtrail.toml:{says}"));
    }
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    for (lines, says) in [
        (
            "[roles]\nexternalid = \"x\"",
            "8:1: roles.externalid: unknown key `externalid`\n  hint: did you mean `external_id`?",
        ),
        ("[kee]", "7:2: kee: unknown key `kee`\n  hint: did you mean `key`?"),
        (
            "[key]\nzzz = 1",
            "8:1: key.zzz: unknown key `zzz`\n  hint: the keys here are alias, arn, rotation, \
             rotation_period_days, deletion_window_days, administrators, readers",
        ),
        (
            "[[trail.data_events]]\nresource_type = \"AWS::S3::Object\"\nreadwritetype = \"All\"",
            "9:1: trail.data_events[0].readwritetype: unknown key `readwritetype`\n  hint: did you \
             mean `read_write_type`?",
        ),
    ] {
        refused(format!("{SMALLEST}{lines}\n"), &format!("error: orgtrail.toml:{says}"));
    }
}

#[test]
fn an_account_id_has_twelve_digits_between_quotes() {
    for (id, says) in [
        (
            "\"11111111111\"",
            "`11111111111` is not an account id: expected twelve digits, as in `111122223333`\n  \
             hint: 11 digits were found; leading zeros may have been lost",
        ),
        (
            "\"1111111111111\"",
            "`1111111111111` is not an account id: expected twelve digits, as in \
             `111122223333`\n  hint: 13 digits were found",
        ),
        (
            "11111111111",
            "found the integer 11111111111, expected an account id\n  \
             hint: write it between quotes, since leading zeros count: \"011111111111\"",
        ),
    ] {
        refused(
            SMALLEST.replacen("\"111111111111\"", id, 1),
            &format!("error: orgtrail.toml:2:22: organization.management_account: {says}"),
        );
    }
}

#[test]
fn missing_keys_are_named_together() {
    refused(
        "[organization]\n[archive]\n",
        "\
error: orgtrail.toml:1:1: organization.management_account: `management_account` is missing from \
`[organization]`, which needs management_account, log_archive_account, home_region
  hint: `orgtrail config schema` describes every key; `orgtrail init` writes a config
error: orgtrail.toml:1:1: organization.log_archive_account: `log_archive_account` is missing from \
`[organization]`, which needs management_account, log_archive_account, home_region
  hint: `orgtrail config schema` describes every key; `orgtrail init` writes a config
error: orgtrail.toml:1:1: organization.home_region: `home_region` is missing from \
`[organization]`, which needs management_account, log_archive_account, home_region
  hint: `orgtrail config schema` describes every key; `orgtrail init` writes a config
error: orgtrail.toml:2:1: archive.bucket: `bucket` is missing from `[archive]`, which needs bucket
  hint: `orgtrail config schema` describes every key; `orgtrail init` writes a config",
    );
}

#[test]
fn check_prints_findings_as_data_and_the_verdict_aside() {
    let ran = with_config(
        format!("{SMALLEST}mfa_delete = \"root\"\n[key]\nrotation = false\n"),
        &["config", "check"],
    );
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stdout,
        "error: orgtrail.toml:7:14: archive.mfa_delete: `root` is S3's MFA delete, which S3 does \
         not allow on a bucket with lifecycle rules; found both\n  hint: `enabled = false` under \
         `[archive.lifecycle]` keeps every log forever; `mfa_delete = \"vault\"` has both, on two \
         buckets\nwarning: orgtrail.toml:9:12: key.rotation: the key's material is never rotated\n"
    );
    assert_eq!(ran.stderr, "orgtrail.toml is not valid: 1 error, 1 warning\n");
}

#[test]
fn warnings_alone_are_clean() {
    let config = format!("{SMALLEST}[key]\nrotation = false\n");
    let ran = with_config(&config, &["config", "check", "--quiet"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("warning: "), "{}", ran.stdout);
    let ran = with_config(&config, &["config", "show"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.starts_with("warning: "), "{}", ran.stderr);
}

#[test]
fn check_as_json_is_version_1() {
    let config = SMALLEST.replace("us-east-1", "me-south-1");
    let ran = with_config(config, &["--format", "json", "config", "check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (2, ""));
    let report: serde_json::Value = ran.json();
    assert_eq!(
        report,
        serde_json::json!({
            "document": "config-check",
            "version": 1,
            "file": "orgtrail.toml",
            "valid": false,
            "errors": 1,
            "warnings": 0,
            "findings": [{
                "severity": "error",
                "setting": "organization.home_region",
                "origin": { "kind": "file", "line": 4, "column": 15 },
                "message": "found me-south-1, which accounts must opt into, expected a Region \
                            that every account has",
                "hint": "as in `us-east-1` or `eu-central-1`; the trail covers opt-in Regions from \
                         there",
            }],
        })
    );
}

#[test]
fn show_tells_where_each_value_came_from() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prod.toml"), SMALLEST).unwrap();
    let ran = finish(
        orgtrail(dir.path(), &["config", "show", "--format", "json"])
            .env("ORGTRAIL_CONFIG", "prod.toml")
            .env("ORGTRAIL__ARCHIVE__RETENTION_DAYS", "3000")
            .env("ORGTRAIL__ROLES__EXTERNAL_ID", "audit-2031"),
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let report: serde_json::Value = ran.json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["file"], "prod.toml");
    assert_eq!(report["config"]["archive"]["retention_days"], 3000);
    assert_eq!(report["config"]["roles"]["external_id"], "audit-2031");
    assert_eq!(report["config"]["trail"]["name"], "orgtrail");
    let origins = &report["origins"];
    assert_eq!(
        origins["archive.bucket"],
        serde_json::json!({ "kind": "file", "line": 6, "column": 10 })
    );
    assert_eq!(
        origins["archive.retention_days"],
        serde_json::json!({
            "kind": "environment",
            "variable": "ORGTRAIL__ARCHIVE__RETENTION_DAYS",
        })
    );
    assert_eq!(origins["trail.name"], serde_json::json!({ "kind": "default" }));
}

#[test]
fn the_effective_config_is_a_config_again() {
    let shown = with_config(SMALLEST, &["config", "show"]).stdout;
    let again = with_config(&shown, &["config", "show"]).stdout;
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(values(&shown), values(&again));
    assert!(!again.contains("# default"), "{again}");
}

#[test]
fn a_misspelt_variable_is_refused_as_a_misspelt_key_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), SMALLEST).unwrap();
    let ran = finish(
        orgtrail(dir.path(), &["config", "show"])
            .env("ORGTRAIL__ROLES__EXTERNALID", "x")
            .env("ORGTRAIL__ARCHIVE__RETENTION_DAYS", "7y"),
    );
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: $ORGTRAIL__ROLES__EXTERNALID: roles.externalid: unknown key `externalid`\n  \
         hint: did you mean `external_id`?\nerror: $ORGTRAIL__ARCHIVE__RETENTION_DAYS: \
         archive.retention_days: found the string \"7y\", expected a whole number, not \
         negative\n  hint: `orgtrail config reference` describes every key\n"
    );
}

#[test]
fn an_unknown_check_in_a_suppression_is_refused_with_its_place() {
    let suppress = |check: &str| {
        format!(
            "{SMALLEST}[[drift.suppress]]\ncheck = \"{check}\"\nreason = \"moving\"\n\
             until = 2027-06-30\n"
        )
    };
    let finding = "\
error: orgtrail.toml:8:9: drift.suppress[0].check: found `bucket-tls`, expected the id of a check
  hint: did you mean `bucket-tls-only`?";
    refused(suppress("bucket-tls"), finding);
    let ran = with_config(suppress("bucket-tls"), &["config", "check"]);
    assert_eq!((ran.code, ran.stdout.trim_end()), (2, finding));
    let ran = with_config(suppress("bucket-tls-only"), &["config", "check"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
}

#[test]
fn the_schema_and_the_reference_need_no_config() {
    let dir = tempfile::tempdir().unwrap();
    let schema = finish(&mut orgtrail(dir.path(), &["config", "schema"]));
    assert_eq!(schema.code, 0);
    let schema: serde_json::Value = schema.json();
    assert_eq!(schema["required"], serde_json::json!(["organization", "archive"]));
    assert_eq!(schema["additionalProperties"], false);
    let suppress = &schema["properties"]["drift"]["properties"]["suppress"]["items"];
    let ids = suppress["properties"]["check"]["enum"].as_array().unwrap();
    assert_eq!(ids.len(), orgtrail::checks::CATALOGUE.len());
    assert!(ids.contains(&"bucket-tls-only".into()), "{ids:?}");
    let reference = finish(&mut orgtrail(dir.path(), &["config", "reference"]));
    assert_eq!(reference.code, 0);
    assert!(reference.stdout.contains("| `retention_days` | whole number | `2557` |"));
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = finish(&mut orgtrail(dir.path(), &["completions", shell]));
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.stdout.contains("config") && ran.stdout.contains("completions"), "{shell}");
    }
    let page = finish(&mut orgtrail(dir.path(), &["man"]));
    assert_eq!(page.code, 0);
    assert!(page.stdout.contains("orgtrail\\-config"), "{}", page.stdout);
    let pages = finish(&mut orgtrail(dir.path(), &["man", "--out", "pages"]));
    assert_eq!(pages.code, 0);
    let check = std::fs::read_to_string(dir.path().join("pages/orgtrail-config-check.1")).unwrap();
    assert!(check.contains("without calling AWS"), "{check}");
}

#[test]
fn help_and_version_are_data() {
    let dir = tempfile::tempdir().unwrap();
    let version = finish(&mut orgtrail(dir.path(), &["--version"]));
    let number = env!("CARGO_PKG_VERSION");
    assert!(version.stdout.starts_with(&format!("orgtrail {number} (")), "{}", version.stdout);
    let help = finish(&mut orgtrail(dir.path(), &["--help"]));
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    for code in [0, 1, 2, 10, 11, 12, 13, 14] {
        let line = format!("\n  {code:>2}  ");
        assert!(help.stdout.contains(&line), "{code}");
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["confg", "check"][..],
        &["config"],
        &["config", "check", "--format", "yaml"],
        &["--log", "x[y", "config", "check"],
        &[],
    ] {
        let ran = finish(&mut orgtrail(dir.path(), arguments));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["config", "schema"][..], &["completions", "bash"], &["--help"]] {
        let mut child = orgtrail(dir.path(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_log_goes_to_standard_error_without_colour() {
    let ran = with_config(SMALLEST, &["--log", "trace", "config", "show"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("[organization]"), "{}", ran.stdout);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

#[test]
fn colours_are_for_terminals_and_can_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let coloured = |name: &str, value: &str| {
        let ran = finish(orgtrail(dir.path(), &["config", "check"]).env(name, value));
        ran.stderr.contains('\u{1b}')
    };
    assert!(!coloured("NOTHING", "1"));
    assert!(coloured("CLICOLOR_FORCE", "1"));
    let refused = finish(
        orgtrail(dir.path(), &["config", "check"]).env("TERM", "xterm").env("NO_COLOR", "1"),
    );
    assert!(!refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
}
