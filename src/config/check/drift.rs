use super::Checker;
use crate::checks::CATALOGUE;
use crate::config::Config;
use crate::config::read::nearest;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let drift = &config.drift;
    if drift.freshness_hours < 3 {
        checker
            .error(
                &["drift.freshness_hours"],
                format!("found {} hours, expected at least 3", drift.freshness_hours),
            )
            .hint("a digest is an hour long, and comes up to two hours after it");
    }
    let known: Vec<&str> = CATALOGUE.iter().map(|check| check.id).collect();
    for (at, suppress) in drift.suppress.iter().enumerate() {
        let key = |name: &str| format!("drift.suppress[{at}].{name}");
        if !known.contains(&suppress.check.as_str()) {
            let hint = match nearest(&suppress.check, &known) {
                Some(id) => format!("did you mean `{id}`?"),
                None => "`orgtrail explain` lists every check".to_owned(),
            };
            checker
                .error(
                    &[&key("check")],
                    format!("found `{}`, expected the id of a check", suppress.check),
                )
                .hint(hint);
        }
        if suppress.reason.trim().is_empty() {
            checker
                .error(&[&key("reason")], "found no reason, expected why this does not count")
                .hint("whoever reads the report later has to know");
        }
    }
}
