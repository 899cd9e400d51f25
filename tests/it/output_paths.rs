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

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orgtrail.toml"), MINIMAL).unwrap();
    std::fs::write(folder.path().join("victim"), "mine").unwrap();
    for to in ["victim", "nowhere"] {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(to, &link).unwrap();
        for arguments in [
            &["drift", "--report", "html=link"][..],
            &["plan", "--out", "link"],
            &["init", "--yes", "--out", "link"],
            &["run", "verify", "--report", "link"],
            &["evidence", "--from", "2026-01-01", "--until", "2026-01-02", "--output", "link"],
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_orgtrail"))
                .current_dir(folder.path())
                .args(arguments)
                .env_clear()
                .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
                .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains("is a symbolic link"), "{arguments:?}: {said}");
        }
        assert!(link.is_symlink());
        std::fs::remove_file(link).unwrap();
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("victim")).unwrap(), "mine");
    assert!(!folder.path().join("nowhere").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_for_its_owner_alone_and_has_no_external_id() {
    use std::os::unix::fs::PermissionsExt as _;

    const SECRET: &str = "an-external-id-4711";
    let stage = crate::stage::Stage::beginning(MINIMAL, crate::stage::working_day()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}[roles]\nexternal_id = \"{SECRET}\"\n");
    for (arguments, written) in [
        (&["plan", "--out", "p.plan"][..], "p.plan"),
        (&["drift", "--report", "json=d.json", "--report", "html=d.html"], "d.json"),
        (&["init", "--out", "o.toml"], "o.toml"),
        (&["accounts"], ""),
    ] {
        let arguments = [arguments, &["--log", "trace"]].concat();
        let mut command =
            crate::apply_command::command(&stage.sandbox, folder.path(), &config, &arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!([0, 10, 11, 14].contains(&output.status.code().unwrap()), "{arguments:?}: {said}");
        // The calls that carry it are logged, at the finest level; `init` reads no config.
        let carries = arguments[0] == "init" || said.contains("STS.AssumeRole");
        assert!(carries && said.contains("TRACE"), "{arguments:?}");
        for text in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(text).contains(SECRET), "{arguments:?}");
        }
        if written.is_empty() {
            continue;
        }
        let path = folder.path().join(written);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(SECRET), "{arguments:?}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{written}");
    }
}
