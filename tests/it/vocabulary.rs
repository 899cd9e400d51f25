//! The words of the documentation and the help: `docs/vocabulary.md` lists the terms in use,
//! the table here those that were retired.

use std::path::{Path, PathBuf};

use crate::layers::{Source, sources};

/// What no page and no help says, and what to write instead.
const RETIRED: &[(&[&str], &str)] = &[
    (&["tell", "tells", "told", "telling"], "report, list, show, distinguish"),
    (&["mend", "mends", "mended", "mending"], "fix"),
    (&["reckon", "reckons", "reckoned", "reckoning"], "estimate"),
    (&["besides"], "also, in addition"),
    (&["bring in", "brings in", "brought in", "brings it in"], "copy, consolidate"),
    (&["take away", "takes away", "taken away"], "delete, remove"),
    (&["look again", "looks again", "have a look"], "re-check, inspect"),
    (&["is not there", "are not there", "there is none", "there are none"], "missing, no …"),
    (&["come to", "comes to", "came to"], "result, outcome"),
    (&["foreign"], "unmanaged, unexpected"),
    (&["whoever"], "anyone who, the person who"),
    (&["for ever"], "forever"),
    (&["in vain"], "without success"),
    (&["at the most", "at the least"], "at most, at least"),
    (&["grave", "graver", "gravest"], "severe, most severe"),
    (&["holds"], "passes (checks), contains (buckets)"),
    (&["thrice"], "three times"),
    (&["lane", "lanes"], "log prefix (consolidation), scope (verification)"),
    (&["every one of them", "all the same"], "each, still"),
];

/// A sentence ends here: no phrase goes across it.
const BREAK: &str = "¶";

/// The text in lower case, a space between any two words.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    for part in text.split_whitespace() {
        for word in part.split_inclusive(|letter: char| ".,;:|()/".contains(letter)) {
            let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
            if !bare.is_empty() {
                words.push_str(&bare.to_lowercase());
                words.push(' ');
            }
            if word.ends_with(['.', ',', ';', ':', '|', '(', ')', '/']) {
                words.push_str(BREAK);
                words.push(' ');
            }
        }
    }
    words
}

/// The retired words in a text, each with its replacement and some of what surrounds it.
fn retired_in(text: &str) -> Vec<String> {
    // S3's own term.
    let words = words(text).replace(" legal holds ", " legal-hold ");
    let mut found = Vec::new();
    for (retired, instead) in RETIRED {
        for phrase in *retired {
            for (at, _) in words.match_indices(&format!(" {phrase} ")) {
                let before: String =
                    words[..at].chars().rev().take(50).collect::<Vec<_>>().iter().rev().collect();
                let after: String = words[at..].chars().take(60).collect();
                found.push(format!("`{phrase}` (write: {instead}) in …{before}{after}…"));
            }
        }
    }
    found
}

