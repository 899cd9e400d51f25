//! The demo, as a user runs it.

use crate::program::{NOWHERE, finished, orgtrail};

fn demo(arguments: &[&str]) -> (tempfile::TempDir, i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = orgtrail(folder.path(), &[&["demo"], arguments].concat())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        // Whatever leads to a real AWS must not be followed.
        .env("AWS_PROFILE", "none-of-this-name")
        .env("AWS_ENDPOINT_URL", NOWHERE)
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let output = finished(output);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.is_empty(), !arguments.contains(&"--keep"), "the demo left {left:?}");
    (folder, output.code, output.stdout)
}

#[test]
fn every_step_of_the_demo_holds_and_nothing_is_left_behind() {
    let (_folder, exit, said) = demo(&["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let broke: Vec<_> = steps.iter().filter(|step| step["passed"] != true).collect();
    assert!(broke.is_empty(), "{broke:#?}");
    assert_eq!(exit, 0);
    assert_eq!(report["passed"], true);
    let refused =
        |step: &&serde_json::Value| step["title"].as_str().unwrap().starts_with("refused: ");
    assert!(steps.iter().filter(refused).count() >= 7 && steps.len() >= 20, "{steps:#?}");
    let found: Vec<_> = steps.iter().filter_map(|step| step["found"].as_str()).collect();
    for kind in ["log-", "digest-missing: ", "log-unlisted: "] {
        assert!(found.iter().any(|found| found.starts_with(kind)), "{kind}: {found:#?}");
    }
}

#[cfg(unix)]
#[test]
fn the_demo_ends_with_the_pages_of_the_service() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let mut command = orgtrail(folder.path(), &["demo", "--accounts", "4", "--serve"]);
    command.env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| {
        let (_, rest) = line.split_once("http://")?;
        Some(rest.split('/').next().unwrap().to_owned())
    });
    let address = address.unwrap();
    let mut page = String::new();
    // The first round may not have ended.
    while !page.contains("proven") {
        page.clear();
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    }
    crate::program::signal(child.id(), "-TERM");
    for _ in lines {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left something");
}

#[test]
fn the_smallest_demo_holds_and_leaves_what_it_is_told_to_keep() {
    let (folder, exit, said) = demo(&["--accounts", "4", "--keep", "--format", "json"]);
    assert_eq!(exit, 0, "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let kept = std::path::Path::new(report["kept"]["folder"].as_str().unwrap());
    assert!(kept.starts_with(folder.path()), "{}", kept.display());
    assert!(kept.join("orgtrail.toml").is_file());
    let state = std::path::Path::new(report["kept"]["state"].as_str().unwrap());
    assert!(state.join("sandbox.json").is_file());
}

#[test]
fn the_demo_of_too_few_accounts_is_a_mistake_in_the_call() {
    let (_folder, exit, said) = demo(&["--accounts", "2"]);
    assert_eq!(exit, 2);
    assert_eq!(said, "");
}
