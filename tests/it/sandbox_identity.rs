//! The sandbox's identities: who may do what, and who is who.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;

use crate::env::{HOME, TestEnv, session_keys};

async fn started(accounts: usize) -> TestEnv {
    TestEnv::builder().accounts(accounts).start().await
}

#[tokio::test]
async fn the_administrator_is_a_user_of_the_management_account() {
    let env = started(3).await;
    let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("111111111111"));
    assert_eq!(who.arn(), Some("arn:aws:iam::111111111111:user/admin"));
    assert!(who.user_id().unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_refused_by_name() {
    use aws_sdk_sts::error::ProvideErrorMetadata;
    let env = started(3).await;
    let keys = env.administrator();
    for (key, secret, code) in [
        (keys.access_key_id(), "another", "SignatureDoesNotMatch"),
        ("AKIANOBODY", keys.secret_access_key(), "InvalidClientTokenId"),
    ] {
        let config = env.sdk_config(Credentials::from_keys(key, secret, None), HOME);
        let error = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        assert_eq!(error.unwrap_err().code(), Some(code));
    }
}

fn config_with(env: &TestEnv, session: aws_sdk_sts::types::Credentials) -> SdkConfig {
    env.sdk_config(session_keys(session), HOME)
}

async fn enter(env: &TestEnv, account: &str) -> aws_sdk_sts::types::Credentials {
    let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    let request = sts.assume_role().role_arn(role).role_session_name("test");
    request.send().await.unwrap().credentials.unwrap()
}

const ROLE_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole",
    "Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}]}"#;

#[tokio::test]
async fn members_are_apart_and_a_trust_policy_wants_its_external_id() {
    use aws_sdk_sts::error::ProvideErrorMetadata;
    let env = started(4).await;
    let member = config_with(&env, enter(&env, "222222222222").await);
    let who = aws_sdk_sts::Client::new(&member).get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("222222222222"));
    let iam = aws_sdk_iam::Client::new(&member);
    let role = iam.create_role().role_name("reader").assume_role_policy_document(ROLE_TRUST);
    let role = role.send().await.unwrap().role.unwrap();
    // Policies come back percent-encoded.
    assert!(role.assume_role_policy_document().unwrap().contains("%22sts%3AExternalId%22"));
    // The management account has no such role.
    let own = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), HOME));
    let missing = own.get_role().role_name("reader").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_entity_exception());

    let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
    for (external_id, accepted) in [(None, false), (Some("wrong"), false), (Some("secret"), true)] {
        let request = sts
            .assume_role()
            .role_arn(role.arn())
            .role_session_name("test")
            .set_external_id(external_id.map(str::to_owned));
        match request.send().await {
            Ok(_) => assert!(accepted, "{external_id:?}"),
            Err(error) => {
                assert!(!accepted, "{external_id:?}: {error:?}");
                assert_eq!(error.code(), Some("AccessDenied"));
            }
        }
    }
}

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

#[tokio::test]
async fn a_managed_policy_goes_by_all_of_its_arn() {
    use aws_sdk_iam::error::ProvideErrorMetadata;
    let env = started(4).await;
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), HOME));
    let made = iam.create_policy().policy_name("all").path("/team/").policy_document(ALL);
    let arn = made.send().await.unwrap().policy.unwrap().arn.unwrap();
    assert_eq!(arn, "arn:aws:iam::111111111111:policy/team/all");
    for other in [
        "arn:aws:iam::111111111111:policy/all",
        "arn:aws:iam::111111111111:policy/other/all",
        "arn:aws:iam::222222222222:policy/team/all",
        "arn:aws:iam::aws:policy/team/AdministratorAccess",
    ] {
        let got = iam.get_policy().policy_arn(other).send().await.unwrap_err();
        assert_eq!(got.code(), Some("NoSuchEntity"), "{other}");
        let deleted = iam.delete_policy().policy_arn(other).send().await.unwrap_err();
        assert_eq!(deleted.code(), Some("NoSuchEntity"), "{other}");
        let attached = iam.attach_user_policy().user_name("admin").policy_arn(other);
        assert_eq!(attached.send().await.unwrap_err().code(), Some("NoSuchEntity"), "{other}");
    }
    iam.get_policy().policy_arn(&arn).send().await.unwrap();
    iam.delete_policy().policy_arn(&arn).send().await.unwrap();
}

