//! The supplier of a bundle or mirror.

mod bundle;
#[cfg(unix)]
mod mirror;

use std::path::Path;

use serde_json::Value;

use crate::forge::{Bucket, Chain, key_set};
use crate::program::{Finished, finish, orgtrail};

/// The keys as the auditor has them from AWS.
const KEYS: &str = "keys.json";
const WINDOW: [&str; 4] = ["--from", "2026-01-10T08:00:00Z", "--until", "2026-01-10T15:00:00Z"];

/// A mirror of eight hours with its keys saved in it, and the auditor's keys beside it.
fn genuine_mirror(folder: &Path) -> Chain {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 8, 2, 2);
    bucket.write_to(&folder.join("mirror"));
    let keys = serde_json::to_vec(&key_set().to_list()).unwrap();
    std::fs::create_dir_all(folder.join("mirror/orgtrail")).unwrap();
    std::fs::write(folder.join("mirror/orgtrail/public-keys.json"), &keys).unwrap();
    std::fs::write(folder.join(KEYS), keys).unwrap();
    chain
}

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    finish(&mut orgtrail(folder, arguments))
}

/// Verifies offline; with the auditor's keys, or with those that came along.
fn verify(folder: &Path, target: &str, with_keys: bool) -> (i32, Value, String) {
    let args = ["verify", target, "--offline", "--format", "json"];
    let keys: &[&str] = if with_keys { &["--public-keys", KEYS] } else { &[] };
    let output = run(folder, &[&args[..], keys].concat());
    (output.code, serde_json::from_str(&output.stdout).unwrap_or_default(), output.stderr)
}

fn kinds(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter_map(|finding| finding["kind"].as_str()).collect()
}
