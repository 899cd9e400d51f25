//! The benches, in one binary: `cargo bench -- NAME [OPTIONS]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "benches print, and stop where they fail"
)]

mod bootstrap;
mod consolidate;
mod curve;
mod drift;
mod events;
mod organization;
mod provision;
mod quick;
mod sandbox;
mod serve;
mod shards;
mod usage;
mod verify;

/// A bench's entry; it gets what follows the bench's name.
type Run = fn(&[String]);

/// Every bench by its name.
const BENCHES: &[(&str, Run)] = &[
    ("bootstrap", bootstrap::run),
    ("consolidate", consolidate::run),
    ("drift", drift::run),
    ("events", events::run),
    ("organization", organization::run),
    ("provision", provision::run),
    ("sandbox", sandbox::run),
    ("serve", serve::run),
    ("shards", shards::run),
    ("verify", verify::run),
];

fn main() {
    // Cargo itself adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.split_first() {
        Some((name, _)) if name == "quick" => {
            let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
            quick::run(&names);
        }
        Some((name, options)) => {
            if let Some((_, run)) = BENCHES.iter().find(|(known, _)| known == name) {
                run(options);
            } else {
                let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
                eprintln!("no bench `{name}`: expected quick or one of {}", known.join(", "));
                std::process::exit(2);
            }
        }
        None => {
            for (_, run) in BENCHES {
                run(&[]);
            }
        }
    }
}
