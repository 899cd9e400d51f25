use super::{Checker, repeated};
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let Some(alarms) = &config.alarms else { return };
    if !config.cloudwatch_logs.enabled {
        checker
            .error(
                &["alarms", "cloudwatch_logs.enabled"],
                "found alarms without a log group, whose events they count",
            )
            .hint("set `cloudwatch_logs.enabled = true`, or remove `[alarms]`");
    }
    if config.topic.as_ref().is_some_and(|topic| topic.name == alarms.topic) {
        checker
            .error(
                &["alarms.topic", "topic.name"],
                format!("found {:?}, which is also notified of every log file", alarms.topic.as_str()),
            )
            .hint("use a separate topic for alarms: among notifications of log files nobody sees them");
    }
    let name = &alarms.namespace;
    let fits = (1..=255).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/#".contains(c));
    if !fits || name.starts_with("AWS/") {
        checker.error(
            &["alarms.namespace"],
            format!(
                "found {name:?}, expected 1 to 255 letters, digits and . _ - / #, not starting \
                 with AWS/"
            ),
        );
    }
    for (at, address) in alarms.subscribers.iter().enumerate() {
        if !is_address(address) {
            checker.error(
                &[&format!("alarms.subscribers[{at}]")],
                format!("found {address:?}, expected an e-mail address"),
            );
        }
    }
    let again: Vec<usize> = repeated(&alarms.subscribers).map(|(at, _)| at).collect();
    for at in again {
        checker.error(
            &[&format!("alarms.subscribers[{at}]")],
            format!("found {:?} twice", alarms.subscribers[at]),
        );
    }
    if alarms.subscribers.is_empty() {
        checker
            .warning(&["alarms.subscribers", "alarms"], "the alarms have no subscribers")
            .hint("add an e-mail address, or subscribe to the topic in another way");
    }
}

/// Whether a text has the shape of an address; only a message to it proves more.
fn is_address(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| c.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(c);
    text.len() <= 254
        && !user.is_empty()
        && user.chars().all(plain)
        && host.split('.').count() > 1
        && host.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
}
