//! Signing in, role chains, and what failing to looks like.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use orgtrail::aws::{At, Aws, ErrorKind, Observation, Pacing, Retries, Settings, Timeouts};
use orgtrail::config::Roles;
use orgtrail::names::AccountId;
use orgtrail::ops::{OpError, Outcome};

use crate::env::writer;
use crate::loopback::{Answer, Asked, Loopback, answer, caller, refusal, session};

const USER: &str = "arn:aws:iam::111111111111:user/admin";
const NEVER: &str = "2999-01-01T00:00:00Z";

fn settings() -> Settings {
    Settings {
        home_region: Some("eu-central-1".parse().unwrap()),
        pacing: Pacing::Off,
        retries: Retries { attempts: 3, first_wait: Duration::from_millis(1) },
        ..Settings::default()
    }
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

/// An organization where every role can be assumed: the session's key is the
/// role's account and name.
fn generous(asked: &Asked, _: usize) -> Answer {
    match asked.operation.as_str() {
        "AssumeRole" => session(&key_of(&asked.form["RoleArn"]), NEVER),
        "GetCallerIdentity" if asked.key == "BASE" => caller(USER),
        "GetCallerIdentity" => {
            let (id, role) = asked.key.split_once('.').unwrap();
            caller(&format!("arn:aws:sts::{id}:assumed-role/{role}/orgtrail"))
        }
        other => panic!("unexpected {other}"),
    }
}

fn key_of(role: &str) -> String {
    let id = role.split(':').nth(4).unwrap();
    format!("{id}.{}", role.rsplit('/').next().unwrap())
}

#[tokio::test]
async fn a_chain_through_a_hub_assumes_two_roles_however_many_ask() {
    let server = Loopback::start(generous).await;
    let roles = Roles {
        name: "OrgTrailMember".parse().unwrap(),
        path: "/audit/".parse().unwrap(),
        external_id: Some("tree-house".parse().unwrap()),
        hub: Some("arn:aws:iam::222222222222:role/Hub".parse().unwrap()),
        ..Roles::default()
    };
    let aws = Aws::with_base(Settings { roles, ..settings() }, server.config().build()).await;
    let aws = aws.unwrap();
    let member = account("333333333333");
    let entered = futures::future::join_all((0..24).map(|_| aws.assume_role_in(&member))).await;
    for one in entered {
        assert_eq!(one.unwrap().account, member);
    }
    let assumed = server.asked("AssumeRole");
    let chain: Vec<_> =
        assumed.iter().map(|a| (a.key.as_str(), a.form["RoleArn"].as_str())).collect();
    assert_eq!(
        chain,
        [
            ("BASE", "arn:aws:iam::222222222222:role/Hub"),
            ("222222222222.Hub", "arn:aws:iam::333333333333:role/audit/OrgTrailMember"),
        ]
    );
    for one in &assumed {
        assert_eq!(one.form["ExternalId"], "tree-house");
        assert_eq!(one.form["RoleSessionName"], "orgtrail");
        assert_eq!(one.region, "eu-central-1", "STS is asked at its Regional endpoint");
    }
    aws.assume_role_in(&account("444444444444")).await.unwrap();
    assert_eq!(server.asked("AssumeRole").len(), 3, "the hub's session is shared by all members");
}

#[tokio::test]
async fn the_account_we_are_in_is_not_assumed_into() {
    let server = Loopback::start(generous).await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    assert_eq!(aws.assume_role_in(&account("111111111111")).await.unwrap().arn.to_string(), USER);
    assert!(server.asked("AssumeRole").is_empty());
}

#[tokio::test]
async fn a_hub_that_we_are_already_is_not_assumed_again() {
    let hub = "arn:aws:sts::222222222222:assumed-role/Hub/ci";
    let server = Loopback::start(move |asked, n| match asked.operation.as_str() {
        "GetCallerIdentity" if asked.key == "BASE" => caller(hub),
        _ => generous(asked, n),
    })
    .await;
    let roles = Roles {
        hub: Some("arn:aws:iam::222222222222:role/path/Hub".parse().unwrap()),
        ..Roles::default()
    };
    let aws = Aws::with_base(Settings { roles, ..settings() }, server.config().build()).await;
    aws.unwrap().assume_role_in(&account("333333333333")).await.unwrap();
    let assumed = server.asked("AssumeRole");
    assert_eq!(assumed.len(), 1);
    assert_eq!(assumed[0].key, "BASE");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_one_clear_error() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "AssumeRole" => refusal(
            403,
            "AccessDenied",
            "User: arn:aws:iam::111111111111:user/admin is not authorized to perform: \
             sts:AssumeRole on resource: \
             arn:aws:iam::333333333333:role/OrganizationAccountAccessRole",
        ),
        _ => generous(asked, n),
    })
    .await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    let error = aws.assume_role_in(&account("333333333333")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(server.asked("AssumeRole").len(), 1, "a refusal is not tried again");
    let error = OpError::from(error);
    insta::assert_snapshot!(error.render(), @r"
    error: sts:GetCallerIdentity in account 333333333333 (eu-central-1): no session: sts:AssumeRole in account 333333333333 (eu-central-1): access denied: User: arn:aws:iam::111111111111:user/admin is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::333333333333:role/OrganizationAccountAccessRole (request REQ-1)
      hint: the role must exist, its trust policy must name arn:aws:iam::111111111111:user/admin and the external id from the configuration, and arn:aws:iam::111111111111:user/admin must be allowed sts:AssumeRole on it; see [roles]
    ");
    assert_eq!(error.outcome(), Outcome::Incomplete);
}

/// A clock that stands until it is put forward.
#[derive(Debug, Clone)]
struct HandClock(Arc<Mutex<SystemTime>>);

impl TimeSource for HandClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn a_session_is_renewed_before_it_ends() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "AssumeRole" if n == 0 => session("333333333333.First", "2026-01-01T01:00:00Z"),
        "AssumeRole" => session("333333333333.Second", "2026-01-01T02:00:00Z"),
        _ => generous(asked, n),
    })
    .await;
    let noon: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = HandClock(Arc::new(Mutex::new(noon.into())));
    let config = server.config().time_source(clock.clone()).build();
    let aws = Aws::with_base(settings(), config).await.unwrap();
    let member = account("333333333333");
    let role = |arn: String| arn.split('/').nth(1).unwrap().to_owned();
    assert_eq!(role(aws.assume_role_in(&member).await.unwrap().arn.to_string()), "First");
    *clock.0.lock().unwrap() += Duration::from_mins(50);
    assert_eq!(role(aws.assume_role_in(&member).await.unwrap().arn.to_string()), "First");
    *clock.0.lock().unwrap() += Duration::from_mins(6);
    assert_eq!(role(aws.assume_role_in(&member).await.unwrap().arn.to_string()), "Second");
    assert_eq!(server.asked("AssumeRole").len(), 2);
}

