use super::Checker;
use crate::config::Config;
use crate::names::{Arn, Partition};

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let (listen, access) = (&config.service.listen, &config.service.access);
    if !listen.is_local() && !access.authenticates() {
        let message = "other machines can reach it, and no client has to authenticate";
        checker.error(&["service.listen"], message).hint(
            "set `service.access.tokens`, `client_ca`, `load_balancer`, or `trusted_proxies` \
             with `identity_header`; or listen on 127.0.0.1 or a Unix socket",
        );
    }
    match (&access.tls_certificate, &access.tls_key) {
        (Some(_), None) => {
            checker.error(&["service.access.tls_certificate"], "`tls_key` is missing");
        }
        (None, Some(_)) => {
            checker.error(&["service.access.tls_key"], "`tls_certificate` is missing");
        }
        (None, None) if access.client_ca.is_some() => {
            let message = "clients present certificates only over TLS";
            checker
                .error(&["service.access.client_ca"], message)
                .hint("set `tls_certificate` and `tls_key`");
        }
        _ => {}
    }
    if access.tls_certificate.is_some() && listen.as_str().starts_with("unix:") {
        let message = "a Unix socket has no TLS";
        checker.error(&["service.access.tls_certificate", "service.listen"], message);
    }
    if !listen.is_local() && access.tls_certificate.is_none() && access.tokens.is_some() {
        let message = "tokens pass the network unencrypted, unless a proxy encrypts";
        checker.warning(&["service.access.tokens", "service.listen"], message).hint(
            "set `tls_certificate` and `tls_key`, or let only a proxy with TLS reach the address",
        );
    }
    let names_users = [
        ("service.access.identity_header", access.identity_header.is_some()),
        ("service.access.load_balancer", access.load_balancer.is_some()),
    ];
    let names_users = names_users.iter().filter(|(_, is_declared)| *is_declared);
    let names_users: Vec<&str> = names_users.map(|(key, _)| *key).collect();
    match names_users.as_slice() {
        [] if !access.trusted_proxies.is_empty() => {
            let message = "it has no effect without `identity_header` or `load_balancer`";
            checker.warning(&["service.access.trusted_proxies"], message);
        }
        [key] if access.trusted_proxies.is_empty() => {
            checker
                .error(&[key], "no proxy is trusted to set it")
                .hint("set `trusted_proxies` to the addresses of the proxies");
        }
        [_, _] => {
            let message = "two ways to name a user: which of them counts is not defined";
            checker.error(&names_users, message).hint("remove one of them");
        }
        _ => {}
    }
    match (&access.load_balancer, &access.load_balancer_keys) {
        (Some(arn), _) if !is_load_balancer(arn) => {
            let message =
                format!("found `{arn}`, expected the ARN of an Application Load Balancer");
            checker.error(&["service.access.load_balancer"], message);
        }
        (Some(arn), None) if !matches!(arn.partition, Partition::Aws | Partition::AwsUsGov) => {
            let message = format!("AWS documents no place of its keys in `{}`", arn.partition);
            checker
                .error(&["service.access.load_balancer"], message)
                .hint("set `service.access.load_balancer_keys`");
        }
        (None, Some(_)) => {
            let message = "it has no effect without `load_balancer`";
            checker.warning(&["service.access.load_balancer_keys"], message);
        }
        _ => {}
    }
    for (at, network) in access.trusted_proxies.iter().enumerate() {
        if network.is_everything() {
            let key = format!("service.access.trusted_proxies[{at}]");
            let message = format!("`{}` lets every client choose its identity", network.as_str());
            checker.error(&[&key], message);
        }
    }
    for (key, scopes) in
        [("client_scopes", &access.client_scopes), ("identity_scopes", &access.identity_scopes)]
    {
        let mut sorted = scopes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < scopes.len() {
            checker.error(&[&format!("service.access.{key}")], "a scope is named twice");
        }
    }
}

fn is_load_balancer(arn: &Arn) -> bool {
    &*arn.service == "elasticloadbalancing"
        && arn.region.is_some()
        && arn.resource.starts_with("loadbalancer/app/")
}
