//! Which parts of `src` may use which, read from their `use` declarations and in-line
//! paths. Tests may use anything, and are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A module or crate that only some files may use.
struct Restricted {
    /// Its paths: `crate::…`, or the crate's name.
    paths: &'static [&'static str],
    /// The files and folders below `src` that may use it.
    users: &'static [&'static str],
}

const RESTRICTED: [Restricted; 2] = [
    Restricted {
        paths: &["orgtrail_sandbox", "crate::sandbox"],
        users: &["cli/demo", "cli/sandbox", "lib.rs"],
    },
    // What the operations do is callable without a command line.
    Restricted { paths: &["clap", "clap_complete", "clap_mangen", "anstream"], users: &["cli"] },
];

/// The layers, the lowest first: a part uses those of its own layer and below, and the
/// parts of a layer do not use one another in a circle.
const LAYERS: [&[&str]; 8] = [
    &["local_file", "names", "policy", "printable", "stop", "words", "filter_pattern"],
    &["alarms", "aws", "config", "org"],
    &["resources"],
    &["archive", "checks", "cost", "events", "plan", "report"],
    &["compute", "store"],
    &["ops"],
    &["serve"],
    &["cli"],
];

#[test]
fn parts_use_only_what_lies_below_them() {
    let rank = |part: &str| LAYERS.iter().position(|layer| layer.contains(&part));
    let mut edges = BTreeSet::new();
    for Use { file, path } in uses() {
        let part = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let Some(used) = path.strip_prefix("crate::") else { continue };
        let used = used.split("::").next().unwrap().to_owned();
        if part == used || rank(&part).is_none() || used == "sandbox" {
            continue;
        }
        assert!(rank(&used).is_some(), "{file}: `{used}` has no layer");
        edges.insert((part, used));
    }
    assert!(edges.len() > 30, "{edges:?}");
    let upwards: Vec<_> = edges.iter().filter(|(from, to)| rank(from) < rank(to)).collect();
    assert!(upwards.is_empty(), "{upwards:?}");
    // What has no way out but within its layer is in a circle.
    let mut open = edges;
    loop {
        let froms: BTreeSet<String> = open.iter().map(|(from, _)| from.clone()).collect();
        let before = open.len();
        open.retain(|(_, to)| froms.contains(to));
        if open.len() == before {
            break;
        }
    }
    assert!(open.is_empty(), "in a circle: {open:?}");
}

#[test]
fn only_its_own_commands_use_the_sandbox() {
    let uses = uses();
    assert!(uses.len() > 1000, "only {} uses were found", uses.len());
    for Restricted { paths, users } in &RESTRICTED {
        let found: Vec<&Use> = uses
            .iter()
            .filter(|one| paths.iter().any(|path| is_within(&one.path, path, "::")))
            .collect();
        let is_allowed = |one: &&&Use| users.iter().any(|user| is_within(&one.file, user, "/"));
        let wrong: Vec<_> = found.iter().filter(|one| !is_allowed(one)).collect();
        assert!(wrong.is_empty(), "{wrong:#?} are not among {users:?}");
        for user in *users {
            let is_used = found.iter().any(|one| is_within(&one.file, user, "/"));
            assert!(is_used, "{user} does not use {paths:?}: take it off the list");
        }
    }
}

#[test]
fn base_and_sandbox_call_no_aws_and_base_never_waits() {
    let clients = ["aws-config", "aws-sdk-", "aws-smithy-"];
    let runtimes = ["futures", "hyper", "tokio"];
    for (package, banned) in
        [("base", [&clients[..], &runtimes].concat()), ("sandbox", clients.to_vec())]
    {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crates/{package}/Cargo.toml"));
        let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let found: Vec<&String> = dependencies
            .keys()
            .filter(|name| banned.iter().any(|banned| name.starts_with(banned)))
            .collect();
        assert!(dependencies.len() > 5 && found.is_empty(), "{package} depends on {found:?}");
    }
}

/// Whether a path is another or below it.
fn is_within(path: &str, of: &str, separator: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

/// One use of a path.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    /// The file, relative to `src`.
    file: String,
    /// The path, from the crate's root or with a crate's name: `crate::aws::Aws`.
    path: String,
}

/// A file's code that is not for tests.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The code, with a [`mark`] for each text.
    code: String,
    texts: Vec<String>,
}

impl Source {
    /// The texts of the code.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let marked = self.texts.iter().enumerate().filter(|(at, _)| self.code.contains(mark(*at)));
        marked.map(|(_, text)| text.as_str())
    }
}

/// The code below a folder that is not for tests.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut for_tests: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let (code, texts) = with_marks(&std::fs::read_to_string(&path).unwrap());
                let (code, modules) = without_tests(&code);
                let folder = folder_of(&path);
                for module in modules {
                    for_tests.extend([folder.join(format!("{module}.rs")), folder.join(module)]);
                }
                sources.push(Source { path, code, texts });
            }
        }
    }
    sources.retain(|source| !for_tests.iter().any(|one| source.path.starts_with(one)));
    sources
}

