//! `sandbox exec`, `up --detach` and `down` as a user runs them, with everything
//! around that could lead to a real AWS.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::env::TestEnv;
use crate::program::signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_orgtrail");

/// Stands for the AWS of the user: counts who comes.
struct Outside {
    url: String,
    reached: Arc<AtomicUsize>,
}

impl Outside {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        std::thread::spawn(move || {
            // Each is counted, and dropped without an answer.
            while listener.accept().is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, reached }
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

/// A user's folder and environment: credentials, profiles and endpoints that lead
/// outside.
struct User {
    home: tempfile::TempDir,
    outside: Outside,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let outside = Outside::new();
        let url = &outside.url;
        let aws = home.path().join(".aws");
        fs::create_dir(&aws).unwrap();
        let profile = format!("region = eu-west-1\nendpoint_url = {url}\n");
        let keys = "aws_access_key_id = AKIAOUTSIDE\naws_secret_access_key = outside\n";
        fs::write(aws.join("config"), format!("[default]\n{profile}[profile prod]\n{profile}"))
            .unwrap();
        fs::write(aws.join("credentials"), format!("[default]\n{keys}[prod]\n{keys}")).unwrap();
        // The AWS CLI, as far as matters here: it says whom it would ask.
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PROGRAM, bin.join("orgtrail")).unwrap();
        let aws = bin.join("aws");
        fs::write(&aws, "#!/bin/sh\nexec orgtrail accounts\n").unwrap();
        fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
        Self { home, outside }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn command(&self, program: &str) -> Command {
        let bin = self.path().join("bin");
        let url = &self.outside.url;
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .env("HOME", self.path())
            .env("AWS_PROFILE", "prod")
            .env("AWS_ACCESS_KEY_ID", "AKIAOUTSIDE")
            .env("AWS_SECRET_ACCESS_KEY", "outside")
            .env("AWS_SESSION_TOKEN", "outside")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL", url)
            .env("AWS_ENDPOINT_URL_S3", url)
            .env("AWS_ENDPOINT_URL_STS", url)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
            .env("ORGTRAIL_CONFIG", "/nowhere/orgtrail.toml")
            .env("ORGTRAIL__ORGANIZATION__MANAGEMENT_ACCOUNT", "999999999999")
            .env("HTTP_PROXY", url)
            .env("http_proxy", url)
            .stdin(Stdio::null());
        command
    }

    fn orgtrail(&self, arguments: &[&str]) -> Output {
        self.command(PROGRAM).args(arguments).output().unwrap()
    }

    /// Runs `orgtrail …` and reads its first line.
    fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(PROGRAM);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        Running { child, line, _said: Box::new(said) }
    }
}

struct Running {
    child: Child,
    line: String,
    _said: Box<dyn std::io::Read>,
}

impl Running {
    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn endpoint(&self) -> String {
        let up: serde_json::Value = serde_json::from_str(&self.line).unwrap();
        up["endpoint"].as_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The state of a data directory, read by a sandbox of its own from a copy.
async fn resumed(data: &Path) -> TestEnv {
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("data");
    let status = Command::new("cp").arg("-r").args([data, &copied]).status().unwrap();
    assert!(status.success());
    TestEnv::builder().data(copied).start().await
}

#[test]
fn a_command_gets_the_sandbox_and_nothing_of_the_users() {
    let user = User::new();
    let ran =
        user.orgtrail(&["sandbox", "exec", "--accounts", "4", "--", "sh", "-c", "env; exit 7"]);
    assert_eq!(ran.status.code(), Some(7), "{}", text(&ran.stderr));
    let variables = text(&ran.stdout);
    let lines: Vec<&str> = variables.lines().collect();
    let value = |name: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(&format!("{name}=")));
        found.unwrap_or_else(|| panic!("no {name} in {variables}")).to_owned()
    };
    assert!(value("AWS_ENDPOINT_URL").starts_with("http://127.0.0.1:"));
    assert_eq!(value("AWS_CONFIG_FILE"), "/dev/null");
    assert_eq!(value("AWS_SHARED_CREDENTIALS_FILE"), "/dev/null");
    assert_eq!(value("AWS_REGION"), "us-east-1");
    assert_eq!(value("no_proxy"), "127.0.0.1");
    for left in ["OUTSIDE", "outside", "prod", "nowhere", "999999999999", "AWS_PROFILE"] {
        assert!(
            !lines.iter().any(|line| {
                let name = line.split('=').next().unwrap();
                (name.starts_with("AWS_") || name.starts_with("ORGTRAIL_")) && line.contains(left)
            }),
            "{left}: {variables}"
        );
    }
    assert!(value("AWS_ENDPOINT_URL") != user.outside.url);
    // Its config goes with it.
    assert!(!Path::new(&value("ORGTRAIL_CONFIG")).exists());
    assert_eq!(user.outside.reached(), 0);
}

