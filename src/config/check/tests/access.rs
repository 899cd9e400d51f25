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

#[test]
fn a_load_balancer_is_named_by_its_arn_and_reached_by_its_addresses() {
    let access = |access: &str| service("127.0.0.1:1", access);
    let key = "service.access.load_balancer";
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/a/1";
    let lines =
        |arn: &str| format!("load_balancer = \"{arn}\"\ntrusted_proxies = [\"10.0.0.0/24\"]\n");
    assert_eq!(findings(&service("0.0.0.0:8686", &lines(arn))), []);
    only(&access(&format!("load_balancer = \"{arn}\"")), ERROR, key, "no proxy is trusted");
    for other in [arn.replace("app", "net"), arn.replace("elasticloadbalancing", "ec2")] {
        only(&access(&lines(&other)), ERROR, key, "expected the ARN of an Application Load");
    }
    let both = format!("{}identity_header = \"X-User\"\n", lines(arn));
    only(&access(&both), ERROR, "service.access.identity_header", "two ways to name a user");
    let china = arn.replace("arn:aws:", "arn:aws-cn:").replace("eu-west-1", "cn-north-1");
    only(&access(&lines(&china)), ERROR, key, "documents no place of its keys");
    let elsewhere = "load_balancer_keys = \"https://keys.example\"\n";
    assert_eq!(findings(&access(&format!("{}{elsewhere}", lines(&china)))), []);
    only(&access(elsewhere), WARNING, "service.access.load_balancer_keys", "no effect");
}
