use std::fmt::Write as _;
use std::path::Path;

use super::finding::Origin;
use super::read::{Read as _, Reader};
use super::{Config, Loaded, document};

impl Config {
    /// The effective config as TOML: every key that has a value, given or
    /// default. Reading it again gives the same config.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl Loaded {
    /// Where the value at a path came from: what holds it, where it was not
    /// written by itself.
    fn origin(&self, path: &str) -> Option<&Origin> {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return Some(origin);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// The effective config as TOML, each value with where it came from in a
    /// comment behind it.
    pub fn annotated(&self, file: &Path) -> Result<String, toml::ser::Error> {
        let text = self.config.to_toml()?;
        // Read once more, for the line of each value in this text.
        let mut places = Reader::default();
        if let Ok(root) = document::parse(&text) {
            Config::read(&root, "", &mut places);
        }
        let mut comments = vec![None; text.lines().count()];
        for (path, place) in &places.origins {
            if let (Origin::File { line, .. }, Some(origin)) = (place, self.origin(path))
                && let Some(comment) = comments.get_mut(line - 1)
            {
                *comment = Some(origin);
            }
        }
        let values = text.lines().filter(|line| !line.starts_with('['));
        let width = values.map(|line| line.chars().count()).filter(|width| *width <= 60).max();
        let width = width.unwrap_or_default();
        let mut annotated = String::new();
        for (line, origin) in text.lines().zip(comments) {
            match origin {
                Some(origin) if !line.starts_with('[') => {
                    let origin = origin_text(origin, file);
                    let _ = writeln!(annotated, "{line:width$}  # {origin}");
                }
                _ => {
                    annotated.push_str(line);
                    annotated.push('\n');
                }
            }
        }
        Ok(annotated)
    }
}

fn origin_text(origin: &Origin, file: &Path) -> String {
    match origin {
        Origin::File { line, .. } => format!("{}:{line}", file.display()),
        Origin::Environment { variable } => format!("${variable}"),
        Origin::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn every_value_says_where_it_came_from() {
        let environment: Environment =
            [("ORGTRAIL__ROLES__EXTERNAL_ID", "audit-2031")].into_iter().collect();
        let loaded = Loaded::from_text(crate::config::SMALLEST, &environment).unwrap();
        let shown = loaded.annotated(Path::new("orgtrail.toml")).unwrap();
        for line in shown.lines().filter(|line| line.contains(" = ")) {
            assert!(line.contains("  # "), "{line}");
        }
        let comment = |key: &str| {
            let line = shown.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_once("  # ").unwrap().1.to_owned()
        };
        assert_eq!(comment("home_region"), "orgtrail.toml:4");
        assert_eq!(comment("external_id"), "$ORGTRAIL__ROLES__EXTERNAL_ID");
        assert_eq!(comment("retention_days"), "default");
        assert_eq!(shown.parse::<Config>().unwrap(), loaded.config);
    }
}