#[test]
fn where_no_sandbox_starts_the_command_does_not_run() {
    let user = User::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = |options: &[&str]| {
        let command = ["--", "touch", "ran"];
        user.orgtrail(&[&["sandbox", "exec"], options, &command].concat())
    };
    for options in [
        &["--port", &port][..],
        &["--legacy", "9"],
        &["--history", "7"],
        &["--data", "bin"],
        &["--detached"],
        &["--detached", "--accounts", "4"],
    ] {
        let ran = ran(options);
        assert_eq!(ran.status.code(), Some(2), "{options:?}: {}", text(&ran.stderr));
        assert!(!user.path().join("ran").exists(), "{options:?}");
    }
    assert!(ran(&[]).status.success());
    assert!(user.path().join("ran").exists());
    let none = user.orgtrail(&["sandbox", "exec", "--", "no-such-command"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("no-such-command"), "{}", text(&none.stderr));
}

#[test]
fn a_signal_reaches_the_command_and_its_exit_code_comes_back() {
    let user = User::new();
    // It waits for nothing but the signal: its input ends when it is waited for.
    let script = "trap 'kill $!; exit 42' TERM; sleep 60 & echo ready; wait";
    let running = user.spawn(&["sandbox", "exec", "--", "sh", "-c", script]);
    assert_eq!(running.line, "ready\n");
    running.signal("-TERM");
    assert_eq!(running.end().code(), Some(42));
    let killed = user.orgtrail(&["sandbox", "exec", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(killed.status.code(), Some(137));
}

#[tokio::test]
async fn sigterm_and_ctrl_c_save_the_state() {
    let user = User::new();
    for (number, signal) in ["-TERM", "-INT"].iter().enumerate() {
        let data = user.path().join(format!("state{number}"));
        let data_text = data.to_str().unwrap();
        let up = ["sandbox", "up", "--data", data_text, "--frozen", "--format", "json"];
        let start = ["--start", "2026-01-01T00:00:00Z"];
        let running = user.spawn(&[&up[..], &start].concat());
        let endpoint = running.endpoint();
        let tick = ["sandbox", "tick", "--hours", "5", "--endpoint", &endpoint];
        assert!(user.orgtrail(&tick).status.success());
        running.signal(signal);
        assert_eq!(running.end().code(), Some(0), "{signal}");
        let env = resumed(&data).await;
        assert!(env.sandbox.is_resumed());
        let now = env.sandbox.now();
        assert!(now >= "2026-01-01T05:00:00Z".parse().unwrap(), "{signal}: {now}");
    }
}

#[tokio::test]
async fn a_sandbox_that_is_killed_anywhere_has_a_whole_state() {
    let user = User::new();
    let data = user.path().join("state");
    let data_text = data.to_str().unwrap().to_owned();
    let up = ["sandbox", "up", "--data", &data_text, "--legacy", "1", "--format", "json"];
    let mut objects = 0;
    let turns = [("-KILL", 0), ("-TERM", 1), ("-KILL", 1), ("-KILL", 7), ("-TERM", 0)];
    for (turn, (signal, ticks)) in turns.into_iter().enumerate() {
        let running = user.spawn(&up);
        let endpoint = running.endpoint();
        for _ in 0..ticks {
            let tick = ["sandbox", "tick", "--hours", "3", "--endpoint", &endpoint];
            assert!(user.orgtrail(&tick).status.success());
        }
        running.signal(signal);
        assert_eq!(running.end().code(), (signal == "-TERM").then_some(0));
        let env = resumed(&data).await;
        // Killed before the first save, it has nothing at all.
        assert!(env.sandbox.is_resumed() || turn == 0);
        let bucket = env.sandbox.accounts().get(3).map(|id| format!("legacy-{id}")).unwrap();
        let keys = env.sandbox.keys_raw(&bucket, "");
        for key in &keys {
            env.sandbox.body_raw(&bucket, key).unwrap();
        }
        assert!(keys.len() >= objects, "{} of {objects}", keys.len());
        objects = keys.len();
        assert!(objects > 0 || turn == 0);
    }
}

#[tokio::test]
async fn a_sandbox_in_the_background_is_found_and_ended() {
    let user = User::new();
    let ran = user.orgtrail(&["sandbox", "up", "--detach", "--data", "state", "--accounts", "4"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let place = user.path().join(".orgtrail-sandbox");
    for name in ["sandbox.json", "env", "log"] {
        let mode = fs::metadata(place.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let second = user.orgtrail(&["sandbox", "up", "--detach"]);
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("already running"), "{}", text(&second.stderr));

    let exec = ["sandbox", "exec", "--detached", "--", "orgtrail", "accounts", "--format", "json"];
    let accounts = user.orgtrail(&exec);
    assert_eq!(accounts.status.code(), Some(0), "{}", text(&accounts.stderr));
    let sourced = ". .orgtrail-sandbox/env && orgtrail accounts --format json";
    let mut shell = user.command("sh");
    shell.args(["-c", sourced]).env_remove("ORGTRAIL__ORGANIZATION__MANAGEMENT_ACCOUNT");
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY", "http_proxy"] {
        shell.env_remove(name);
    }
    let same = shell.output().unwrap();
    assert_eq!(text(&same.stdout), text(&accounts.stdout));

    let mut tick = user.command(PROGRAM);
    tick.args(["sandbox", "tick", "--hours", "30"]);
    assert!(tick.status().unwrap().success());
    let down = user.orgtrail(&["sandbox", "down"]);
    assert_eq!(down.status.code(), Some(0), "{}", text(&down.stderr));
    assert!(!place.join("sandbox.json").exists() && !place.join("env").exists());
    let env = resumed(&user.path().join("state")).await;
    assert_eq!(env.sandbox.accounts().len(), 4);
    assert_eq!(user.orgtrail(&exec).status.code(), Some(2));
    // Nothing is left to end.
    assert_eq!(user.orgtrail(&["sandbox", "down"]).status.code(), Some(0));
    assert_eq!(user.outside.reached(), 0);
}

#[test]
fn a_sandbox_that_does_not_start_in_the_background_says_why() {
    let user = User::new();
    let ran = user.orgtrail(&["sandbox", "up", "--detach", "--legacy", "9"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("active members"), "{}", text(&ran.stderr));
    assert!(!user.path().join(".orgtrail-sandbox/env").exists());
}

#[test]
fn a_history_is_there_for_whoever_looks_back_from_now() {
    let user = User::new();
    let exec = |arguments: &[&str]| {
        let options = ["sandbox", "exec", "--history", "30h", "--legacy", "1", "--"];
        user.orgtrail(&[&options, arguments].concat())
    };
    let verify = exec(&["orgtrail", "verify", "--format", "json"]);
    assert_eq!(verify.status.code(), Some(0), "{}{}", text(&verify.stdout), text(&verify.stderr));
    let report: serde_json::Value = serde_json::from_slice(&verify.stdout).unwrap();
    // Three accounts of the organization and the member, two Regions, 30 hours.
    assert_eq!(report["summary"]["digests"]["valid"], 4 * 2 * 30, "{}", report["summary"]);
    let sources = exec(&["orgtrail", "sources", "--format", "json"]);
    assert_eq!(sources.status.code(), Some(0), "{}", text(&sources.stderr));
    let sources: serde_json::Value = serde_json::from_slice(&sources.stdout).unwrap();
    assert_eq!(sources["sources"].as_array().unwrap().len(), 1, "{sources}");
    // The member's own trail is the one finding: silent Regions are none.
    let drift = exec(&["orgtrail", "drift", "--fail-on", "high"]);
    assert_eq!(drift.status.code(), Some(0), "{}{}", text(&drift.stdout), text(&drift.stderr));
    let coverage = exec(&["orgtrail", "coverage"]);
    assert_eq!(coverage.status.code(), Some(0), "{}", text(&coverage.stdout));
    assert_eq!(user.outside.reached(), 0);
}

/// The fenced blocks of a document that use a sandbox.
fn blocks(document: &str) -> Vec<String> {
    document
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| {
            let (language, body) = block.split_once('\n')?;
            let is_shell = matches!(language.trim(), "" | "sh" | "bash" | "console");
            (is_shell && body.contains("orgtrail sandbox")).then(|| body.to_owned())
        })
        .collect()
}

/// The examples of a command's help, paragraph by paragraph.
fn examples(user: &User, command: &[&str]) -> Vec<String> {
    let help = user.orgtrail(&[command, &["--help"]].concat());
    let help = text(&help.stdout);
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let examples = examples.split("\n\n").map(|part| {
        // As it is typed: the help indents it.
        part.lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    });
    examples.filter(|part| part.contains("orgtrail sandbox")).collect()
}

/// Keeps the exit code of whichever command of a snippet fails; changes that are
/// pending are no failure.
const EACH_ENDS_WELL: &str = r#"
orgtrail() {
    command orgtrail "$@"
    code=$?
    case $code in 0 | 10) ;; *) failed=$code ;; esac
    return $code
}
"#;

#[test]
fn every_snippet_reaches_the_sandbox_alone() {
    let user = User::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut snippets = Vec::new();
    let mut documents = vec![root.join("README.md")];
    documents.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    for document in &documents {
        snippets.extend(blocks(&fs::read_to_string(document).unwrap()));
    }
    assert!(snippets.len() >= 6, "{snippets:#?}");
    for command in
        [&["sandbox"][..], &["sandbox", "exec"], &["sandbox", "up"], &["sandbox", "down"]]
    {
        snippets.extend(examples(&user, command));
    }
    for snippet in &snippets {
        // What a shell would do without the sandbox is the danger.
        assert!(!snippet.contains("source ") && !snippet.contains("> "), "{snippet}");
        // One in the foreground asks nobody, and runs until it is printed to end.
        let lines = snippet
            .lines()
            .filter(|line| !line.starts_with("orgtrail sandbox up") || line.contains("--detach"));
        let script = lines.collect::<Vec<_>>().join("\n");
        let mut shell = user.command("sh");
        // `tick` in the background's snippet finds the sandbox by its folder.
        let out = user.path().join("out");
        let file = || fs::File::options().create(true).append(true).open(&out).unwrap();
        let status = shell
            .args(["-c", &format!("{EACH_ENDS_WELL}{script}\nend=$?\ncommand orgtrail sandbox down\nexit ${{failed:-$end}}")])
            .stdout(file())
            .stderr(file())
            .status()
            .unwrap();
        let mut said = String::new();
        fs::File::open(&out).unwrap().read_to_string(&mut said).unwrap();
        fs::remove_file(&out).unwrap();
        assert_eq!(user.outside.reached(), 0, "{script}\n{said}");
        assert!(status.code().is_some_and(|code| [0, 10].contains(&code)), "{script}\n{said}");
        // A snippet starts where no other has left anything.
        let _ = fs::remove_dir_all(user.path().join("state"));
    }
    // The trap is one: without the sandbox the same command goes outside.
    let config = user.path().join("orgtrail.toml");
    fs::write(&config, orgtrail::config::SMALLEST).unwrap();
    let mut lost = user.command(PROGRAM);
    lost.arg("accounts").env_remove("ORGTRAIL_CONFIG");
    lost.env_remove("ORGTRAIL__ORGANIZATION__MANAGEMENT_ACCOUNT");
    assert!(!lost.output().unwrap().status.success());
    assert!(user.outside.reached() > 0);
}
