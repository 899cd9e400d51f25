//! Who does things in an account.

use orgtrail_base::names::{AccountId, Partition};
use serde_json::{Value, json};

const USERS: [&str; 4] = ["alice.moreau", "build-agent", "deploy-bot", "j.okafor"];
const ROLES: [(&str, &str); 4] = [
    ("AWSReservedSSO_PowerUser_1a2b3c4d5e6f7a8b", "p.lindqvist@example.com"),
    ("app-server", "i-0f3a9c1de57b42e88"),
    ("terraform", "ci-run-4711"),
    ("readonly-audit", "inspector"),
];

/// Where requests come from.
pub(super) const SOURCES: [&str; 5] =
    ["198.51.100.17", "198.51.100.201", "203.0.113.9", "203.0.113.64", "192.0.2.145"];

fn id(random: &mut fastrand::Rng, prefix: &str, length: usize) -> String {
    let rest: String = (0..length)
        .map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random.usize(..32)]))
        .collect();
    format!("{prefix}{rest}")
}

/// The id of a principal: the same whenever it acts.
fn principal_id(account: &AccountId, prefix: &str, name: &str) -> String {
    let seed = name
        .bytes()
        .chain(account.as_str().bytes())
        .fold(7_u64, |seed, byte| seed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
    id(&mut fastrand::Rng::with_seed(seed), prefix, 17)
}

/// A user of the account.
pub(super) fn user(random: &mut fastrand::Rng, partition: Partition, account: &AccountId) -> Value {
    let name = USERS[random.usize(..USERS.len())];
    json!({
        "type": "IAMUser",
        "principalId": principal_id(account, "AIDA", name),
        "arn": format!("arn:{partition}:iam::{account}:user/{name}"),
        "accountId": account,
        "accessKeyId": principal_id(account, "AKIA", name).get(..20),
        "userName": name,
    })
}

/// A session of a role.
pub(super) fn session(
    random: &mut fastrand::Rng,
    partition: Partition,
    account: &AccountId,
    began: &str,
) -> Value {
    let (role, session) = ROLES[random.usize(..ROLES.len())];
    let role_id = principal_id(account, "AROA", role);
    json!({
        "type": "AssumedRole",
        "principalId": format!("{role_id}:{session}"),
        "arn": format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}"),
        "accountId": account,
        "accessKeyId": id(random, "ASIA", 16),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": format!("arn:{partition}:iam::{account}:role/{role}"),
                "accountId": account,
                "userName": role,
            },
            "attributes": { "creationDate": began, "mfaAuthenticated": "false" },
        },
    })
}

/// The account's root user.
pub(super) fn root(partition: Partition, account: &AccountId) -> Value {
    json!({
        "type": "Root",
        "principalId": account,
        "arn": format!("arn:{partition}:iam::{account}:root"),
        "accountId": account,
    })
}

/// A service that acts for itself.
pub(super) fn service(principal: &str) -> Value {
    json!({ "type": "AWSService", "invokedBy": principal })
}
