//! Shards: several machines consolidate, verify and export an archive together.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use serde_json::Value;

use crate::env::{HOME, MINIMAL};
use crate::program::finish_apart;
use crate::sources_env::SourcesEnv;

/// An organization whose members have older trails with logs of a day.
async fn with_legacy_trails() -> SourcesEnv {
    let env = SourcesEnv::new().await;
    for (nth, member) in env.members.clone()[..3].iter().enumerate() {
        let bucket = format!("legacy-{nth}");
        env.bucket(member, &bucket, HOME).await;
        env.trail(member, "old", &bucket, None).await;
    }
    env.sandbox.tick(SignedDuration::from_hours(28));
    env
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A document without when and by whom it was made.
fn comparable(mut document: Value) -> Value {
    // To gather from a directory, nobody signs in.
    for field in ["created_at", "identity"] {
        document.as_object_mut().unwrap().remove(field);
    }
    document
}

/// The files below a directory, by their paths.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_do_together_what_one_machine_does() {
    let env = with_legacy_trails().await;
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| text(&folder.path().join(name));

    // What a single run would copy.
    let (code, alone) = env.json("", &["consolidate", "--dry-run"]).await;
    assert_eq!(code, 0, "{alone:#}");
    assert!(alone["counts"]["copied"].as_u64().unwrap() > 20, "{alone:#}");
    let consolidated = place("consolidated");
    for shard in ["2/3", "3/3", "1/3", "2/3"] {
        let arguments = ["consolidate", "--yes", "--shard", shard, "--results", &consolidated];
        let ran = env.run("", &arguments).await;
        assert_eq!(ran.code, 0, "{}", ran.text());
        assert!(ran.text().contains(&format!("orgtrail gather {consolidated}")), "{}", ran.text());
    }
    for nth in 0..3 {
        env.assert_arrived(&format!("legacy-{nth}"));
    }
    let (code, gathered) = env.json("", &["gather", &consolidated]).await;
    assert_eq!(code, 0, "{gathered:#}");
    assert_eq!(gathered["document"], alone["document"]);
    // The shard that ran again found its objects in the archive.
    assert_eq!(gathered["counts"]["at_source"], alone["counts"]["at_source"]);
    assert_eq!(gathered["sources"], alone["sources"]);
    assert_eq!((&gathered["complete"], &gathered["failures"]), (&true.into(), &alone["failures"]));
    let (code, again) = env.json("", &["consolidate", "--dry-run"]).await;
    assert_eq!((code, &again["counts"]["copied"]), (0, &0.into()));
    assert_eq!(again["counts"]["present"], alone["counts"]["at_source"]);

    // An archive in which something is missing and something is planted.
    let keys = env.sandbox.keys_raw("acme-log-archive", "AWSLogs/");
    let log = keys.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let (now, day) = (env.sandbox.now(), env.sandbox.now().strftime("%Y-%m-%d").to_string());
    let until = now.to_string();
    env.sandbox.delete_raw("acme-log-archive", log).unwrap();
    let (code, alone) = env.json("", &["verify", "--until", &until]).await;
    assert_eq!(code, 13, "{alone:#}");
    let units = env.run("", &["units", "--shards", "4", "--quiet"]).await;
    assert_eq!((units.code, units.stdout.lines().count()), (0, 4), "{}", units.text());
    let manifest = folder.path().join("units.jsonl");
    std::fs::write(&manifest, &units.stdout).unwrap();
    let manifest = text(&manifest);
    for by_manifest in [false, true] {
        let verified = place(if by_manifest { "verified-by-size" } else { "verified" });
        for number in 1..=4 {
            let shard = format!("{number}/4");
            let mut arguments =
                vec!["verify", "--until", &until, "--shard", &shard, "--results", &verified];
            if by_manifest {
                arguments.extend(["--units", &manifest]);
            }
            let ran = env.run("", &arguments).await;
            assert_eq!(ran.code, 0, "{}", ran.text());
        }
        let (code, gathered) = env.json("", &["gather", &verified]).await;
        assert_eq!(code, 13);
        let (gathered, alone) = (comparable(gathered), comparable(alone.clone()));
        for (field, value) in alone.as_object().unwrap() {
            assert_eq!(&gathered[field], value, "{field}");
        }
        assert_eq!(gathered, alone);
        for format in ["text", "junit", "aws-cli"] {
            let shown = env.run("", &["gather", &verified, "--format", format]).await;
            assert_eq!(shown.code, 13, "{}", shown.text());
            assert!(shown.stdout.contains(log.as_str()), "{format}: {}", shown.stdout);
        }
    }

    // Every file of an export has the same bytes, whichever shard wrote it.
    let (one, many) = (place("one"), place("many"));
    let export = ["events", "export", "--until", &day, "--to"];
    let ran = env.run("", &[&export[..], &[&one]].concat()).await;
    let results = place("exported");
    for number in 1..=3 {
        let shard = format!("{number}/3");
        let sharding = [many.as_str(), "--shard", &shard, "--results", &results];
        let ran = env.run("", &[&export[..], &sharding].concat()).await;
        assert_eq!(ran.code, 0, "{}", ran.text());
    }
    let gathered = env.run("", &["gather", &results]).await;
    assert_eq!(gathered.code, ran.code, "{}", gathered.text());
    assert_eq!(gathered.stdout.replace(&many, &one), ran.stdout);
    assert_eq!(files(Path::new(&many)), files(Path::new(&one)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_every_shard_of_one_run_is_not_gathered() {
    let env = with_legacy_trails().await;
    let folder = tempfile::tempdir().unwrap();
    let results = text(&folder.path().join("results"));
    let until = env.sandbox.now().to_string();
    let verify = async |more: &[&str]| {
        env.run("", &[&["verify", "--results", &results][..], more].concat()).await
    };
    let gather = async || env.run("", &["gather", &results]).await;
    let refused = |ran: &crate::program::Finished, code: i32, words: &[&str]| {
        assert_eq!(ran.code, code, "{}", ran.text());
        assert!(words.iter().all(|word| ran.text().contains(word)), "{}", ran.text());
    };

    refused(&verify(&["--shard", "1/2"]).await, 2, &["requires `--until`"]);
    refused(&verify(&["--shard", "3/2", "--until", &until]).await, 2, &["from 1 to N"]);
    refused(&verify(&["--until", &until]).await, 2, &["--shard"]);
    refused(&verify(&["--shard", "auto/2", "--until", &until]).await, 2, &["SLURM_ARRAY_TASK_ID"]);
    refused(&gather().await, 2, &["is not a directory"]);
    assert_eq!(verify(&["--shard", "1/3", "--until", &until]).await.code, 0);
    refused(&gather().await, 14, &["2 of 3 shards without a result", "2-3"]);
    // Another period: refused before anything is verified.
    let later = (env.sandbox.now() + SignedDuration::from_hours(1)).to_string();
    refused(
        &verify(&["--shard", "1/3", "--until", &later]).await,
        2,
        &["is the result of other work", "`--until`"],
    );
    assert_eq!(verify(&["--shard", "2/3", "--until", &until]).await.code, 0);
    assert_eq!(verify(&["--shard", "3/3", "--until", &until]).await.code, 0);
    assert_eq!(gather().await.code, 0);
    let file = |name: &str| folder.path().join("results/shards").join(name);
    let good = std::fs::read_to_string(file("00001-of-00003.json")).unwrap();
    let bad = |change: &dyn Fn(&str) -> String| {
        std::fs::write(file("00001-of-00003.json"), change(&good)).unwrap();
    };
    for (change, words) in [
        (&(|it: &str| it.replace("2026-", "2025-")) as &dyn Fn(&str) -> String, "other work"),
        (&|it: &str| it.replace("orgtrail 0.", "orgtrail 9."), "wrote it, and this is"),
        (&|it: &str| it.replace("\"1/3\"", "\"2/3\""), "as shards/00001-of-00003.json is"),
        (&|it: &str| it[..it.len() / 2].to_owned(), "ends in the middle"),
        (&|_: &str| "<html>".to_owned(), "it is not JSON"),
        (
            &|it: &str| it.replace("\"command\":\"verify\"", "\"command\":\"consolidate\""),
            "the command is",
        ),
    ] {
        bad(change);
        refused(&gather().await, 2, &[words]);
    }
    bad(&|it| it.to_owned());
    // Of two runs in one place.
    std::fs::write(file("00001-of-00002.json"), good.replace("\"1/3\"", "\"1/2\"")).unwrap();
    refused(&gather().await, 2, &["shards, expected"]);
    std::fs::remove_file(file("00001-of-00002.json")).unwrap();
    assert_eq!(gather().await.code, 0);
    refused(&env.run("", &["gather", &results, "--format", "sarif"]).await, 2, &["junit"]);
    let archive = ["gather", "s3://acme-log-archive/x"];
    refused(&env.run("", &archive).await, 12, &["contains log files"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_is_divided_by_array_jobs_with_results_in_a_bucket() {
    let env = with_legacy_trails().await;
    let management = crate::sources_env::MANAGEMENT.parse().unwrap();
    let jobs = env.clients(&management, HOME);
    jobs.s3().create_bucket().bucket("acme-jobs").send().await.unwrap();
    let until = env.sandbox.now().to_string();
    let folder = tempfile::tempdir().unwrap();
    let round = ["run", "consolidate,verify", "--yes", "--until", &until, "--quiet"];
    let sharding = ["--shard", "auto/3", "--results", "s3://acme-jobs/1130"];
    let shard = async |index: &str| {
        let arguments = [&round[..], &sharding].concat();
        let mut command = env.command(folder.path(), MINIMAL, &arguments);
        command.env("JOB_COMPLETION_INDEX", index);
        finish_apart(command).await
    };
    // Shards at the same time, and one of them again.
    let (one, two, three) = tokio::join!(shard("0"), shard("1"), shard("2"));
    let again = shard("1").await;
    for ran in [one, two, three, again] {
        assert_eq!(ran.code, 0, "{}", ran.text());
    }
    let outside = shard("3").await;
    assert_eq!(outside.code, 2);
    assert!(outside.text().contains("from 0 to 2"), "{}", outside.text());

    let (code, gathered) = env.json("", &["gather", "s3://acme-jobs/1130"]).await;
    assert_eq!(code, 0, "{gathered:#}");
    let parts = gathered["parts"].as_array().unwrap();
    assert_eq!(
        parts.iter().map(|part| &part["part"]).collect::<Vec<_>>(),
        ["consolidate", "verify"]
    );
    for nth in 0..3 {
        env.assert_arrived(&format!("legacy-{nth}"));
    }
    // A single round has nothing left to do, and proves the same.
    let (code, alone) = env.json("", &round).await;
    assert_eq!(code, 0, "{alone:#}");
    let [joined, single] = [&gathered, &alone].map(|round| &round["parts"][1]["report"]);
    assert_eq!(joined["scopes"], single["scopes"]);
    assert_eq!(joined["summary"], single["summary"]);
    assert_eq!(alone["parts"][0]["report"]["counts"]["copied"], 0);

    for (arguments, words) in [
        (&["run", "drift", "--yes", "--shard", "1/2", "--results", "x"][..], "`drift` cannot be"),
        (&["run", "verify", "--shard", "1/2", "--results", "x"], "requires `--until`"),
        (&["consolidate", "--shard", "1/2", "--results", "x"], "add `--yes`"),
        (&["consolidate", "--yes", "--limit", "1", "--shard", "1/2", "--results", "x"], "--limit"),
        (
            &["events", "export", "--to", "y", "--until", "1d", "--shard", "1/2", "--results", "x"],
            "--until",
        ),
    ] {
        let ran = env.run("", arguments).await;
        assert_eq!(ran.code, 2, "{}", ran.text());
        assert!(ran.text().contains(words), "{}", ran.text());
    }
}