#[tokio::test]
async fn a_session_that_aws_ends_early_is_renewed_and_the_call_made_again() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "AssumeRole" => session(&format!("333333333333.Session{n}"), NEVER),
        "GetCallerIdentity" if asked.key == "333333333333.Session0" => {
            refusal(403, "ExpiredToken", "The security token included in the request is expired")
        }
        _ => generous(asked, n),
    })
    .await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    let entered = aws.assume_role_in(&account("333333333333")).await.unwrap();
    assert!(entered.arn.to_string().contains("/Session1/"), "{}", entered.arn);
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_where_the_answer_has_no_body_to_say_so() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "AssumeRole" => session(&format!("333333333333.Session{n}"), NEVER),
        "/bucket" if asked.key == "333333333333.Session0" => answer(400, ""),
        "/bucket" => answer(200, ""),
        _ => generous(asked, n),
    })
    .await;
    let noon: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = HandClock(Arc::new(Mutex::new(noon.into())));
    let config = server.config().time_source(clock.clone()).build();
    let aws = Aws::with_base(settings(), config).await.unwrap();
    let clients = aws.clients(&account("333333333333"), &"eu-central-1".parse().unwrap());
    // One that was just begun has not ended: the Region is wrong, or the like.
    let head = || clients.s3().head_bucket().bucket("bucket").send();
    head().await.unwrap_err();
    assert_eq!(server.asked("AssumeRole").len(), 1);
    *clock.0.lock().unwrap() += Duration::from_mins(2);
    head().await.unwrap();
    assert_eq!(server.asked("AssumeRole").len(), 2);
}

