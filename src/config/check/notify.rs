use std::collections::BTreeSet;

use super::{Checker, roles};
use crate::config::{Config, Notify, NotifyKind, NotifySeverity, NotifyTarget, RoundPart, WebUrl};
use crate::names::Arn;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let mut names = BTreeSet::new();
    for (at, notify) in config.service.notify.iter().enumerate() {
        let key = |name: &str| format!("service.notify[{at}].{name}");
        if !names.insert(&notify.name) {
            let message = format!("there are two channels `{}`", notify.name.as_str());
            checker.error(&[&key("name")], message);
        }
        match &notify.target {
            Some(NotifyTarget::Arn(arn)) => arn_target(config, checker, &key, notify, arn),
            Some(NotifyTarget::Url(url)) => url_target(checker, &key, notify, url),
            None if notify.kind.has_secret_url() => {}
            None => {
                let message = format!("`target` is missing: `{}` needs it", notify.kind);
                checker.error(&[&key("target"), &key("kind")], message);
            }
        }
        secret(checker, &key, notify);
        dead_man(config, checker, &key, notify);
    }
}

fn arn_target(
    config: &Config,
    checker: &mut Checker<'_>,
    key: &dyn Fn(&str) -> String,
    notify: &Notify,
    arn: &Arn,
) {
    let (service, resource, example) = match notify.kind {
        NotifyKind::Sns => ("sns", "", "arn:aws:sns:us-east-1:111111111111:findings"),
        NotifyKind::EventBridge => {
            ("events", "event-bus/", "arn:aws:events:us-east-1:111111111111:event-bus/default")
        }
        NotifyKind::SecurityHub => {
            ("securityhub", "hub/", "arn:aws:securityhub:us-east-1:111111111111:hub/default")
        }
        kind => {
            let message = format!("found {arn}, expected a URL: `{kind}` is no service of AWS");
            checker.error(&[&key("target"), &key("kind")], message);
            return;
        }
    };
    let is_complete = arn.account.is_some() && arn.region.is_some();
    let is_named = arn.resource.strip_prefix(resource).is_some_and(|name| !name.is_empty());
    if &*arn.service != service || !is_complete || !is_named || arn.resource.contains(':') {
        checker
            .error(
                &[&key("target"), &key("kind")],
                format!("found {arn}, expected the ARN that `{}` needs", notify.kind),
            )
            .hint(format!("as in `{example}`"));
    }
    roles::partition(config, checker, &key("target"), arn);
}

fn url_target(
    checker: &mut Checker<'_>,
    key: &dyn Fn(&str) -> String,
    notify: &Notify,
    url: &WebUrl,
) {
    if notify.kind.is_aws() {
        let message = format!("found a URL, expected the ARN that `{}` needs", notify.kind);
        checker.error(&[&key("target"), &key("kind")], message);
    } else if !url.is_encrypted() && !notify.allow_private {
        checker
            .error(&[&key("target"), &key("allow_private")], "found http://, expected https://")
            .hint("in a private network, set `allow_private = true`");
    }
}

fn secret(checker: &mut Checker<'_>, key: &dyn Fn(&str) -> String, notify: &Notify) {
    let given = [("secret_file", &notify.secret_file), ("secret_env", &notify.secret_env)];
    let given: Vec<&str> =
        given.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
    let kind = notify.kind;
    match given.as_slice() {
        [one] if kind.is_aws() => {
            let message = format!("it has no effect: `{kind}` uses the credentials for AWS");
            checker.warning(&[&key(one), &key("kind")], message);
        }
        [one] if kind.has_secret_url() && notify.target.is_some() => {
            checker.warning(&[&key(one), &key("target")], "it has no effect: `target` is the URL");
        }
        [one, other] => {
            let message = "the secret is given twice, expected a file or a variable";
            checker.error(&[&key(other), &key(one)], message);
        }
        [] if kind == NotifyKind::Webhook => {
            checker.error(&[&key("secret_file"), &key("kind")], "a `webhook` needs a secret").hint(
                "set `secret_file` or `secret_env`: the receiver verifies signatures with it",
            );
        }
        [] if kind.has_secret_url() && notify.target.is_none() => {
            checker
                .error(
                    &[&key("secret_file"), &key("kind")],
                    format!("`{kind}` needs a URL, which is a secret"),
                )
                .hint("set `secret_file` or `secret_env`");
        }
        [_] | [] | [_, _, ..] => {}
    }
}

fn dead_man(
    config: &Config,
    checker: &mut Checker<'_>,
    key: &dyn Fn(&str) -> String,
    notify: &Notify,
) {
    let keys = [key("schedule"), key("kind")];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let schedules = &config.service.schedule;
    if notify.kind != NotifyKind::DeadMan {
        if notify.schedule.is_some() {
            checker.warning(&keys, "it has no effect: only `dead_man` expects rounds");
        }
        return;
    }
    if notify.min_severity != NotifySeverity::Low {
        let message = "it has no effect: `dead_man` is notified of rounds, not of findings";
        checker.warning(&[&key("min_severity"), &key("kind")], message);
    }
    let is_expected = |name: &str| notify.schedule.as_ref().is_none_or(|it| it.as_str() == name);
    let expected = || schedules.iter().filter(|it| is_expected(it.name.as_str()));
    if let Some(name) = notify.schedule.as_ref().filter(|_| expected().next().is_none()) {
        checker.error(&keys, format!("there is no schedule `{}`", name.as_str()));
    } else if !expected().any(|it| it.run.contains(&RoundPart::Verify)) {
        checker
            .error(&keys, "no expected round verifies: the monitor would never be notified")
            .hint("add `verify` to `run` of a schedule");
    }
}
