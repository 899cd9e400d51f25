use std::collections::HashMap;
use std::sync::Arc;

use rsigma_eval::compile_rule;
use rsigma_parser::{
    CorrelationRule, FilterRule, LogSource, SigmaCollection, SigmaRule, parse_sigma_yaml,
};

use super::bounds::{refuse_rule, refuse_text};
use super::engine::{RsigmaEngine, correlation_info, rule_info};
use super::lint::lint;
use super::{Problem, RuleFile, Sigma};
use crate::detection::finding::RuleInfo;

/// The most rules that are used.
const MAX_RULES: usize = 10_000;
/// The most problems that are kept.
const MAX_PROBLEMS: usize = 10_000;
/// The longest message of the parser that is repeated. Units: characters.
const MAX_MESSAGE: usize = 500;

/// The rules of some files.
#[derive(Debug)]
pub struct Loaded {
    /// The rules; `None` if none can be used.
    pub sigma: Option<Sigma>,
    /// How many rules are used, correlations included.
    pub used: usize,
    /// Rules for logs other than CloudTrail's, which are left out.
    pub of_other_logs: usize,
    /// What is wrong with rules.
    pub problems: Vec<Problem>,
}

/// Reads rules.
#[must_use]
pub fn load(files: &[RuleFile]) -> Loaded {
    let mut loading = Loading::default();
    for file in files {
        loading.file(file);
    }
    loading.finish()
}

#[derive(Default)]
struct Loading {
    rules: Vec<SigmaRule>,
    correlations: Vec<(String, CorrelationRule)>,
    filters: Vec<FilterRule>,
    infos: HashMap<String, Arc<RuleInfo>>,
    /// The ids of rules, by the names and ids by which correlations refer to them.
    known: HashMap<String, String>,
    of_other_logs: usize,
    problems: Vec<Problem>,
}

impl Loading {
    fn file(&mut self, file: &RuleFile) {
        if let Some(why) = refuse_text(&file.text) {
            return self.unusable(&file.path, None, "limits", why);
        }
        let parsed = match parse_sigma_yaml(&file.text) {
            Ok(parsed) => parsed,
            Err(error) => return self.unusable(&file.path, None, "syntax", error.to_string()),
        };
        let SigmaCollection { rules, correlations, filters, errors } = parsed;
        for error in errors {
            self.unusable(&file.path, None, "syntax", error);
        }
        for rule in rules {
            self.rule(&file.path, rule);
        }
        for mut correlation in correlations {
            // Attributes could change how the engine works.
            correlation.custom_attributes.clear();
            self.correlations.push((file.path.clone(), correlation));
        }
        self.filters.extend(filters.into_iter().map(|mut filter| {
            filter.custom_attributes.clear();
            filter
        }));
    }

    fn rule(&mut self, file: &str, mut rule: SigmaRule) {
        if !is_of_cloudtrail(&rule.logsource) {
            self.of_other_logs += 1;
            return;
        }
        rule.custom_attributes.clear();
        let title = Some(rule.title.clone());
        if let Some(why) = refuse_rule(&rule) {
            return self.unusable(file, title, "limits", why);
        }
        if self.infos.len() >= MAX_RULES {
            let why = format!("more than {MAX_RULES} rules: this one is not used");
            return self.unusable(file, title, "limits", why);
        }
        let Some(id) = self.take_id(file, rule.id.as_deref(), &rule.title) else { return };
        rule.id = Some(id.clone());
        if let Err(error) = compile_rule(&rule) {
            return self.unusable(file, title, "unsupported", error.to_string());
        }
        for problem in lint(file, &rule) {
            self.problem(problem);
        }
        self.infos.insert(id.clone(), Arc::new(rule_info(file, &id, &rule)));
        self.know(id, rule.name.as_deref());
        self.rules.push(rule);
    }

    /// The id of a rule, or one made up of its file; `None` if it is taken.
    fn take_id(&mut self, file: &str, id: Option<&str>, title: &str) -> Option<String> {
        let id = match id {
            Some(id) => id.to_owned(),
            None => format!("{file}#{}", self.infos.len()),
        };
        if self.infos.contains_key(&id) {
            let why = format!("another rule has the same id `{id}`: this one is not used");
            self.unusable(file, Some(title.to_owned()), "id", why);
            return None;
        }
        Some(id)
    }

    fn know(&mut self, id: String, name: Option<&str>) {
        if let Some(name) = name {
            self.known.insert(name.to_owned(), id.clone());
        }
        self.known.insert(id.clone(), id);
    }

    /// The correlations whose rules are all known: those of other logs refer to others.
    fn correlations(&mut self) -> Vec<CorrelationRule> {
        let mut open = std::mem::take(&mut self.correlations);
        let mut usable = Vec::new();
        // One may refer to another.
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|(_, one)| one.rules.iter().all(|name| self.known.contains_key(name)));
            open = rest;
            if ready.is_empty() {
                break;
            }
            for (file, mut one) in ready {
                let Some(id) = self.take_id(&file, one.id.as_deref(), &one.title) else { continue };
                one.id = Some(id.clone());
                self.infos.insert(id.clone(), Arc::new(correlation_info(&file, &id, &one)));
                self.know(id, one.name.as_deref());
                // The engine leaves out the results of what a correlation counts by id only.
                for rule in &mut one.rules {
                    if let Some(id) = self.known.get(rule) {
                        rule.clone_from(id);
                    }
                }
                usable.push(one);
            }
        }
        for (file, one) in open {
            let missing = one.rules.iter().find(|name| !self.known.contains_key(*name));
            let why = match missing {
                Some(name) => format!("it refers to `{name}`, which is not among the rules"),
                None => "it refers to rules that are not used".to_owned(),
            };
            self.unusable(&file, Some(one.title), "reference", why);
        }
        usable
    }

    fn finish(mut self) -> Loaded {
        let correlations = self.correlations();
        let used = self.rules.len() + correlations.len();
        let collection = SigmaCollection {
            rules: std::mem::take(&mut self.rules),
            correlations,
            filters: std::mem::take(&mut self.filters),
            errors: Vec::new(),
        };
        let infos = std::mem::take(&mut self.infos);
        let engine = match RsigmaEngine::new(&collection, infos) {
            Ok(engine) if used > 0 => Some(Sigma::new(Box::new(engine))),
            Ok(_) => None,
            Err(error) => {
                self.unusable("", None, "unsupported", format!("no rule is used: {error}"));
                None
            }
        };
        Loaded {
            used: if engine.is_some() { used } else { 0 },
            sigma: engine,
            of_other_logs: self.of_other_logs,
            problems: self.problems,
        }
    }

    fn unusable(&mut self, file: &str, rule: Option<String>, check: &'static str, why: String) {
        let message = why.chars().take(MAX_MESSAGE).collect();
        self.problem(Problem { file: file.to_owned(), rule, check, message, is_unusable: true });
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Whether a rule is for CloudTrail's logs.
fn is_of_cloudtrail(source: &LogSource) -> bool {
    let is = |field: &Option<String>, name: &str| {
        field.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    is(&source.product, "aws") && is(&source.service, "cloudtrail")
}
