//! The records of the calls that begin sessions.

use orgtrail_base::names::{AccountId, Arn};
use serde_json::{Value, json};

use super::cast;
use super::issued::{Issued, Lane, Origin, Side, on_behalf_of, shared_id, user_identity};
use super::record::{
    BROWSER, By, CLI, Login, Named, Recorded, api_call, console_login, expiration, foreign, uuid,
};

/// The record of the call that an account has.
pub(super) fn record(session: &Issued, of: Side) -> Value {
    if session.lane == Lane::Console {
        return login(session);
    }
    if of == Side::Center {
        return center(session);
    }
    let owner = if of == Side::Owner { &session.account } else { &session.caller };
    let named = Named {
        source: "sts.amazonaws.com",
        name: session.lane.event_name(),
        read_only: session.lane != Lane::FederationToken,
        is_data: false,
    };
    let mut record = api_call(named, place(session, owner), by(session, of), &session.event_id(of));
    record["requestID"] = request_id(session).into();
    record["requestParameters"] = parameters(session);
    record["responseElements"] = answer(session);
    if let Some(role) = session.role {
        let arn = role.arn(session.partition, &session.account);
        record["resources"] =
            json!([{ "accountId": session.account, "type": "AWS::IAM::Role", "ARN": arn }]);
    }
    let is_shared = session.lane == Lane::Across || matches!(session.origin, Origin::Service(_));
    if is_shared {
        record["sharedEventID"] = shared_id(session.seed).into();
    }
    if !matches!(session.origin, Origin::Service(_)) {
        record["tlsDetails"] = json!({
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader":
                format!("sts.{}.{}", session.region, session.partition.dns_suffix()),
        });
    }
    record
}

fn place<'a>(session: &'a Issued, account: &'a AccountId) -> Recorded<'a> {
    Recorded { at: session.at, region: &session.region, account }
}

fn request_id(session: &Issued) -> String {
    uuid(&mut fastrand::Rng::with_seed(session.seed.rotate_left(17) ^ 0x5d))
}

fn by(session: &Issued, of: Side) -> By<'_> {
    let account = &session.caller;
    let mut random = fastrand::Rng::with_seed(session.seed.rotate_left(17) ^ 0x6d);
    let identity = match &session.origin {
        Origin::User(user) if of == Side::Owner => foreign(account, &cast::user_id(account, user)),
        Origin::Session(earlier) if of == Side::Owner => foreign(account, &earlier.principal_id()),
        Origin::User(user) => {
            user_identity(session.partition, account, user, Some(cast::user_key(account, user)))
        }
        Origin::Session(earlier) => earlier.identity(&mut random),
        Origin::Saml(person) | Origin::Center(person) => json!({
            "type": "SAMLUser",
            "principalId": format!("{}:{person}", qualifier(session)),
            "userName": person,
            "identityProvider": qualifier(session),
        }),
        Origin::Web { provider, subject } => json!({
            "type": "WebIdentityUser",
            "principalId": format!("{provider}:{AUDIENCE}:{subject}"),
            "userName": subject,
            "identityProvider": provider,
        }),
        Origin::Service(principal) => json!({ "type": "AWSService", "invokedBy": principal }),
    };
    let (address, agent) = match &session.origin {
        Origin::Service(principal) => (*principal, *principal),
        _ => (cast::address(session.sender()), CLI),
    };
    By { identity, address, agent }
}

/// What names the SAML provider: for IAM Identity Center its own.
fn qualifier(session: &Issued) -> &'static str {
    if session.lane == Lane::Center {
        "Xk2Zl0b1cQ9t4n7vY5hJ8w3PqRs="
    } else {
        "bq7VtD2m9xW4kLz8sN1cG5yHfJo="
    }
}

/// What web identity tokens are made out to.
const AUDIENCE: &str = "sts.amazonaws.com";

fn saml_provider(session: &Issued) -> String {
    let name = if session.lane == Lane::Center {
        "AWSSSO_0a1b2c3d4e5f6071_DO_NOT_DELETE"
    } else {
        "corporate"
    };
    let resource = format!("saml-provider/{name}");
    Arn::global(session.partition, "iam", &session.account, resource).to_string()
}

