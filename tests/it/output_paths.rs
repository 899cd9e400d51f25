//! Files that cannot be written are refused before anything is asked of AWS.

use std::process::Command;

use crate::stage::MINIMAL;

#[test]
fn every_output_path_is_tried_before_aws_is_called() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orgtrail.toml"), MINIMAL).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let evidence = ["evidence", "--from", "2026-01-01", "--until", "2026-01-02", "--output"];
    for before in [
        &["drift", "--report"][..],
        &["plan", "--out"],
        &["init", "--out"],
        &["run", "verify", "--report"],
        &evidence,
    ] {
        for path in ["nowhere/file", "orgtrail.toml/file", "folder/", "/proc/file"] {
            let value = if before[0] == "drift" { format!("html={path}") } else { path.to_owned() };
            // Nobody listens there: a call would be incomplete, 14.
            let output = Command::new(env!("CARGO_BIN_EXE_orgtrail"))
                .current_dir(folder.path())
                .args(before)
                .arg(value)
                .env_clear()
                .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
                .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let refused = if (before[0], path) == ("evidence", "folder/") { 12 } else { 2 };
            let refused = if (before[0], path) == ("init", "folder/") { 2 } else { refused };
            assert_eq!(output.status.code(), Some(refused), "{before:?} {path}: {said}");
            assert!(said.contains(path), "{before:?} {path}: {said}");
        }
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "nothing is left behind");
}

#[test]
fn a_path_that_can_be_written_is_no_reason_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orgtrail.toml"), MINIMAL).unwrap();
    std::fs::write(folder.path().join("old.html"), "old").unwrap();
    for path in ["html=new.html", "html=old.html", "html=/dev/null"] {
        let output = Command::new(env!("CARGO_BIN_EXE_orgtrail"))
            .current_dir(folder.path())
            .args(["drift", "--report", path])
            .env_clear()
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_MAX_ATTEMPTS", "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(14), "{path}: {said}");
        assert!(said.contains("cannot sign in"), "{path}: {said}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("old.html")).unwrap(), "old");
    assert!(!folder.path().join("new.html").exists());
}
