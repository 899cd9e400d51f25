use std::fmt::Write as _;

use clap::ValueEnum;

use crate::cli::{Context, Format, OpError, Outcome};
use crate::names::{AccountId, Arn, OrgId};
use crate::policy::PolicyDocument;
use crate::report::contract::{self, Emitted};
use crate::resources::roles::{Role, RoleKind, roles, round_grants};

/// Print the IAM roles that the configuration needs
///
/// Without ROLE, lists them. Each role is limited to the buckets, keys, trails, topics, log
/// groups and roles in the configuration: print the roles again after you change it. Calls no
/// AWS API.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail config roles
  orgtrail config roles management --part template > management-role.json
  orgtrail config roles archive --part policy
  orgtrail config roles management --part rounds > service-policy.json
  orgtrail config roles management --part trust --trusted arn:aws:iam::111111111111:role/Scheduler
  orgtrail config roles member --account 333333333333 --part template")]
pub(crate) struct Args {
    /// The role to print.
    #[arg(value_enum)]
    role: Option<Kind>,

    /// Print the role of this account, if the configuration names a separate one for it.
    #[arg(long, value_name = "ACCOUNT", requires = "role")]
    account: Option<AccountId>,

    /// The part to print: the permissions, the trust policy, a CloudFormation template with
    /// both, or the permissions that rounds need.
    #[arg(long, value_enum, default_value_t, requires = "role")]
    part: Part,

    /// The user or role that may assume the role. Default for the other accounts: the hub, or
    /// the management account's role if `roles.hub` is not set.
    #[arg(long, value_name = "ARN", requires = "role")]
    trusted: Option<Arn>,

    /// The organization that the user or role must belong to, in the trust policies of all roles
    /// but the one that orgtrail starts with.
    #[arg(long, value_name = "ID", requires = "role")]
    organization: Option<OrgId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Runs `orgtrail bootstrap` in the management account; not needed afterwards
    Bootstrap,
    /// Runs orgtrail outside the management account, if `roles.hub` is set
    Runner,
    /// Assumes the roles in all accounts, if `roles.hub` is set
    Hub,
    /// In the management account
    Management,
    /// In the log-archive account
    Archive,
    /// In the account of the vault bucket, which the archive replicates to
    Vault,
    /// In every other account
    Member,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The permissions, as an IAM policy
    #[default]
    Policy,
    /// The trust policy
    Trust,
    /// A CloudFormation template of the role
    Template,
    /// The permissions that `orgtrail run` and `orgtrail serve` need, without those of `apply`,
    /// `retire` and `destroy`: of `management`
    Rounds,
}

impl Kind {
    fn kind(self) -> RoleKind {
        match self {
            Self::Bootstrap => RoleKind::Bootstrap,
            Self::Runner => RoleKind::Runner,
            Self::Hub => RoleKind::Hub,
            Self::Management => RoleKind::Management,
            Self::Archive => RoleKind::Archive,
            Self::Vault => RoleKind::Vault,
            Self::Member => RoleKind::Member,
        }
    }
}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let all = roles(&context.config()?);
    let Some(kind) = args.role else {
        list(&all, context)?;
        return Ok(Outcome::Clean);
    };
    let role = find(&all, kind.kind(), args.account.as_ref())?;
    match args.part {
        Part::Policy => context.out.json(&role.policy())?,
        Part::Trust => {
            let trusted = trusted(role, args.trusted.as_ref())?;
            context.out.json(&role.trust(trusted, args.organization.as_ref()))?;
        }
        Part::Template => {
            let mut template = role.template().ok_or_else(|| {
                OpError::usage(
                    "it has no template: attach `--part policy` to the user or role that starts \
                     orgtrail",
                )
            })?;
            if let Some(trusted) = &args.trusted {
                template["Parameters"]["TrustedPrincipalArn"]["Default"] =
                    trusted.to_string().into();
            }
            context.out.json(&template)?;
        }
        Part::Rounds if role.kind == RoleKind::Management => {
            let grants = round_grants(&context.config()?);
            let statements = grants.into_iter().map(|grant| grant.statement).collect();
            context.out.json(&PolicyDocument::new(statements))?;
        }
        Part::Rounds => {
            let message =
                format!("`--part rounds` is of `management`, not of `{}`", kind.kind().as_str());
            return Err(OpError::usage(message)
                .with_hint("in the other accounts, rounds use the whole role: `--part policy`"));
        }
    }
    Ok(Outcome::Clean)
}

/// The role of an account, else the one for every account without a role of its own.
fn find<'a>(
    all: &'a [Role],
    kind: RoleKind,
    account: Option<&AccountId>,
) -> Result<&'a Role, OpError> {
    let mut of_kind = all.iter().filter(|role| role.kind == kind);
    let own = account
        .and_then(|account| of_kind.clone().find(|role| role.account.as_ref() == Some(account)));
    let shared = of_kind.clone().find(|role| role.account.is_none());
    let found = match account {
        Some(_) => own.or(shared),
        None => shared.or_else(|| of_kind.next()),
    };
    found.ok_or_else(|| {
        let name = kind.as_str();
        let needed = match kind {
            RoleKind::Runner | RoleKind::Hub => "`roles.hub` is not set",
            RoleKind::Vault => "`archive.replication` names no other account",
            _ => "`orgtrail config roles` lists the roles",
        };
        let whose = account.map(|id| format!(" for account {id}")).unwrap_or_default();
        OpError::usage(format!("the configuration needs no role `{name}`{whose}: {needed}"))
    })
}

fn trusted<'a>(role: &'a Role, given: Option<&'a Arn>) -> Result<&'a Arn, OpError> {
    if role.is_policy() {
        return Err(OpError::usage(
            "it has no trust policy: the service that starts orgtrail decides who may use it",
        ));
    }
    given.or(role.trusted.as_ref()).ok_or_else(|| {
        OpError::usage(
            "the configuration does not name who may assume the role: add `--trusted ARN`",
        )
    })
}

fn list(all: &[Role], context: &Context) -> Result<(), OpError> {
    if context.format == Format::Json {
        return context.out.json(&Emitted::new(contract::roles::List::new(all)));
    }
    let mut text = String::new();
    for role in all {
        let account = match &role.account {
            Some(account) => account.as_str(),
            None if role.kind == RoleKind::Runner => "where it is started",
            None => "every other account",
        };
        let name = role.name.as_ref().map_or("(any name)", |name| name.as_str());
        let _ = writeln!(
            text,
            "{:10} {account:19} {}{name}",
            role.kind.as_str(),
            if role.name.is_some() { role.path.as_str() } else { "" },
        );
    }
    text.push_str("\n`orgtrail config roles ROLE --part template` prints one of them.");
    context.out.data(text)
}