/// A page without its code: fences and spans.
fn prose(markdown: &str) -> String {
    let mut prose = String::new();
    let mut is_fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    // The names of code end no phrase.
    prose.split('`').step_by(2).collect::<Vec<_>>().join(" code ")
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
            .iter()
            .map(|page| root.join(page))
            .collect();
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// That each retired word is found where it is added to a page, and not in its code or in
/// another word.
fn assert_each_word_would_be_found(page: &str) {
    for (retired, _) in RETIRED {
        for phrase in *retired {
            let text = format!("{page}\nA page that\n{}, says it.", phrase.replace(' ', "\n"));
            assert_eq!(retired_in(&prose(&text)).len(), 1, "{phrase}");
            let text = format!("{page}\n{}: it, or non{phrase}.", phrase.to_uppercase());
            assert_eq!(retired_in(&prose(&text)).len(), 1, "{phrase}");
            let code = format!("{page}\n`{phrase}` and\n```\n{phrase}\n```\nmore");
            assert!(retired_in(&prose(&code)).is_empty(), "{phrase}");
        }
    }
}

#[test]
fn no_page_uses_a_retired_word() {
    let pages = pages();
    assert!(pages.len() > 15, "{pages:?}");
    let first = std::fs::read_to_string(&pages[0]).unwrap();
    let mut found = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(retired_in(&prose(&text)).into_iter().map(|word| format!("{name}: {word}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_each_word_would_be_found(&first);
}

#[test]
fn no_help_uses_a_retired_word() {
    fn visit(command: &clap::Command, path: &str, helps: &mut Vec<(String, String)>) {
        helps.push((path.to_owned(), command.clone().render_long_help().to_string()));
        for inner in command.get_subcommands() {
            visit(inner, &format!("{path} {}", inner.get_name()), helps);
        }
    }
    let mut helps = Vec::new();
    visit(&orgtrail::cli::command(), "orgtrail", &mut helps);
    assert!(helps.len() > 25, "{}", helps.len());
    let found: Vec<String> = helps
        .iter()
        .flat_map(|(path, help)| {
            retired_in(help).into_iter().map(move |word| format!("{path}: {word}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a text of the code is for people: names, keys and paths have no spaces.
fn is_prose(text: &str) -> bool {
    text.trim().contains(' ') && text.contains(|letter: char| letter.is_alphabetic())
}

/// A message without what its placeholders stand for.
fn without_placeholders(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        text.push_str("value");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text
}

#[test]
fn no_message_uses_a_retired_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut messages = 0;
    let mut found = Vec::new();
    for folder in ["src", "crates/base/src", "crates/sandbox/src"] {
        for source in sources(&root.join(folder)) {
            let name = source.path.strip_prefix(root).unwrap().display().to_string();
            for text in source.texts().filter(|text| is_prose(text)) {
                messages += 1;
                let words = retired_in(&prose(&without_placeholders(text)));
                found.extend(words.into_iter().map(|word| format!("{name}: {word}")));
            }
        }
    }
    assert!(messages > 1500, "{messages}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn messages_are_separated_from_names_comments_and_tests() {
    let folder = tempfile::tempdir().unwrap();
    let code = r##"
        // "a comment"
        const NAME: &str = "a-name";
        /// "a docstring"
        fn message() -> String {
            let quote = '"';
            format!("one {} two, \
                     \"three\"", r#"raw "text" here"#)
        }
        #[cfg(test)]
        mod tests {
            const TEXT: &str = "of a test";
        }
    "##;
    std::fs::write(folder.path().join("code.rs"), code).unwrap();
    let sources = sources(folder.path());
    let messages: Vec<&str> =
        sources.iter().flat_map(Source::texts).filter(|text| is_prose(text)).collect();
    assert_eq!(messages, ["one {} two, \"three\"", "raw \"text\" here"]);
    assert_eq!(without_placeholders("a {b} c {}"), "a value c value");
}

#[test]
fn no_check_and_no_schema_uses_a_retired_word() {
    fn descriptions(path: &str, schema: &serde_json::Value, texts: &mut Vec<(String, String)>) {
        match schema {
            serde_json::Value::Object(fields) => {
                for (name, inner) in fields {
                    let path = format!("{path}/{name}");
                    match inner.as_str() {
                        Some(text) if name == "description" => texts.push((path, text.to_owned())),
                        _ => descriptions(&path, inner, texts),
                    }
                }
            }
            serde_json::Value::Array(items) => {
                for item in items {
                    descriptions(path, item, texts);
                }
            }
            _ => {}
        }
    }
    let mut texts = Vec::new();
    for check in orgtrail::checks::CATALOGUE {
        for text in [check.title, check.why, check.fix] {
            texts.push((check.id.to_owned(), text.to_owned()));
        }
    }
    for kind in orgtrail::report::contract::DOCUMENTS {
        descriptions(kind.name, &(kind.schema)().to_value(), &mut texts);
    }
    descriptions("orgtrail.toml", &orgtrail::config::Config::json_schema().to_value(), &mut texts);
    assert!(texts.len() > 1500, "{}", texts.len());
    let found: Vec<String> = texts
        .iter()
        .flat_map(|(path, text)| {
            retired_in(&prose(text)).into_iter().map(move |word| format!("{path}: {word}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
