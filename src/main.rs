//! The `orgtrail` command.

fn main() -> std::process::ExitCode {
    orgtrail::cli::main()
}
