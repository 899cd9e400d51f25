//! The sandbox's identities: who may do what, and who is who.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use orgtrail::sandbox::{Options, Pace, Sandbox};

async fn sandbox(accounts: usize) -> Sandbox {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = accounts;
    options.start = Some("2026-01-01T00:00:00Z".parse().unwrap());
    options.pace = Pace::Frozen;
    Sandbox::start(options).await.unwrap()
}

fn config(sandbox: &Sandbox, credentials: Credentials) -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            credentials,
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn administrator(sandbox: &Sandbox) -> Credentials {
    let keys = sandbox.administrator().unwrap();
    Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None)
}

#[tokio::test]
async fn the_administrator_is_a_user_of_the_management_account() {
    let sandbox = sandbox(3).await;
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, administrator(&sandbox)));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("111111111111"));
    assert_eq!(who.arn(), Some("arn:aws:iam::111111111111:user/admin"));
    assert!(who.user_id().unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_refused_by_name() {
    use aws_sdk_sts::error::ProvideErrorMetadata;
    let sandbox = sandbox(3).await;
    let keys = sandbox.administrator().unwrap();
    for (key, secret, code) in [
        (keys.access_key_id.as_str(), "another", "SignatureDoesNotMatch"),
        ("AKIANOBODY", keys.secret_access_key.as_str(), "InvalidClientTokenId"),
    ] {
        let config = config(&sandbox, Credentials::from_keys(key, secret, None));
        let error = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        assert_eq!(error.unwrap_err().code(), Some(code));
    }
}
