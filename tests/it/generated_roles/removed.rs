//! A role without one of its actions: the command that asks for it does not end as before, and
//! names the action.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use jiff::SignedDuration;
use orgtrail::resources::roles::{Role, RoleKind};
use serde_json::{Value, json};

use super::legacy::Legacy;
use super::roles_env::RolesEnv;

/// The role's policy without some actions.
fn without(role: &Role, actions: &[&str]) -> Value {
    let statements: Vec<Value> = role
        .grants
        .iter()
        .filter_map(|grant| {
            let mut statement = serde_json::to_value(&grant.statement).unwrap();
            let left: Vec<&str> =
                grant.statement.action.iter().filter(|one| !actions.contains(one)).collect();
            if left.is_empty() {
                return None;
            }
            statement["Action"] = json!(left);
            Some(statement)
        })
        .collect();
    if statements.is_empty() {
        // A policy has a statement, and nobody needs this one.
        return json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*",
        }] });
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Who asked for which action in a command that ends with an exit code.
async fn asked(env: &RolesEnv, arguments: &[&str], code: i32) -> BTreeSet<(RoleKind, String)> {
    env.sandbox.record_authorization();
    env.runs(arguments, code).await;
    let records = env.sandbox.take_authorization();
    let allowed = records.into_iter().filter(|one| one.allowed && one.needs_identity);
    let of_roles = allowed.filter_map(|record| {
        let asks = |role: &&Role| env.principals(role).contains(&record.principal);
        Some((env.roles.iter().find(asks)?.kind, record.action))
    });
    of_roles.collect()
}

/// Runs a command without an action of a role. What went wrong, where it ends as with the
/// action, or does not name it.
async fn ends_otherwise(
    env: &RolesEnv,
    (kind, action): (RoleKind, &str),
    arguments: &[&str],
    code: i32,
) -> Option<String> {
    let roles = env.roles.iter().filter(|role| role.kind == kind);
    for role in roles.clone() {
        env.put_policy(role, &without(role, &[action])).await;
    }
    let output = env.output(arguments).await;
    for role in roles {
        env.put_policy(role, &serde_json::to_value(role.policy()).unwrap()).await;
    }
    let found = output.code;
    let is_named = output.text().contains(action);
    (found == code || !is_named).then(|| {
        format!(
            "{} without {action}: {arguments:?} ends with {found}, named: {is_named}",
            kind.as_str()
        )
    })
}

/// What nothing fails without, of one kind of role or of all, with the reason for it.
const SPARE: [(Option<RoleKind>, &str); 4] = [
    // The public keys of a Region are the same in all accounts: where one may not list
    // them, the next one is asked. Each is needed where it alone has enabled a Region.
    (None, "cloudtrail:ListPublicKeys"),
    // It is asked wherever a chain ends. It decides where one legacy trail stands for
    // another: the declared trail, as here, stands for all.
    (None, "cloudtrail:LookupEvents"),
    // Without it, an account that is not in the organization is noticed later: see
    // `an_account_outside_of_the_organization_is_noticed_by_the_management_accounts_role`.
    (Some(RoleKind::Management), "organizations:DescribeAccount"),
    // A bucket that can be listed tells its Region as well. It is needed where its owner
    // denies that.
    (Some(RoleKind::Member), "s3:GetBucketLocation"),
];

