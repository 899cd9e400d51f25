use orgtrail::ops::doctor::Item;
use orgtrail::ops::role_stacks::{AccountStack, Found, RoleStacks};
use orgtrail::plan::{Action, Step};

use super::{account, ago};

/// The stacks of the roles in so many accounts, with texts of AWS that end with `suffix`: one is
/// left out, and in two the role could not be created.
pub(crate) fn role_stacks(suffix: &str, accounts: usize) -> RoleStacks {
    let stack = |number: usize| {
        let (is_current, detailed, reason) = match number % 40 {
            38 => (false, "SKIPPED_SUSPENDED_ACCOUNT", None),
            39 => (false, "FAILED", Some("a role of this name exists")),
            _ => (true, "SUCCEEDED", None),
        };
        AccountStack {
            account: account(number).parse().unwrap(),
            stack: format!("orgtrail-member{suffix}"),
            is_current,
            status: if is_current { "CURRENT" } else { "OUTDATED" }.to_owned(),
            detailed_status: format!("{detailed}{suffix}"),
            cause: reason.map(|reason| {
                (format!("{reason}{suffix}"), Some(format!("rename the role{suffix}")))
            }),
        }
    };
    let mut stacks: Vec<AccountStack> = (1..accounts).map(stack).collect();
    stacks.sort_by_key(|stack| stack.is_current);
    let step = |id: &'static str, action, why: String| Step {
        id: id.into(),
        account: account(0).parse().unwrap(),
        region: None,
        action,
        changes: Vec::new(),
        why,
        hint: (action == Action::Blocked).then(|| format!("wait for it{suffix}")),
        unreadable: false,
        irreversible: None,
        notes: Vec::new(),
        depends_on: Vec::new(),
    };
    let steps = vec![
        step("organization", Action::Nothing, String::new()),
        step("role/member", Action::Nothing, String::new()),
        step("role/member/organization", Action::Update, format!("deploys the role{suffix}")),
        step("new-accounts-rule", Action::Blocked, format!("waits for a queue{suffix}")),
    ];
    let items = vec![
        Item::ok("stack-sets", "109 stacks current"),
        Item::problem(
            "stack-sets",
            format!("orgtrail-member: a role of this name exists in 2 accounts{suffix}"),
            format!("delete or rename the role{suffix}"),
        ),
    ];
    RoleStacks { as_of: ago(12), found: Ok(Found { steps, stacks, items }) }
}
