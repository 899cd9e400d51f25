//! The organization that a sandbox begins with.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, OrgId, Partition, Region, UnitId};

use super::auth::Identity;
use super::policy::{Document, MalformedPolicy, PolicyType, managed};
use super::services::cloudformation::OrganizationsAccess;
use super::services::iam::{self, Grants, Holder, MfaDevice, Role, User};
use super::services::organizations::{
    FULL_ACCESS, Member, Organization, OrganizationPolicy, SCP, Unit,
};
use super::simulation::{ALPHANUMERIC, AccessKey, Account, BASE32, Control, LOWER, random_text};
use super::simulator;
use super::start::{Options, StartError};

/// The role that Organizations makes in every account that it creates.
pub(super) const ACCESS_ROLE: &str = "OrganizationAccountAccessRole";
/// The management account's user that the sandbox hands out.
pub(super) const ADMINISTRATOR: &str = "admin";
/// Members come with these names first.
const NAMED: [&str; 3] = ["management", "log-archive", "audit"];
/// With at least this many accounts the last one is suspended.
const SUSPENDED_FROM: usize = 5;

/// The id of the nth account: 111111111111, 222222222222, 333333333333, then
/// 100000000004 and on.
pub(super) fn account_id(index: usize) -> Result<AccountId, orgtrail_base::names::NameError> {
    match index {
        0..=2 => (index + 1).to_string().repeat(12).parse(),
        _ => format!("1{:011}", index + 1).parse(),
    }
}

/// Everything that a new sandbox knows.
pub(super) fn control(
    options: &Options,
    now: Timestamp,
    random: &mut fastrand::Rng,
) -> Result<Control, StartError> {
    let partition = Partition::of(&options.home_region);
    let management = account_id(0)?;
    let root: UnitId = format!("r-{}", random_text(random, LOWER, 4)).parse()?;
    let mut organization = Organization {
        id: format!("o-{}", random_text(random, LOWER, 10)).parse::<OrgId>()?,
        management_account: management.clone(),
        all_features: true,
        units: [].into(),
        members: [].into(),
        policies: [].into(),
        attachments: [].into(),
        policy_types: [SCP.to_owned()].into(),
        trusted_services: [].into(),
        delegated: [].into(),
        creations: [].into(),
        root_features: [].into(),
        handshakes: [].into(),
        tags: [].into(),
        stacksets: OrganizationsAccess::default(),
        finalizing_until: None,
        root: root.clone(),
    };
    organization.policies.insert(FULL_ACCESS.to_owned(), full_access()?);
    organization.attachments.insert(root.to_string(), [FULL_ACCESS.to_owned()].into());
    let mut unit = |name: &str, parent: &UnitId| -> Result<UnitId, StartError> {
        let stem = root.as_str().trim_start_matches("r-");
        let id: UnitId = format!("ou-{stem}-{}", random_text(random, LOWER, 8)).parse()?;
        organization
            .units
            .insert(id.clone(), Unit { name: name.to_owned(), parent: parent.clone() });
        organization.attachments.insert(id.to_string(), [FULL_ACCESS.to_owned()].into());
        Ok(id)
    };
    let security = unit("Security", &root)?;
    let workloads = unit("Workloads", &root)?;
    let production = unit("Production", &workloads)?;

    let mut control =
        Control { simulator: simulator::State::new(options.seed), ..Control::default() };
    for index in 0..options.accounts.max(1) {
        let id = account_id(index)?;
        let name = NAMED
            .get(index)
            .map_or_else(|| format!("workload-{:04}", index - 2), |name| (*name).to_owned());
        let parent = match index {
            0 => &root,
            1 | 2 => &security,
            odd if odd % 2 == 1 => &workloads,
            _ => &production,
        };
        let suspended = options.accounts >= SUSPENDED_FROM && index == options.accounts - 1;
        organization.attachments.insert(id.to_string(), [FULL_ACCESS.to_owned()].into());
        organization.members.insert(
            id.clone(),
            Member {
                email: format!("{name}@example.com"),
                name,
                parent: parent.clone(),
                joined_at: now,
                created: index > 0,
                suspended,
                trails_from: None,
                closed_at: None,
            },
        );
        let mut account = new_account(partition, &id, now, random);
        if index == 0 {
            let admin = administrator(partition, now, random);
            account.iam.users.insert(ADMINISTRATOR.to_owned(), admin);
            let identity = Identity::User(ADMINISTRATOR.to_owned());
            add_key(&mut control, &id, identity, now, random);
        } else if options.organization {
            let role = access_role(partition, &management, now, random)?;
            account.iam.roles.insert(ACCESS_ROLE.to_owned(), role);
        }
        add_key(&mut control, &id, Identity::Root, now, random);
        control.accounts.insert(id, account);
    }
    control.organization = options.organization.then_some(organization);
    Ok(control)
}

