//! The benches, in one binary: `cargo bench -- NAME [OPTIONS]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "benches print, and stop where they fail"
)]

mod sandbox;
mod verify;

/// Name and entry of every bench; it gets what follows its name.
const BENCHES: &[(&str, fn(&[String]))] = &[("sandbox", sandbox::run), ("verify", verify::run)];

fn main() {
    // Cargo itself adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.split_first() {
        Some((name, options)) => match BENCHES.iter().find(|(known, _)| known == name) {
            Some((_, run)) => run(options),
            None => {
                let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
                eprintln!("no bench `{name}`: expected one of {}", known.join(", "));
                std::process::exit(2);
            }
        },
        None => {
            for (_, run) in BENCHES {
                run(&[]);
            }
        }
    }
}
