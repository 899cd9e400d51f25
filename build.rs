//! Tells the binary which commit it was built from.
//!
//! Release builds only: a debug build would be made anew after every commit.
//! Without git, or outside a repository (a source archive), there is no commit
//! to tell, and the build goes on.

#![allow(clippy::print_stdout, reason = "standard output is how a build script speaks")]

use std::path::Path;
use std::process::Command;

fn main() {
    // Without any such line, cargo would run this after every change anywhere.
    println!("cargo::rerun-if-changed=build.rs");
    #[expect(clippy::disallowed_methods, reason = "cargo speaks through the environment")]
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if !release || !Path::new(".git").exists() {
        return;
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return };
    println!("cargo::rustc-env=ORGTRAIL_COMMIT={commit}");
    // `HEAD` names a branch, whose file moves with each commit until it is
    // packed away.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD"].into_iter().chain(branch.as_deref()).chain(["packed-refs"]) {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
