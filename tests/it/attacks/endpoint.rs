//! Someone who controls an endpoint, the environment or a proxy.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;
use crate::program::{Finished, finish_apart};

/// Runs the binary with one more variable in its environment.
async fn run_with_variable(
    env: &ConfiguredEnv,
    (name, value): (&str, &str),
    arguments: &[&str],
) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command(folder.path(), MINIMAL, arguments);
    command.env(name, value);
    finish_apart(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_sets_an_identity_key_is_refused_and_named() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    for (variable, value, key) in [
        ("ORGTRAIL__ARCHIVE__BUCKET", "stolen-logs", "archive.bucket"),
        ("ORGTRAIL__ARCHIVE__PREFIX", "aside", "archive.prefix"),
        ("ORGTRAIL__archive__bucket", "stolen-logs", "archive.bucket"),
        ("ORGTRAIL__ARCHIVE__REGION", "eu-west-1", "archive.region"),
        ("ORGTRAIL__ARCHIVE__ACCESS_LOGGING__BUCKET", "x-logs", "archive.access_logging.bucket"),
        ("ORGTRAIL__ARCHIVE__REPLICATION__BUCKET", "x-vault", "archive.replication.bucket"),
        ("ORGTRAIL__TRAIL__NAME", "other", "trail.name"),
        ("ORGTRAIL__KEY__ALIAS", "alias/other", "key.alias"),
        ("ORGTRAIL__ORGANIZATION__HOME_REGION", "eu-west-1", "organization.home_region"),
        (
            "ORGTRAIL__ORGANIZATION__LOG_ARCHIVE_ACCOUNT",
            "333333333333",
            "organization.log_archive_account",
        ),
    ] {
        for arguments in [["plan"].as_slice(), &["apply", "--yes"], &["drift"]] {
            let ran = run_with_variable(&env, (variable, value), arguments).await;
            let Finished { code, stdout, stderr } = ran;
            assert_eq!(code, 2, "{variable} {arguments:?}: {stdout}{stderr}");
            for word in [variable, key, "--allow-env-identity"] {
                assert!(stderr.contains(word), "{variable} {arguments:?}: {stderr}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_are_let_in_work_and_every_report_names_them() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let other = ("ORGTRAIL__ARCHIVE__RETENTION_DAYS", "3000");
    let identity = ("ORGTRAIL__ARCHIVE__BUCKET", "acme-moved-archive");
    for (variable, key, flag) in [
        (other, "archive.retention_days", None),
        (identity, "archive.bucket", Some("--allow-env-identity")),
    ] {
        for command in ["plan", "drift"] {
            let arguments: Vec<&str> = [command].into_iter().chain(flag).collect();
            let Finished { code, stdout, stderr } =
                run_with_variable(&env, variable, &arguments).await;
            assert!(matches!(code, 10 | 11), "{arguments:?} {code:?}: {stderr}");
            let line = format!("{key} is set by the environment: ${}", variable.0);
            assert!(stdout.contains(&line), "{arguments:?}: {stdout}");
            let arguments = [arguments.as_slice(), &["--format", "json"]].concat();
            let Finished { stdout, stderr, .. } =
                run_with_variable(&env, variable, &arguments).await;
            let report: Value =
                serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
            let named = &report["environment_overrides"][0];
            assert_eq!((&named["setting"], &named["variable"]), (&key.into(), &variable.0.into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_of_every_report_names_what_the_environment_sets() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let variable = ("ORGTRAIL__ARCHIVE__PREFIX", "aside");
    let said = "archive.prefix is set by the environment: $ORGTRAIL__ARCHIVE__PREFIX";
    let formats = |command: &'static str, formats: &[&'static str]| {
        formats.iter().map(|format| (command, *format)).collect::<Vec<_>>()
    };
    let reports = [
        formats("drift", &["text", "json", "sarif", "junit", "ocsf", "html", "csv"]),
        formats("verify", &["text", "json", "junit", "aws-cli"]),
        formats("consolidate", &["text", "json"]),
        formats("plan", &["text", "json"]),
    ];
    for (command, format) in reports.concat() {
        let mut arguments = vec![command, "--allow-env-identity", "--format", format];
        arguments.extend((command == "consolidate").then_some("--dry-run"));
        let ran = run_with_variable(&env, variable, &arguments).await;
        let Finished { code, stdout, stderr } = ran;
        assert!(code != 2, "{arguments:?}: {stderr}");
        if format == "json" {
            let report: Value = serde_json::from_str(&stdout).unwrap();
            let named = &report["environment_overrides"][0];
            assert_eq!(named["setting"], "archive.prefix", "{arguments:?}");
            assert_eq!(named["variable"], variable.0, "{arguments:?}");
        } else {
            assert!(stdout.contains(said), "{arguments:?}: {stdout}");
        }
        // Without it, none is named.
        let ran = run_with_variable(&env, ("UNRELATED", "x"), &arguments).await;
        assert!(!ran.stdout.contains("set by the environment"), "{arguments:?}: {}", ran.stdout);
        assert!(
            !ran.stdout.contains("\"key\": \"archive.prefix\""),
            "{arguments:?}: {}",
            ran.stdout
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_environment_names_is_named_with_its_path() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("other.toml");
    std::fs::write(&path, MINIMAL.replacen("acme-log-archive", "acme-other", 1)).unwrap();
    let path = path.to_str().unwrap();
    let variable = ("ORGTRAIL_CONFIG", path);
    let said = format!("--config is set by the environment: $ORGTRAIL_CONFIG ({path})");
    for (command, format) in [
        ("plan", "text"),
        ("drift", "text"),
        ("drift", "sarif"),
        ("drift", "junit"),
        ("drift", "ocsf"),
        ("drift", "html"),
        ("drift", "csv"),
    ] {
        let Finished { stdout, stderr, .. } =
            run_with_variable(&env, variable, &[command, "--format", format]).await;
        assert!(stdout.contains(&said), "{command} {format}: {stdout}{stderr}");
    }
    let Finished { stdout, .. } =
        run_with_variable(&env, variable, &["plan", "--format", "json"]).await;
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["environment_overrides"][0]["file"], path);
    // An option of the command line is no override.
    let arguments = ["--config", "orgtrail.toml", "plan"];
    let Finished { stdout, .. } = run_with_variable(&env, variable, &arguments).await;
    assert!(!stdout.contains("set by the environment"), "{stdout}");
}

/// A server that answers every connection with these bytes, again and again until the
/// caller goes away, and counts connections.
fn answering(head: &'static str, again: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let _ = connection.read(&mut [0; 4096]);
                let _ = connection.write_all(head.as_bytes());
                let _ = connection.flush();
                while !again.is_empty() && connection.write_all(again).is_ok() {}
            });
        }
    });
    (address, reached)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_cut_off() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nconnection: close\r\n\r\n<a>";
    let (address, _) = answering(head, &[b'x'; 8192]);
    for service in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ORGANIZATIONS"] {
        let url = format!("http://{address}");
        let ran = run_with_variable(&env, (service, &url), &["accounts"]).await;
        let Finished { code, stdout, stderr } = ran;
        assert_eq!(code, 14, "{stdout}{stderr}");
        assert!(stderr.contains("longer than 33554432 bytes"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_unencrypted_to_another_machine() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    // Documentation's addresses, where nobody answers.
    for url in ["http://192.0.2.1:4566", "http://127.0.0.1.example", "http://127.0.0.1@192.0.2.1"] {
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let ran = run_with_variable(&env, (variable, url), &["verify"]).await;
            let Finished { code, stdout, stderr } = ran;
            assert_eq!(code, 2, "{variable} {url}: {stdout}{stderr}");
            assert!(stderr.contains("is not encrypted"), "{stderr}");
            assert!(stderr.contains("--allow-plain-http"), "{stderr}");
        }
    }
    // The environment alone does not allow it.
    let ran = run_with_variable(&env, ("ORGTRAIL_ALLOW_PLAIN_HTTP", "true"), &["accounts"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_allowed_is_asked_and_a_proxy_gets_nothing_of_this_machine() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (address, reached) = answering(refusal, b"");
    let proxy = format!("http://{address}");
    for variable in ["HTTP_PROXY", "ALL_PROXY", "http_proxy"] {
        let ran = run_with_variable(&env, (variable, &proxy), &["accounts"]).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{variable}");
    }
    // With the flag, what is meant for another machine goes there: by way of the proxy.
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["accounts", "--allow-plain-http"];
    let mut command = env.command(folder.path(), MINIMAL, &arguments);
    command.env("AWS_ENDPOINT_URL_STS", "http://sts.example").env("HTTP_PROXY", &proxy);
    let output = finish_apart(command).await;
    assert_eq!(output.code, 14, "{}", output.stderr);
    assert!(reached.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_controlled_under_a_name_of_this_machine_alone() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let url = env.sandbox.endpoint();
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let ask = move |headers: String, target: String| {
        let mut connection = TcpStream::connect(&address).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer)[9..12].to_owned()
    };
    tokio::task::spawn_blocking(move || {
        for host in ["evil.example", "127.0.0.1.example", "localhost.example", "192.0.2.1", ""] {
            let answer = ask(format!("host: {host}:{port}\r\n"), "/_sandbox/state".to_owned());
            assert!(["403", "400"].contains(&answer.as_str()), "{host}: {answer}");
        }
        let twice = "host: localhost\r\nhost: evil.example\r\n".to_owned();
        assert_ne!(ask(twice, "/_sandbox/state".to_owned()), "200");
        let page = format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n");
        assert_eq!(ask(page, "/_sandbox/state".to_owned()), "403");
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let answer = ask(format!("host: {host}:{port}\r\n"), "/_sandbox/state".to_owned());
            assert_eq!(answer, "200", "{host}");
        }
    })
    .await
    .unwrap();
}