/// All uses in the code below `src` that is not for tests.
fn uses() -> BTreeSet<Use> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = BTreeSet::new();
    for Source { path, code, .. } in sources(&root) {
        let folder = folder_of(&path);
        let modules = folder.strip_prefix(&root).unwrap().components();
        let modules: Vec<String> =
            modules.map(|one| one.as_os_str().to_str().unwrap().to_owned()).collect();
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        for path in paths(&code) {
            let path = from_root(&path, &modules);
            uses.insert(Use { file: file.to_owned(), path });
        }
    }
    uses
}

/// Where the modules of a file are: `a/b` for `a/b.rs` and for `a/b/mod.rs`.
fn folder_of(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap();
    let is_root = ["mod", "lib", "main"].iter().any(|root| stem == *root);
    if is_root { file.parent().unwrap().to_owned() } else { file.with_extension("") }
}

/// A path from the crate's root, where it begins with `self` or `super`.
fn from_root(path: &str, modules: &[String]) -> String {
    let mut at = modules.len();
    let mut rest = path;
    let mut is_relative = false;
    loop {
        if let Some(below) = rest.strip_prefix("super::") {
            at = at.saturating_sub(1);
            rest = below;
        } else if let Some(below) = rest.strip_prefix("self::") {
            rest = below;
        } else {
            break;
        }
        is_relative = true;
    }
    if !is_relative {
        return path.to_owned();
    }
    let above = modules[..at].iter().map(String::as_str);
    let parts: Vec<&str> = ["crate"].into_iter().chain(above).chain([rest]).collect();
    parts.join("::")
}

/// The code alone, without comments and texts.
pub(crate) fn code(source: &str) -> String {
    let (code, texts) = with_marks(source);
    let marks = mark(0)..mark(texts.len());
    code.replace(|c| marks.contains(&c), " ")
}

/// Stands for a text in code: a character for private use, by the text's place.
fn mark(text: usize) -> char {
    char::from_u32(0xF_0000 + u32::try_from(text).unwrap()).unwrap()
}

/// The code without comments, with a [`mark`] for each text, and the texts.
fn with_marks(source: &str) -> (String, Vec<String>) {
    let mut code = String::with_capacity(source.len());
    let mut texts = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let hashes =
            rest.strip_prefix('r').map(|rest| rest.len() - rest.trim_start_matches('#').len());
        let is_word_before = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if let Some(hashes) = hashes
            && rest[1 + hashes..].starts_with('"')
            && !is_word_before
        {
            let end = format!("\"{}", "#".repeat(hashes));
            let from = hashes + 2;
            let length = rest[from..].find(&end).unwrap();
            code.push(mark(texts.len()));
            texts.push(rest[from..from + length].to_owned());
            from + length + end.len()
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = end.unwrap() + 1;
            code.push(mark(texts.len()));
            texts.push(unescaped(&rest[1..end]));
            end + 1
        } else if rest.starts_with("'\\") {
            3 + rest[3..].find('\'').unwrap() + 1
        } else if first == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    (code, texts)
}

/// A text with its line breaks and quotes, and without the indentation of its continued lines.
fn unescaped(text: &str) -> String {
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let joined = lines.fold(first, |joined, line| joined + line.trim_start());
    joined.replace("\\n", "\n").replace("\\\"", "\"")
}

/// The code without what is compiled for tests alone, and the names of the modules in
/// other files that are.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut modules = Vec::new();
    let mut rest = code;
    while let Some((before, item)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let end = end_of_item(item);
        let words: Vec<&str> =
            item[..end].split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        if let (Some(at), ';') =
            (words.iter().position(|word| *word == "mod"), item.as_bytes()[end - 1].into())
        {
            modules.push(words[at + 1].to_owned());
        }
        rest = &item[end..];
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Where an item ends: at its semicolon, or with its block.
fn end_of_item(item: &str) -> usize {
    let mut depth = 0_usize;
    let is_import = item.split_whitespace().any(|word| word == "use")
        && item.find("use").unwrap() < item.find(['{', ';']).unwrap();
    for (at, c) in item.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ';' || (c == '}' && !is_import)) {
            return at + 1;
        }
    }
    item.len()
}

/// The paths of all `use` declarations, and the in-line paths that say where they begin.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = code;
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    while let Some(start) = rest.find(is_part) {
        let word = &rest[start..];
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        rest = after;
        if word == "use" && !after.starts_with('<') {
            let (tree, after) = after.split_once(';').unwrap();
            expand("", tree.trim(), &mut paths);
            rest = after;
        } else if ["crate::", "super::", "self::", "orgtrail_"]
            .iter()
            .any(|it| word.starts_with(it))
        {
            paths.push(word.trim_end_matches(':').to_owned());
        }
    }
    paths
}

/// Adds the paths of an import's tree: `a::{b, c::{d, e}}`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((path, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        paths.push(format!("{before}{}", path.trim()));
        return;
    };
    let before = format!("{before}{}", path.trim());
    let inner = inner.trim_end().strip_suffix('}').unwrap();
    let mut depth = 0_usize;
    let parts = inner.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        expand(&before, part, paths);
    }
}