#[tokio::test]
async fn dead_credentials_at_the_start_are_one_clear_error() {
    let server = Loopback::start(|_, _| {
        refusal(403, "ExpiredToken", "The security token included in the request is expired")
    })
    .await;
    let error = Aws::with_base(settings(), server.config().build()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    assert_eq!(server.asked("GetCallerIdentity").len(), 1);
    insta::assert_snapshot!(OpError::from(error).render(), @r"
    error: sts:GetCallerIdentity (eu-central-1): credentials not accepted: ExpiredToken: The security token included in the request is expired (request REQ-1)
      hint: the credentials expired: sign in again (`aws sso login`) or renew the session, then run the same command again
    ");
}

#[tokio::test]
async fn credentials_that_die_in_mid_run_are_one_clear_error() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "AssumeRole" => {
            refusal(403, "ExpiredToken", "The security token included in the request is expired")
        }
        _ => generous(asked, n),
    })
    .await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    let error = aws.assume_role_in(&account("333333333333")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    assert_eq!(server.asked("AssumeRole").len(), 1);
    insta::assert_snapshot!(OpError::from(error).render(), @r"
    error: sts:GetCallerIdentity in account 333333333333 (eu-central-1): no session: sts:AssumeRole in account 333333333333 (eu-central-1): credentials not accepted: ExpiredToken: The security token included in the request is expired (request REQ-1)
      hint: the credentials expired: sign in again (`aws sso login`) or renew the session, then run the same command again
    ");
}

#[tokio::test]
async fn no_credentials_at_all_are_one_clear_error() {
    let server = Loopback::start(generous).await;
    let none = aws_credential_types::provider::SharedCredentialsProvider::new(
        aws_credential_types::credential_fn::provide_credentials_fn(|| async {
            Err(aws_credential_types::provider::error::CredentialsError::not_loaded(
                "no providers in chain provided credentials",
            ))
        }),
    );
    let config = server.config().credentials_provider(none).build();
    let error = Aws::with_base(settings(), config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
    insta::assert_snapshot!(OpError::from(error).render(), @r"
    error: sts:GetCallerIdentity (eu-central-1): no usable credentials: none in the environment, the profile, a web identity token, the container or the instance
      hint: no usable credentials: set AWS_PROFILE, sign in (`aws sso login`), or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    ");
}

#[tokio::test]
async fn a_network_that_hangs_is_given_up() {
    let server = Loopback::start(|_, _| None).await;
    let timeouts = Timeouts { attempt: Duration::from_millis(40), ..Timeouts::default() };
    let settings = Settings { timeouts, ..settings() };
    let error = Aws::with_base(settings, server.config().build()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(server.asked("GetCallerIdentity").len(), 3);
    insta::assert_snapshot!(OpError::from(error).render(), @r"
    error: sts:GetCallerIdentity (eu-central-1): timed out: HTTP read timeout occurred after 40ms: timed out
      hint: check that the endpoint is reachable (proxy, VPC endpoint, firewall) and that the Region is correct
    ");
}

#[tokio::test]
async fn a_network_that_refuses_is_said_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Loopback::start(generous).await;
    let config = server.config().endpoint_url(nobody).build();
    let error = Aws::with_base(settings(), config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.hint().unwrap().contains("AWS_ENDPOINT_URL"));
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let server = Loopback::start(|asked, n| match n {
        0 | 1 => refusal(400, "Throttling", "Rate exceeded"),
        _ => generous(asked, n),
    })
    .await;
    Aws::with_base(settings(), server.config().build()).await.unwrap();
    assert_eq!(server.asked("GetCallerIdentity").len(), 3);
}

#[tokio::test]
async fn throttling_that_lasts_is_one_clear_error() {
    let server = Loopback::start(|_, _| refusal(400, "Throttling", "Rate exceeded")).await;
    let error = Aws::with_base(settings(), server.config().build()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(server.asked("GetCallerIdentity").len(), 3);
    insta::assert_snapshot!(OpError::from(error).render(), @r"
    error: sts:GetCallerIdentity (eu-central-1): throttled: Throttling: Rate exceeded (request REQ-1)
      hint: other clients use up this account's rate limit for the call: try again later
    ");
}

#[tokio::test]
async fn roles_and_global_services_follow_the_partition() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "GetCallerIdentity" => caller("arn:aws-cn:iam::111111111111:user/admin"),
        "DescribeOrganization" => answer(200, "{}"),
        "GetAccountSummary" => answer(200, "<GetAccountSummaryResponse/>"),
        _ => generous(asked, n),
    })
    .await;
    let settings = Settings { home_region: Some("cn-north-1".parse().unwrap()), ..settings() };
    let aws = Aws::with_base(settings, server.config().build()).await.unwrap();
    assert_eq!(
        aws.principal_in(&account("333333333333")).to_string(),
        "arn:aws-cn:iam::333333333333:role/OrganizationAccountAccessRole"
    );
    let clients = aws.own_clients();
    clients.organizations().describe_organization().send().await.unwrap();
    let _ = writer(&clients).iam().get_account_summary().send().await;
    assert_eq!(server.asked("DescribeOrganization")[0].region, "cn-northwest-1");
    assert_eq!(server.asked("GetAccountSummary")[0].region, "cn-north-1");
}

#[tokio::test]
async fn a_bucket_that_may_not_be_seen_is_unreadable_and_one_that_is_not_there_absent() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "/hidden" => answer(403, ""),
        "/missing" => answer(404, ""),
        _ => generous(asked, n),
    })
    .await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    let clients = aws.own_clients();
    let seen = async |bucket: &str| {
        let head = clients.s3().head_bucket().bucket(bucket).send().await;
        Observation::from_result(head.at(&clients, "s3:ListBucket"), |_| true)
    };
    let hidden = seen("hidden").await;
    assert_eq!(hidden.unreadable().unwrap().kind(), ErrorKind::AccessDenied);
    assert_eq!(
        hidden.unreadable().unwrap().hint().unwrap(),
        "arn:aws:iam::111111111111:user/admin lacks s3:ListBucket"
    );
    assert!(seen("missing").await.is_absent());
}

