//! Who may use the service.

use super::*;

fn service(listen: &str, access: &str) -> String {
    config("", "", &format!("[service]\nlisten = \"{listen}\"\n[service.access]\n{access}"))
}

const TLS: &str = "tls_certificate = \"/c\"\ntls_key = \"/k\"\n";

#[test]
fn an_address_that_others_can_reach_needs_authentication() {
    only(&service("0.0.0.0:8686", ""), ERROR, "service.listen", "no client has to authenticate");
    // A proxy's users need its header.
    let networks = "trusted_proxies = [\"10.0.0.1\"]";
    assert!(
        findings(&service("0.0.0.0:8686", networks)).iter().any(|it| it.key == "service.listen")
    );
    for access in [
        format!("tokens = \"/t\"\n{TLS}"),
        format!("client_ca = \"/ca\"\n{TLS}"),
        format!("{networks}\nidentity_header = \"X-User\""),
    ] {
        assert_eq!(findings(&service("0.0.0.0:8686", &access)), [], "{access}");
    }
    for listen in ["127.0.0.1:1", "[::1]:1", "unix:/run/orgtrail.sock"] {
        assert_eq!(findings(&service(listen, "")), [], "{listen}");
    }
}

#[test]
fn tls_needs_a_certificate_and_its_key() {
    let access = |access: &str| service("127.0.0.1:1", access);
    let certificate = "service.access.tls_certificate";
    only(&access("tls_certificate = \"/c\""), ERROR, certificate, "`tls_key` is missing");
    only(&access("tls_key = \"/c\""), ERROR, "service.access.tls_key", "is missing");
    only(&access("client_ca = \"/c\""), ERROR, "service.access.client_ca", "only over TLS");
    only(&service("unix:/s", TLS), ERROR, certificate, "no TLS");
    let tokens = service("10.0.0.1:1", "tokens = \"/t\"");
    only(&tokens, WARNING, "service.access.tokens", "unencrypted");
}

#[test]
fn only_named_proxies_choose_identities() {
    let access = |access: &str| service("127.0.0.1:1", access);
    let header = "identity_header = \"X-User\"\n";
    only(&access(header), ERROR, "service.access.identity_header", "no proxy is trusted");
    let everybody = access(&format!("{header}trusted_proxies = [\"0.0.0.0/0\"]"));
    only(&everybody, ERROR, "service.access.trusted_proxies[0]", "choose its identity");
    let unused = access("trusted_proxies = [\"10.0.0.1\"]");
    only(&unused, WARNING, "service.access.trusted_proxies", "no effect");
    let twice = access("client_scopes = [\"run\", \"run\"]");
    only(&twice, ERROR, "service.access.client_scopes", "named twice");
}