#[tokio::test]
async fn a_boundary_has_to_be_there_and_to_stay() {
    use aws_sdk_iam::error::ProvideErrorMetadata;
    let env = started(4).await;
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), HOME));
    let absent = "arn:aws:iam::111111111111:policy/absent";
    let role = |boundary: &str| {
        iam.create_role()
            .role_name("bounded")
            .assume_role_policy_document(ROLE_TRUST)
            .permissions_boundary(boundary)
            .send()
    };
    assert_eq!(role(absent).await.unwrap_err().code(), Some("NoSuchEntity"));
    let user = iam.create_user().user_name("bounded").permissions_boundary(absent);
    assert_eq!(user.send().await.unwrap_err().code(), Some("NoSuchEntity"));
    let made = iam.create_policy().policy_name("all").policy_document(ALL).send().await.unwrap();
    let arn = made.policy.unwrap().arn.unwrap();
    role(&arn).await.unwrap();
    let put = iam.put_role_permissions_boundary().role_name("bounded").permissions_boundary(absent);
    assert_eq!(put.send().await.unwrap_err().code(), Some("NoSuchEntity"));
    let policy = iam.get_policy().policy_arn(&arn).send().await.unwrap().policy.unwrap();
    assert_eq!(policy.permissions_boundary_usage_count(), Some(1));
    let deleted = iam.delete_policy().policy_arn(&arn).send().await.unwrap_err();
    assert_eq!(deleted.code(), Some("DeleteConflict"));
    iam.delete_role_permissions_boundary().role_name("bounded").send().await.unwrap();
    iam.delete_policy().policy_arn(&arn).send().await.unwrap();
}

#[tokio::test]
async fn a_service_linked_role_trusts_its_service_and_nobody_else() {
    use aws_sdk_iam::error::ProvideErrorMetadata;
    let env = started(4).await;
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), HOME));
    for service in [
        r#"cloudtrail.amazonaws.com","AWS":"222222222222"#,
        "cloudtrail.example.com",
        "cloudtrail.",
    ] {
        let made = iam.create_service_linked_role().aws_service_name(service).send().await;
        assert_eq!(made.unwrap_err().code(), Some("InvalidInput"), "{service}");
    }
    let made = iam.create_service_linked_role().aws_service_name("cloudtrail.amazonaws.com");
    let role = made.send().await.unwrap().role.unwrap();
    assert!(
        role.assume_role_policy_document()
            .unwrap()
            .contains("%7B%22Service%22%3A%22cloudtrail.amazonaws.com%22%7D")
    );
}

#[tokio::test]
async fn who_puts_a_key_policy_may_shut_itself_out() {
    use aws_sdk_kms::error::ProvideErrorMetadata;
    let env = started(4).await;
    let kms = aws_sdk_kms::Client::new(&env.sdk_config(env.administrator(), HOME));
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Principal":{"AWS":"222222222222"},"Action":"kms:*","Resource":"*"}]}"#;
    let put = || kms.put_key_policy().key_id(&key).policy(policy);
    let refused = put().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("MalformedPolicyDocumentException"));
    put().bypass_policy_lockout_safety_check(true).send().await.unwrap();
    let refused = kms.describe_key().key_id(&key).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn the_administrator_is_one_in_every_partition() {
    let region = "us-gov-west-1";
    let env = TestEnv::builder().home_region(&region.parse().unwrap()).start().await;
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), region));
    let attached = iam.list_attached_user_policies().user_name("admin").send().await.unwrap();
    assert_eq!(
        attached.attached_policies()[0].policy_arn(),
        Some("arn:aws-us-gov:iam::aws:policy/AdministratorAccess")
    );
}