fn is_spare(kind: RoleKind, action: &str) -> bool {
    SPARE.iter().any(|(of, spare)| *spare == action && of.is_none_or(|of| of == kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_change_nothing_fail_without_any_action_that_they_ask_for() {
    // The legacy trail is no drift, so that only what cannot be read ends the command otherwise.
    let env = RolesEnv::through_a_hub().await.declaring(|text| {
        format!("{text}[[drift.suppress]]\ncheck = \"org-unmanaged-trails\"\nreason = \"legacy\"\nuntil = 2026-12-31\n")
    });
    env.runs(&["apply", "--yes"], 0).await;
    env.sandbox.confirm_subscriptions();
    env.sandbox.tick(SignedDuration::from_hours(30));
    let legacy = Legacy::of_a_member(&env).await;
    env.runs(&["consolidate", "--yes", "--restore"], 14).await;
    env.sandbox.tick(SignedDuration::from_hours(24));
    env.runs(&["consolidate", "--yes"], 0).await;
    let (mut proven, mut tolerated) = (BTreeSet::new(), BTreeMap::new());
    // The last hours ask for almost all that the whole archive asks for, and sooner.
    let since = env.last_hours(3).0;
    let commands = [
        (&["plan"][..], 0),
        (&["verify", "--since", &since], 0),
        (&["verify"], 0),
        (&["drift"], 0),
        (&["consolidate", "--dry-run"], 0),
        (&["retire", &legacy.arn], 0),
    ];
    for (arguments, code) in commands {
        let mut asked = asked(&env, arguments, code).await;
        asked.retain(|one| !proven.contains(one) && !is_spare(one.0, &one.1));
        let all: Vec<_> = asked.iter().collect();
        let left = match arguments {
            ["plan"] => failing_together(&env, arguments, code, all).await,
            _ => all,
        };
        proven.extend(asked.iter().filter(|one| !left.contains(one)).cloned());
        for one in left {
            match ends_otherwise(&env, (one.0, &one.1), arguments, code).await {
                None => drop(proven.insert(one.clone())),
                Some(how) => drop(tolerated.insert(one.clone(), how)),
            }
        }
    }
    // Service control policies that cannot be read are named by a plan and by a retire.
    let is_named = |how: &String| how.ends_with("named: true");
    tolerated.retain(|(_, action), how| !(action.starts_with("organizations:") && is_named(how)));
    tolerated.retain(|(kind, action), _| !proven.contains(&(*kind, action.clone())));
    assert!(proven.len() > 60, "{}", proven.len());
    assert!(tolerated.is_empty(), "{tolerated:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_outside_of_the_organization_is_noticed_by_the_management_accounts_role() {
    let env = RolesEnv::through_a_hub().await.declaring(|text| {
        text.replace("[organization]", "[organization]\naudit_account = \"999999999999\"")
    });
    env.runs(&["plan"], 2).await;
    let removed = (RoleKind::Management, "organizations:DescribeAccount");
    let role = env.role(removed.0);
    env.put_policy(role, &without(role, &[removed.1])).await;
    env.runs(&["plan"], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_apply_fails_without_any_action_that_it_asks_for() {
    let first = async || {
        let env = RolesEnv::through_a_hub().await;
        env.before_the_first_apply().await;
        env
    };
    let env = first().await;
    let reads = asked(&env, &["plan"], 10).await;
    let asked = asked(&env, &["apply", "--yes"], 0).await;
    // Service control policies that cannot be read are a note of a plan, and block a retire.
    let is_noted = |action: &str| action.starts_with("organizations:List");
    let writes = asked.difference(&reads).filter(|(_, action)| !is_noted(action));
    let writes: Vec<_> = writes.collect();
    assert!(writes.len() > 40, "{}", writes.len());
    let left = failing_together(&first().await, &["apply", "--yes"], 0, writes).await;
    // Those that no failed step named, one by one.
    assert!(left.len() < 20, "{left:?}");
    let problems: Vec<_> = futures::stream::iter(left)
        .map(|(kind, action)| async move {
            let removed = (*kind, action.as_str());
            ends_otherwise(&first().await, removed, &["apply", "--yes"], 0).await
        })
        .buffer_unordered(4)
        .filter_map(|problem| async { problem })
        .collect()
        .await;
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Plans or applies without all of some actions, then without those that no failed step
/// named, and so on: each time the steps go on to the next of their calls. Returns the
/// actions that no failed step named, each of which is to be removed alone.
async fn failing_together<'a>(
    env: &RolesEnv,
    arguments: &[&str],
    code: i32,
    mut left: Vec<&'a (RoleKind, String)>,
) -> Vec<&'a (RoleKind, String)> {
    let mut alone = Vec::new();
    loop {
        // A line names an action, and not the role that lacks it.
        let mut removed: BTreeMap<&str, RoleKind> = BTreeMap::new();
        for one in &left {
            let (kind, action): &'a (RoleKind, String) = one;
            removed.entry(action).or_insert(*kind);
        }
        for role in &env.roles {
            let of_role = removed.iter().filter(|(_, kind)| **kind == role.kind);
            let actions: Vec<&str> = of_role.map(|(action, _)| *action).collect();
            env.put_policy(role, &without(role, &actions)).await;
        }
        if removed.is_empty() {
            return alone;
        }
        let output = env.output(arguments).await;
        let text = output.text();
        // A step that fails, or is not attempted because of what it cannot read.
        let is_failed =
            |line: &&str| line.contains(" failed: ") || line.contains("it could not be read: ");
        let failed: Vec<&str> = text.lines().filter(is_failed).collect();
        let is_named = |action: &str| {
            let ends = |rest: &str| !rest.starts_with(char::is_alphanumeric);
            let is_in = |line: &&str| line.split(action).skip(1).any(ends);
            output.code != code && failed.iter().any(is_in)
        };
        let named: Vec<&str> = removed.keys().copied().filter(|action| is_named(action)).collect();
        if named.is_empty() {
            // These keep nothing from being done, or one another from being asked for.
            alone.extend(
                left.extract_if(.., |(kind, action)| removed.get(action.as_str()) == Some(kind)),
            );
        }
        left.retain(|(kind, action)| {
            removed.get(action.as_str()) != Some(kind) || !named.contains(&action.as_str())
        });
    }
}
