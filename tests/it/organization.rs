//! Reading the organization and entering its accounts.

use std::collections::BTreeSet;
use std::time::Duration;

use orgtrail::aws::{Aws, ErrorKind, Pacing, Retries, Settings};
use orgtrail::config::{self, Regions};
use orgtrail::names::AccountId;
use orgtrail::org::{Access, AccountState, Organization, cloudtrail_administrators, survey};

use crate::loopback::{Answer, Asked, Loopback, answer, caller, refusal, session};

const MANAGEMENT: &str = "111111111111";

/// Four accounts in two units, the second page of one of them included.
fn organization(asked: &Asked, _: usize) -> Answer {
    let json = |text: &str| answer(200, text.to_owned());
    match asked.operation.as_str() {
        "GetCallerIdentity" if asked.key == "BASE" => {
            caller("arn:aws:iam::111111111111:user/admin")
        }
        "GetCallerIdentity" => {
            caller(&format!("arn:aws:sts::{}:assumed-role/Role/orgtrail", asked.key))
        }
        "AssumeRole" if asked.form["RoleArn"].contains("333333333333") => {
            refusal(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")
        }
        "AssumeRole" => {
            session(asked.form["RoleArn"].split(':').nth(4).unwrap(), "2999-01-01T00:00:00Z")
        }
        "DescribeOrganization" => json(
            r#"{"Organization":{"Id":"o-exampleorgid","MasterAccountId":"111111111111","FeatureSet":"ALL"}}"#,
        ),
        "ListRoots" => json(r#"{"Roots":[{"Id":"r-ab12","Name":"Root"}]}"#),
        "ListOrganizationalUnitsForParent" if asked.body.contains("r-ab12") => {
            json(r#"{"OrganizationalUnits":[{"Id":"ou-ab12-aaaaaaaa","Name":"Workloads"}]}"#)
        }
        "ListOrganizationalUnitsForParent" => json(r#"{"OrganizationalUnits":[]}"#),
        "ListAccountsForParent" if asked.body.contains("r-ab12") => {
            json(r#"{"Accounts":[{"Id":"111111111111","Name":"management","Status":"ACTIVE"}]}"#)
        }
        "ListAccountsForParent" if asked.body.contains("page-2") => json(
            r#"{"Accounts":[{"Id":"444444444444","Name":"old","State":"SUSPENDED","Status":"ACTIVE"}]}"#,
        ),
        "ListAccountsForParent" => json(
            r#"{"Accounts":[{"Id":"222222222222","Name":"dev","State":"ACTIVE"},
                {"Id":"333333333333","Name":"locked","State":"ACTIVE"}],"NextToken":"page-2"}"#,
        ),
        "ListDelegatedAdministrators" => {
            json(r#"{"DelegatedAdministrators":[{"Id":"222222222222"}]}"#)
        }
        "/listRegions" if asked.body.contains("333333333333") => answer(403, "{}"),
        "/listRegions" if asked.key == "BASE" && asked.body.contains(MANAGEMENT) => {
            panic!("the management account may not give its own id")
        }
        "/listRegions" => json(
            r#"{"Regions":[{"RegionName":"us-east-1","RegionOptStatus":"ENABLED_BY_DEFAULT"},
                {"RegionName":"me-south-1","RegionOptStatus":"ENABLED"},
                {"RegionName":"af-south-1","RegionOptStatus":"DISABLED"}]}"#,
        ),
        other => panic!("unexpected {other}"),
    }
}

async fn signed_in(server: &Loopback) -> Aws {
    let settings = Settings {
        home_region: Some("us-east-1".parse().unwrap()),
        pacing: Pacing::Off,
        retries: Retries { attempts: 1, first_wait: Duration::from_millis(1) },
        ..Settings::default()
    };
    Aws::with_base(settings, server.config().build()).await.unwrap()
}

fn declared(excluded: &[&str]) -> config::Organization {
    config::Organization {
        management_account: MANAGEMENT.parse().unwrap(),
        log_archive_account: "222222222222".parse().unwrap(),
        audit_account: None,
        delegated_administrators: Vec::new(),
        home_region: "us-east-1".parse().unwrap(),
        regions: Regions::AllEnabled,
        excluded_accounts: excluded.iter().map(|id| id.parse().unwrap()).collect(),
        excluded_units: Vec::new(),
    }
}

#[tokio::test]
async fn the_tree_is_read_with_all_its_pages() {
    let server = Loopback::start(organization).await;
    let aws = signed_in(&server).await;
    let organization = Organization::read(&aws.own_clients()).await.unwrap();
    assert_eq!(organization.id.as_str(), "o-exampleorgid");
    assert!(organization.all_features);
    let accounts: Vec<_> = organization
        .accounts
        .values()
        .map(|a| (a.id.as_str(), a.state.clone(), organization.path(&a.unit)))
        .collect();
    assert_eq!(
        accounts,
        [
            (MANAGEMENT, AccountState::Active, "/Root".to_owned()),
            ("222222222222", AccountState::Active, "/Root/Workloads".to_owned()),
            ("333333333333", AccountState::Active, "/Root/Workloads".to_owned()),
            ("444444444444", AccountState::Suspended, "/Root/Workloads".to_owned()),
        ]
    );
    let administrators = cloudtrail_administrators(&aws.own_clients()).await.unwrap();
    assert_eq!(administrators, BTreeSet::from(["222222222222".parse::<AccountId>().unwrap()]));
}

#[tokio::test]
async fn a_unit_that_may_not_be_read_fails_the_whole_reading() {
    let server = Loopback::start(|asked, n| match asked.operation.as_str() {
        "ListAccountsForParent" if asked.body.contains("ou-ab12-aaaaaaaa") => answer(
            400,
            r#"{"__type":"AccessDeniedException","Message":"You don't have permissions"}"#,
        ),
        _ => organization(asked, n),
    })
    .await;
    let aws = signed_in(&server).await;
    let error = Organization::read(&aws.own_clients()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(
        error.hint().unwrap(),
        "arn:aws:iam::111111111111:user/admin lacks organizations:ListAccountsForParent"
    );
}

#[tokio::test]
async fn the_survey_enters_what_it_may_and_names_the_rest_with_the_reason() {
    let server = Loopback::start(organization).await;
    let aws = signed_in(&server).await;
    let organization = Organization::read(&aws.own_clients()).await.unwrap();
    let surveyed = survey(&aws, &organization, Some(&declared(&[])), |_| {}).await;
    let [management, dev, locked, old] = surveyed.as_slice() else { panic!("{surveyed:?}") };

    assert!(
        matches!(&management.access, Access::Granted { principal } if principal.ends_with("user/admin"))
    );
    let principal = "arn:aws:sts::222222222222:assumed-role/Role/orgtrail".to_owned();
    assert_eq!(dev.access, Access::Granted { principal });
    let regions: Vec<_> =
        dev.regions.iter().flatten().map(orgtrail::names::Region::as_str).collect();
    assert_eq!(regions, ["me-south-1", "us-east-1"]);
    assert_eq!(dev.regions_unread, None);

    let Access::Failed { role, kind, reason, hint } = &locked.access else { panic!("{locked:?}") };
    assert_eq!(role, "arn:aws:iam::333333333333:role/OrganizationAccountAccessRole");
    assert_eq!(*kind, ErrorKind::AccessDenied);
    assert!(reason.contains("sts:AssumeRole in account 333333333333"), "{reason}");
    assert!(hint.as_ref().unwrap().contains("trust policy"));
    assert_eq!(locked.regions.as_ref().unwrap().len(), 17);
    assert!(locked.regions_unread.as_ref().unwrap().contains("account:ListRegions"));

    assert_eq!(old.access, Access::Excluded { reason: "the account is suspended".into() });
    assert_eq!(old.regions, None);
    assert!(
        server.asked("AssumeRole").iter().all(|a| !a.form["RoleArn"].contains("444444444444")),
        "a suspended account is not tried"
    );
}

#[tokio::test]
async fn an_excluded_account_is_named_and_not_tried() {
    let server = Loopback::start(organization).await;
    let aws = signed_in(&server).await;
    let organization = Organization::read(&aws.own_clients()).await.unwrap();
    let excluded = ["222222222222", "333333333333"];
    let surveyed = survey(&aws, &organization, Some(&declared(&excluded)), |_| {}).await;
    let left_out = surveyed.iter().filter(|one| matches!(one.access, Access::Excluded { .. }));
    assert_eq!(left_out.count(), 3);
    assert!(server.asked("AssumeRole").is_empty());
}