#[tokio::test]
async fn a_request_counts_as_sent_without_tls_where_it_says_so() {
    use aws_sdk_iam::error::ProvideErrorMetadata;
    let env = started(4).await;
    let iam = aws_sdk_iam::Client::new(&env.sdk_config(env.administrator(), HOME));
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListUsers",
        "Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    let put = iam.put_user_policy().user_name("admin").policy_name("tls").policy_document(deny);
    put.send().await.unwrap();
    let list = |value: &'static str| {
        iam.list_users().customize().mutate_request(move |request| {
            request.headers_mut().insert("x-orgtrail-insecure", value);
        })
    };
    list("false").send().await.unwrap();
    let refused = list("true").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn an_scp_binds_members_and_not_the_management_account() {
    use aws_sdk_iam::error::ProvideErrorMetadata;
    let env = started(4).await;
    let admin = env.sdk_config(env.administrator(), HOME);
    let organizations = aws_sdk_organizations::Client::new(&admin);
    let root = organizations.list_roots().send().await.unwrap().roots.unwrap().remove(0);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}]}"#;
    let policy = organizations
        .create_policy()
        .name("no-lists")
        .description("no lists")
        .content(deny)
        .r#type(aws_sdk_organizations::types::PolicyType::ServiceControlPolicy)
        .send()
        .await
        .unwrap();
    let id = policy.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(id).target_id(root.id.unwrap()).send().await.unwrap();
    aws_sdk_iam::Client::new(&admin).list_users().send().await.unwrap();
    let member = config_with(&env, enter(&env, "222222222222").await);
    let error = aws_sdk_iam::Client::new(&member).list_users().send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"));
    let message = error.message().unwrap();
    assert!(message.contains("explicit deny in a service control policy"), "{message}");
}

#[tokio::test]
async fn accounts_come_page_by_page_with_the_suspended_one_named() {
    let env = started(45).await;
    let organizations =
        aws_sdk_organizations::Client::new(&env.sdk_config(env.administrator(), HOME));
    let (mut accounts, mut token, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = organizations.list_accounts().set_next_token(token).send().await.unwrap();
        accounts.extend(page.accounts.unwrap());
        pages += 1;
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((accounts.len(), pages), (45, 3));
    let suspended = accounts
        .iter()
        .filter(|a| a.state() == Some(&aws_sdk_organizations::types::AccountState::Suspended));
    assert_eq!(suspended.count(), 1);
}

#[tokio::test]
async fn mfa_sessions_carry_mfa_and_expired_ones_are_refused() {
    use aws_sdk_sts::error::ProvideErrorMetadata;
    let env = started(3).await;
    let account = "111111111111".parse().unwrap();
    let device = env.sandbox.root_mfa_device(&account).unwrap();
    let root = env.sdk_config(env.root_user(&account), HOME);
    let sts = aws_sdk_sts::Client::new(&root);
    let session = |code: String| {
        sts.get_session_token().serial_number(&device.serial).token_code(code).send()
    };
    let current = device.current_code();
    let wrong = if current == "000000" { "111111" } else { "000000" };
    assert_eq!(session(wrong.to_owned()).await.unwrap_err().code(), Some("AccessDenied"));
    let credentials = session(device.current_code()).await.unwrap().credentials.unwrap();
    let sts = aws_sdk_sts::Client::new(&config_with(&env, credentials));
    sts.get_caller_identity().send().await.unwrap();
    env.sandbox.expire_sessions();
    let error = sts.get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
}

#[tokio::test]
async fn faults_strike_as_told_and_are_survived_by_retries() {
    use aws_sdk_organizations::error::ProvideErrorMetadata;
    use orgtrail::sandbox::{Effect, Fault};
    let env = started(3).await;
    let config = env.sdk_config(env.administrator(), HOME);
    let plain = aws_sdk_organizations::config::Builder::from(&config)
        .retry_config(aws_sdk_organizations::config::retry::RetryConfig::disabled());
    let organizations = aws_sdk_organizations::Client::from_conf(plain.build());
    let fault = |effect| {
        env.sandbox.faults().inject(Fault::every("organizations:Describe*", effect).times(1));
    };
    fault(Effect::Throttle);
    let error = organizations.describe_organization().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ThrottlingException"));
    for effect in [Effect::Reset, Effect::ResetInBody] {
        fault(effect);
        let error = organizations.describe_organization().send().await.unwrap_err();
        assert!(error.code().is_none(), "{error:?}");
    }
    organizations.describe_organization().send().await.unwrap();
    let struck: Vec<u64> = env.sandbox.faults().triggered().into_iter().map(|(_, n)| n).collect();
    assert_eq!(struck, [1, 1, 1]);
}
