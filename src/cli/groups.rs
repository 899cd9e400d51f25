//! The commands as `orgtrail --help` shows them: by what they are for.

use std::fmt::Write as _;

/// Headings and the commands under them, in the order of a first use. A command
/// that is not named here is shown under the last heading.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Get started", &["demo", "doctor", "init", "accounts", "config"]),
    ("Provision", &["bootstrap", "plan", "apply", "mfa-delete", "destroy"]),
    (
        "Consolidate and verify",
        &["sources", "consolidate", "records", "verify", "accept", "evidence", "retire", "cost"],
    ),
    ("Monitor", &["serve", "status", "service", "run", "drift", "coverage", "explain"]),
    ("Answer questions", &["events"]),
    ("Work on several machines", &["units", "gather"]),
    ("Other", &["sandbox", "completions", "man", "help"]),
];

/// The command with its help's commands grouped.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let groups = render(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{{options}}{{after-help}}"
    ))
}

fn render(command: &clap::Command) -> String {
    let about = |name: &str| {
        if name == "help" {
            return Some("Print help for a command".to_owned());
        }
        command.find_subcommand(name)?.get_about().map(ToString::to_string)
    };
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let placed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut text = String::new();
    for (at, (heading, members)) in GROUPS.iter().enumerate() {
        let others = names.iter().filter(|name| at + 1 == GROUPS.len() && !placed.contains(name));
        let members: Vec<(&str, String)> =
            members.iter().chain(others).filter_map(|name| Some((*name, about(name)?))).collect();
        if members.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{header}{heading}:{header:#}");
        for (name, about) in members {
            let _ = writeln!(text, "  {literal}{name:width$}{literal:#}  {about}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{header}Options:{header:#}");
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_stands_in_the_help_once() {
        let text = render(&Cli::command());
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let starts = |line: &&str| {
                let line = line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
                line.trim_start().split(' ').next() == Some(name)
            };
            assert_eq!(text.lines().filter(starts).count(), 1, "{name} in\n{text}");
        }
    }
}
