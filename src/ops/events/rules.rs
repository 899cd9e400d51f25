use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use orgtrail_events::detection::sigma::{Problem, RuleFile, Sigma, load};

use crate::events::detections::RuleSet;
use crate::ops::{OpError, Outcome};

/// The most files of a directory, and how deep it is searched.
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 16;
/// The largest file that is read; larger ones are reported. Units: bytes.
const MAX_FILE: u64 = 1 << 20;
/// What all files may add up to. Units: bytes.
const MAX_TOTAL: usize = 256 << 20;

/// Reads the Sigma rules of a directory and those below it: `*.yml` and `*.yaml`.
///
/// # Errors
/// The directory cannot be read, or has no rules at all.
pub(super) fn rules(directory: &Path) -> Result<(Option<Sigma>, RuleSet), OpError> {
    let mut reading = Reading::new(directory);
    reading.folder(directory, 0).map_err(|source| {
        let path = directory.to_owned();
        OpError::new(NoRules { path, source }, Outcome::Usage)
            .with_hint("`--rules` expects a directory with Sigma rules, in files *.yml")
    })?;
    let Reading { mut files, mut problems, .. } = reading;
    if files.is_empty() && problems.is_empty() {
        let message = format!("`{}` has no Sigma rules (*.yml)", directory.display());
        return Err(OpError::usage(message));
    }
    files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let loaded = load(&files);
    problems.extend(loaded.problems);
    let set = RuleSet {
        directory: directory.display().to_string(),
        files: files.len(),
        used: loaded.used,
        of_other_logs: loaded.of_other_logs,
        problems,
    };
    Ok((loaded.sigma, set))
}

struct Reading<'d> {
    root: &'d Path,
    files: Vec<RuleFile>,
    total: usize,
    problems: Vec<Problem>,
}

impl<'d> Reading<'d> {
    fn new(root: &'d Path) -> Self {
        Self { root, files: Vec::new(), total: 0, problems: Vec::new() }
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            self.problem(folder, format!("directories deeper than {MAX_DEPTH} are not read"));
            return Ok(());
        }
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            // Links to directories are not followed: they can form circles.
            if entry.file_type()?.is_dir() {
                if let Err(error) = self.folder(&path, depth + 1) {
                    self.problem(&path, error.to_string());
                }
                continue;
            }
            let is_rule = path.extension().is_some_and(|it| it == "yml" || it == "yaml");
            if is_rule && !path.is_dir() {
                self.file(&path);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) {
        if self.files.len() >= MAX_FILES || self.total > MAX_TOTAL {
            return self
                .problem(path, "there are too many rules: this file is not read".to_owned());
        }
        match read(path) {
            Ok(text) => {
                self.total += text.len();
                self.files.push(RuleFile { path: self.relative(path), text });
            }
            Err(error) => self.problem(path, error.to_string()),
        }
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }

    fn problem(&mut self, path: &Path, message: String) {
        let file = self.relative(path);
        self.problems.push(Problem {
            file,
            rule: None,
            check: "unreadable",
            message,
            is_unusable: true,
        });
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

#[derive(Debug, thiserror::Error)]
#[error("reading the rules in `{}`", path.display())]
struct NoRules {
    path: PathBuf,
    #[source]
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_below_a_directory_are_read_and_what_cannot_be_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let rule = "title: t\nid: i\nauthor: a\nlevel: low\nlogsource: { product: aws, service: cloudtrail }\ndetection: { s: { eventName: X }, condition: s }\n";
        fs::create_dir_all(folder.path().join("aws/deep")).unwrap();
        fs::write(folder.path().join("aws/deep/a.yml"), rule).unwrap();
        fs::write(folder.path().join("aws/b.yaml"), rule.replace("id: i", "id: j")).unwrap();
        fs::write(folder.path().join("aws/c.txt"), "no rule").unwrap();
        fs::write(folder.path().join("d.yml"), [0xff, 0xfe]).unwrap();
        let (sigma, set) = rules(folder.path()).unwrap();
        assert!(sigma.is_some());
        assert_eq!((set.files, set.used, set.problems.len()), (2, 2, 1));
        assert_eq!((set.problems[0].file.as_str(), set.problems[0].check), ("d.yml", "unreadable"));
    }

    #[test]
    fn a_directory_without_rules_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            assert_eq!(rules(&path).unwrap_err().outcome(), Outcome::Usage);
        }
    }
}