#[tokio::test]
async fn contents_are_handed_over_as_they_were_stored() {
    // Claims gzip, is none: whoever unzips by himself fails or changes it.
    let stored: &[u8] = b"\x1f\x8bnot really gzip";
    let server = Loopback::start(move |asked, n| match asked.operation.as_str() {
        "/archive/log.json.gz" => {
            let mut answer = answer(200, stored)?;
            answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            Some(answer)
        }
        _ => generous(asked, n),
    })
    .await;
    let aws = Aws::with_base(settings(), server.config().build()).await.unwrap();
    let clients = aws.own_clients();
    let got = clients.s3().get_object().bucket("archive").key("log.json.gz").send().await.unwrap();
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), stored);
}

#[derive(Debug)]
struct Variables(Vec<(&'static str, String)>);

impl aws_types::service_config::LoadServiceConfig for Variables {
    fn load_config(&self, key: aws_types::service_config::ServiceConfigKey<'_>) -> Option<String> {
        let name = format!("{}_{}", key.env(), key.service_id().to_uppercase());
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }
}

#[tokio::test]
async fn a_services_own_endpoint_wins_over_the_general_one() {
    let general = Loopback::start(generous).await;
    let s3 = Loopback::start(|_, _| answer(200, "")).await;
    let mut config = general.config();
    config.insert_origin("endpoint_url", aws_types::origin::Origin::shared_environment_variable());
    let config =
        config.service_config(Variables(vec![("AWS_ENDPOINT_URL_S3", s3.url.clone())])).build();
    let aws = Aws::with_base(settings(), config).await.unwrap();
    aws.own_clients().s3().head_bucket().bucket("archive").send().await.unwrap();
    assert_eq!(s3.asked("/archive").len(), 1, "path-style, at S3's own endpoint");
    assert!(general.asked("/archive").is_empty());
}
