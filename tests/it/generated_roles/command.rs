//! `orgtrail config roles`.

use orgtrail::resources::roles::{RoleKind, roles};
use serde_json::Value;

use crate::configured::parse;
use crate::env::MINIMAL;
use crate::program::{finish, orgtrail};

const EXAMPLE: &str = include_str!("../../../infra/example.toml");

fn config_roles(config: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orgtrail.toml"), config).unwrap();
    let output = finish(&mut orgtrail(folder.path(), &[&["config", "roles"], arguments].concat()));
    (output.code, output.stdout, output.stderr)
}

fn json(config: &str, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = config_roles(config, arguments);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn each_role_is_printed_as_policy_trust_policy_and_template() {
    let all = roles(&parse(EXAMPLE));
    for role in all.iter().filter(|role| role.account.is_some() && !role.is_policy()) {
        let account = role.account.as_ref().unwrap().as_str();
        let of = [role.kind.as_str(), "--account", account];
        let wanted = serde_json::to_value(role.policy()).unwrap();
        assert_eq!(json(EXAMPLE, &of), wanted);
        let scheduler = "arn:aws:iam::333333333333:role/scheduler";
        let template =
            json(EXAMPLE, &[&of[..], &["--part", "template", "--trusted", scheduler]].concat());
        let properties = &template["Resources"]["Role"]["Properties"];
        assert_eq!(properties["Policies"][0]["PolicyDocument"], wanted);
        assert_eq!(properties["RoleName"], role.name.as_ref().unwrap().as_str());
        assert_eq!(template["Parameters"]["TrustedPrincipalArn"]["Default"], scheduler);
        let trust =
            json(EXAMPLE, &[&of[..], &["--part", "trust", "--trusted", scheduler]].concat());
        let statement = &trust["Statement"][0];
        // The role that is assumed first trusts the principal itself, all others its account.
        if role.kind == RoleKind::Hub {
            assert_eq!(statement["Principal"]["AWS"], scheduler);
        } else {
            assert_eq!(statement["Principal"]["AWS"], "arn:aws:iam::333333333333:root");
            assert_eq!(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"], scheduler);
        }
        let of_organization = [&of[..], &["--part", "trust", "--trusted", scheduler]].concat();
        let of_organization =
            [&of_organization[..], &["--organization", "o-exampleorgid"]].concat();
        let trust = json(EXAMPLE, &of_organization);
        let organization =
            &trust["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalOrgID"];
        assert_eq!(organization.is_null(), role.kind == RoleKind::Hub, "{trust:#}");
    }
}

#[test]
fn the_permissions_of_rounds_are_a_part_of_those_of_the_management_account() {
    let state = "[service]\nstate = \"s3://acme-orgtrail-state/prod\"\n";
    let config = format!("{MINIMAL}{state}");
    let rounds = json(&config, &["management", "--part", "rounds"]).to_string();
    for allowed in ["sts:AssumeRole", "arn:aws:s3:::acme-orgtrail-state/prod/*", "GetTrailStatus"] {
        assert!(rounds.contains(allowed), "{allowed}: {rounds}");
    }
    let all = json(&config, &["management"]).to_string();
    for denied in ["cloudtrail:UpdateTrail", "cloudtrail:DeleteTrail", "iam:PassRole"] {
        assert!(all.contains(denied) && !rounds.contains(denied), "{denied}: {rounds}");
    }
    let (code, _, stderr) = config_roles(&config, &["archive", "--part", "rounds"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("`--part rounds` is of `management`, not of `archive`"), "{stderr}");
}

#[test]
fn the_roles_of_a_configuration_are_listed() {
    let (code, stdout, _) = config_roles(EXAMPLE, &[]);
    assert_eq!(code, 0);
    for line in [
        "bootstrap ",
        "runner ",
        "hub ",
        "management ",
        "archive ",
        "vault ",
        "every other account",
    ] {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
    let listed = json(EXAMPLE, &["--format", "json"]);
    assert_eq!((&listed["document"], &listed["version"]), (&"config-roles".into(), &1.into()));
    let kinds: Vec<_> = listed["roles"].as_array().unwrap().iter().map(|it| &it["role"]).collect();
    let wanted = ["bootstrap", "runner", "hub", "management", "archive", "vault", "member"];
    assert_eq!(kinds, wanted);
    let member = &listed["roles"][6];
    assert_eq!(member["account"], Value::Null);
    assert_eq!(member["trusted_principal"], "arn:aws:iam::111111111111:role/OrgTrailHub");
}

#[test]
fn a_member_without_a_role_of_its_own_has_that_of_all_members() {
    let one = json(EXAMPLE, &["member", "--account", "999999999999"]);
    assert_eq!(one, json(EXAMPLE, &["member"]));
    assert_ne!(one, json(EXAMPLE, &["vault"]));
}

#[test]
fn a_role_that_the_configuration_does_not_need_is_a_usage_error() {
    for (arguments, says) in [
        (&["runner"][..], "`roles.hub` is not set"),
        (&["hub"], "`roles.hub` is not set"),
        (&["vault"], "`archive.replication` names no other account"),
        (&["archive", "--account", "333333333333"], "no role `archive` for account 333333333333"),
        (&["management", "--part", "trust"], "add `--trusted ARN`"),
        (&["nobody"], "invalid value"),
    ] {
        let (code, _, stderr) = config_roles(MINIMAL, arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    for (role, part) in [("runner", "trust"), ("runner", "template"), ("bootstrap", "template")] {
        let (code, _, stderr) = config_roles(EXAMPLE, &[role, "--part", part]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    // Without a hub, the management account's role may assume the others.
    let trust = json(MINIMAL, &["archive", "--part", "trust"]);
    let trusted = &trust["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"];
    assert_eq!(trusted, "arn:aws:iam::111111111111:role/OrgTrailManagement");
    assert!(roles(&parse(MINIMAL)).iter().all(|role| role.kind != RoleKind::Hub));
}
