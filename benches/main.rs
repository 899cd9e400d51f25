//! The benches, in one binary: `cargo bench -- <name>`.

fn main() {}
