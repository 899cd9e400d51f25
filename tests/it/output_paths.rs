//! Files that cannot be written are refused before anything is asked of AWS.

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, working_day};
use crate::program::{NOWHERE, finish, finish_apart, orgtrail_at};

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
            let output = finish(orgtrail_at(NOWHERE, folder.path(), before).arg(value));
            let said = output.stderr;
            let refused = if (before[0], path) == ("evidence", "folder/") { 12 } else { 2 };
            let refused = if (before[0], path) == ("init", "folder/") { 2 } else { refused };
            assert_eq!(output.code, refused, "{before:?} {path}: {said}");
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
        let output = finish(
            orgtrail_at(NOWHERE, folder.path(), &["drift", "--report", path])
                .env("AWS_MAX_ATTEMPTS", "1"),
        );
        let said = output.stderr;
        assert_eq!(output.code, 14, "{path}: {said}");
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
            let output = finish(&mut orgtrail_at(NOWHERE, folder.path(), arguments));
            let said = output.stderr;
            assert_eq!(output.code, 2, "{arguments:?}: {said}");
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
    let env = ConfiguredEnv::at(MINIMAL, working_day()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}[roles]\nexternal_id = \"{SECRET}\"\n");
    for (arguments, written) in [
        (&["plan", "--out", "p.plan"][..], "p.plan"),
        (&["drift", "--report", "json=d.json", "--report", "html=d.html"], "d.json"),
        (&["init", "--out", "o.toml"], "o.toml"),
        (&["accounts"], ""),
    ] {
        let arguments = [arguments, &["--log", "trace"]].concat();
        let command = env.command(folder.path(), &config, &arguments);
        let output = finish_apart(command).await;
        let said = &output.stderr;
        assert!([0, 10, 11, 14].contains(&output.code), "{arguments:?}: {said}");
        // The calls that carry it are logged, at the finest level; `init` reads no config.
        let carries = arguments[0] == "init" || said.contains("STS.AssumeRole");
        assert!(carries && said.contains("TRACE"), "{arguments:?}");
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(SECRET), "{arguments:?}");
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
