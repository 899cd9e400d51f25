use super::Checker;
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let (listen, access) = (&config.service.listen, &config.service.access);
    if !listen.is_local() && !access.authenticates() {
        let message = "other machines can reach it, and no client has to authenticate";
        checker.error(&["service.listen"], message).hint(
            "set `service.access.tokens`, `client_ca`, or `trusted_proxies` with \
             `identity_header`; or listen on 127.0.0.1 or a Unix socket",
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
    match (&access.identity_header, access.trusted_proxies.is_empty()) {
        (Some(_), true) => {
            let message = "no proxy is trusted to set it";
            checker
                .error(&["service.access.identity_header"], message)
                .hint("set `trusted_proxies` to the addresses of the proxies");
        }
        (None, false) => {
            let message = "it has no effect without `identity_header`";
            checker.warning(&["service.access.trusted_proxies"], message);
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
