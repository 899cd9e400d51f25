//! One style of imports: a `use` lists items of one module, no module has two in a group,
//! and the groups are the standard library, other crates, then this one. Clippy's
//! `self_named_module_files` does the same for the files of modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::layers::code;

/// A `use` declaration.
#[derive(Debug, PartialEq)]
struct Import {
    /// With its visibility, without `use` and semicolon, in one line.
    text: String,
    has_attribute: bool,
    /// Whether a blank line precedes it.
    starts_group: bool,
    /// Whether something else than a blank line precedes it.
    starts_list: bool,
}

impl Import {
    /// The path up to the listed items, and whether these are items of that module alone.
    fn module(&self) -> (&str, bool) {
        if let Some((module, items)) = self.text.split_once('{') {
            return (module, !items.contains("::") && !items.contains('{'));
        }
        (self.text.rsplit_once("::").map_or("", |(module, _)| module), true)
    }

    /// The place of its group.
    fn group(&self) -> usize {
        let path = self.text.trim_start_matches("pub");
        let path = match path.strip_prefix('(').and_then(|path| path.split_once(')')) {
            Some((_, path)) => path,
            None => path,
        };
        match path.trim_start().split("::").next().unwrap_or_default() {
            "std" | "core" | "alloc" => 0,
            "crate" | "self" | "super" => 2,
            _ => 1,
        }
    }
}

fn imports(code: &str) -> Vec<Import> {
    let mut imports: Vec<Import> = Vec::new();
    let mut open: Option<String> = None;
    let (mut has_attribute, mut is_blank, mut is_interrupted) = (false, false, true);
    for line in code.lines().map(str::trim) {
        let mut text = match open.take() {
            Some(text) => text + " " + line,
            None => match line.strip_prefix("use ") {
                Some(path) => path.to_owned(),
                None if line.starts_with("pub") && line.contains(" use ") => {
                    line.replacen(" use ", " ", 1)
                }
                None => {
                    has_attribute |= line.starts_with("#[");
                    is_blank |= line.is_empty();
                    is_interrupted |= !line.is_empty() && !line.starts_with("#[");
                    continue;
                }
            },
        };
        if !text.ends_with(';') {
            open = Some(text);
            continue;
        }
        text.pop();
        let (starts_group, starts_list) = (is_blank || is_interrupted, is_interrupted);
        imports.push(Import { text, has_attribute, starts_group, starts_list });
        (has_attribute, is_blank, is_interrupted) = (false, false, false);
    }
    imports
}

/// What of a file's imports is not in the style.
fn violations(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut modules = BTreeSet::new();
    let mut before: Option<usize> = None;
    for import in &imports(&code(source)) {
        let (module, is_of_one_module) = import.module();
        if !is_of_one_module {
            found.push(format!("`{}` lists items of several modules", import.text));
        }
        if import.starts_group {
            modules.clear();
        }
        if !import.has_attribute && !module.is_empty() && !modules.insert(module) {
            found.push(format!("`{module}` has two imports in a group"));
        }
        let group = import.group();
        match before.filter(|_| !import.starts_list) {
            Some(earlier) if earlier > group => {
                found.push(format!("`{}` belongs to an earlier group", import.text));
            }
            Some(earlier) if (earlier < group) != import.starts_group => {
                found.push(format!("`{}`: a blank line separates groups", import.text));
            }
            _ => {}
        }
        before = Some(group);
    }
    found
}

/// Adds the Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_import_is_in_the_one_style() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 600, "only {} files were found", files.len());
    let mut found = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().display();
        found.extend(violations(&source).into_iter().map(|one| format!("{name}: {one}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn imports_in_another_style_are_found() {
    let good = "use std::fmt;\nuse std::fmt::{Display, Write as _};\n\nuse serde::Serialize;\n\n\
                use super::{a, b};\npub(in crate::c) use crate::c::{self, D};\n\nfn f() {\n    use std::io;\n}\n";
    assert_eq!(violations(good), [""; 0]);
    for bad in [
        "use std::{fmt, sync::Arc};",
        "use crate::{\n    a::A,\n    b::B,\n};",
        "use super::a;\nuse super::b;",
        "use super::a;\n\nuse serde::Serialize;",
        "use serde::Serialize;\nuse super::a;",
        "use super::a;\n\nuse super::b::c;",
    ] {
        assert_eq!(violations(bad).len(), 1, "{bad}: {:?}", violations(bad));
    }
}