/// The policy that allows all, which every root, unit and account begins with.
pub(super) fn full_access() -> Result<OrganizationPolicy, MalformedPolicy> {
    let text =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    Ok(OrganizationPolicy {
        name: "FullAWSAccess".to_owned(),
        description: "Allows access to every operation".to_owned(),
        kind: SCP.to_owned(),
        content: Document::new(text, PolicyType::ServiceControl)?,
        aws_managed: true,
    })
}

/// An empty account, whose root has an MFA device.
pub(super) fn new_account(
    partition: Partition,
    id: &AccountId,
    now: Timestamp,
    random: &mut fastrand::Rng,
) -> Account {
    let mut account = Account {
        created_at: Some(now),
        enabled_regions: Region::enabled_by_default().collect(),
        ..Account::default()
    };
    let serial = iam::arn(partition, id, "mfa", "/", "root-account-mfa-device");
    let seed = (0..20).map(|_| random.u8(..)).collect();
    account
        .iam
        .mfa_devices
        .insert(serial, MfaDevice { seed, holder: Some(Holder::Root), enabled_at: Some(now) });
    account
}

/// The role that the management account assumes in a member.
pub(super) fn access_role(
    partition: Partition,
    management: &AccountId,
    now: Timestamp,
    random: &mut fastrand::Rng,
) -> Result<Role, MalformedPolicy> {
    let principal = Arn::global(partition, "iam", management, "root");
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    Ok(Role {
        id: format!("AROA{}", random_text(random, BASE32, 17)),
        path: "/".to_owned(),
        created_at: now,
        trust: Document::new(trust, PolicyType::Trust)?,
        grants: administrator_access(partition),
        description: String::new(),
        max_session_seconds: 3600,
    })
}

fn administrator(partition: Partition, now: Timestamp, random: &mut fastrand::Rng) -> User {
    User {
        id: format!("AIDA{}", random_text(random, BASE32, 17)),
        path: "/".to_owned(),
        created_at: now,
        grants: administrator_access(partition),
        groups: [].into(),
    }
}

fn administrator_access(partition: Partition) -> Grants {
    debug_assert!(managed().contains_key("AdministratorAccess"));
    let arn = format!("arn:{partition}:iam::aws:policy/AdministratorAccess");
    Grants { attached: [arn].into(), ..Grants::default() }
}

/// Gives a principal a long-term access key.
pub(super) fn add_key(
    control: &mut Control,
    account: &AccountId,
    identity: Identity,
    now: Timestamp,
    random: &mut fastrand::Rng,
) {
    let key = AccessKey {
        secret: random_text(random, ALPHANUMERIC, 40),
        session_token: None,
        account: account.clone(),
        built_in: identity == Identity::Root,
        identity,
        expires_at: None,
        mfa_at: None,
        session_policy: None,
        source_identity: None,
        active: true,
        created_at: now,
    };
    control.access_keys.insert(format!("AKIA{}", random_text(random, BASE32, 16)), key);
}