fn parameters(session: &Issued) -> Value {
    let seconds = session.lane.life().as_secs();
    let mut parameters = match session.role {
        Some(role) => json!({
            "roleArn": role.arn(session.partition, &session.account),
            "roleSessionName": session.name,
        }),
        None if session.lane == Lane::FederationToken => json!({ "name": session.name }),
        None => json!({}),
    };
    if let Some(source) = &session.source_identity {
        parameters["sourceIdentity"] = source.as_str().into();
    }
    match &session.origin {
        Origin::Saml(_) | Origin::Center(_) => {
            parameters["sAMLAssertionID"] = format!("_{}", request_id(session)).into();
            parameters["principalArn"] = saml_provider(session).into();
        }
        Origin::User(user) if session.lane == Lane::SessionToken && session.mfa => {
            parameters["serialNumber"] = device(session, user).into();
        }
        _ => {}
    }
    if !matches!(session.origin, Origin::Service(_)) {
        parameters["durationSeconds"] = seconds.into();
    }
    parameters
}

fn device(session: &Issued, user: &str) -> String {
    Arn::global(session.partition, "iam", &session.caller, format!("mfa/{user}")).to_string()
}

/// What STS answered, but for the secret and the token, which only the caller gets.
fn answer(session: &Issued) -> Value {
    let mut answer = json!({ "credentials": {
        "accessKeyId": session.key,
        "expiration": expiration(session.expires()),
    }});
    match session.lane {
        Lane::FederationToken => {
            answer["federatedUser"] =
                json!({ "federatedUserId": session.principal_id(), "arn": session.arn() });
        }
        // EC2 and Lambda get the credentials only.
        Lane::SessionToken | Lane::Instance | Lane::Function => {}
        _ => {
            answer["assumedRoleUser"] =
                json!({ "assumedRoleId": session.principal_id(), "arn": session.arn() });
        }
    }
    if let Some(source) = &session.source_identity {
        answer["sourceIdentity"] = source.as_str().into();
    }
    match &session.origin {
        Origin::Saml(person) | Origin::Center(person) => {
            answer["subject"] = (*person).into();
            answer["subjectType"] = "persistent".into();
            answer["nameQualifier"] = qualifier(session).into();
            answer["audience"] = "https://signin.aws.amazon.com/saml".into();
            answer["issuer"] = "https://idp.example.com/saml".into();
        }
        Origin::Web { provider, subject } => {
            answer["subjectFromWebIdentityToken"] = (*subject).into();
            answer["audience"] = AUDIENCE.into();
            answer["provider"] = session.provider_arn(provider).into();
        }
        _ => {}
    }
    answer
}

fn login(session: &Issued) -> Value {
    let account = &session.caller;
    let identity = user_identity(session.partition, account, &session.name, None);
    let by = By { identity, address: cast::address(&session.name), agent: BROWSER };
    let mfa = session.mfa.then(|| device(session, &session.name));
    let login = Login { mfa, succeeds: true };
    console_login(place(session, account), by, &session.event_id(Side::Caller), &login)
}

/// Somebody takes credentials from IAM Identity Center: its record has neither the key nor
/// the session's name.
///
/// Source: IAM Identity Center User Guide, "IAM Identity Center information in CloudTrail".
fn center(session: &Issued) -> Value {
    let Some(account) = cast::center_of(&session.account) else { return Value::Null };
    let Origin::Center(person) = &session.origin else { return Value::Null };
    let by_console = session.seed.is_multiple_of(2);
    let named = Named {
        source: "sso.amazonaws.com",
        name: if by_console { "Federate" } else { "GetRoleCredentials" },
        read_only: false,
        is_data: false,
    };
    let identity = json!({
        "type": "IdentityCenterUser",
        "accountId": account,
        "onBehalfOf": on_behalf_of(session.partition, person, &account),
        "credentialId": uuid(&mut fastrand::Rng::with_seed(session.seed.rotate_left(17) ^ 0x7d)),
    });
    let agent = if by_console { BROWSER } else { CLI };
    let by = By { identity, address: cast::address(person), agent };
    let mut record = api_call(named, place(session, &account), by, &session.event_id(Side::Center));
    record["requestID"] = request_id(session).into();
    record["eventType"] = "AwsServiceEvent".into();
    record["serviceEventDetails"] =
        json!({ "role_name": "PowerUser", "account_id": session.account });
    record
}
