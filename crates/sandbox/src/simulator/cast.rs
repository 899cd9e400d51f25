//! Who acts in the accounts: users, roles, and the people and workloads outside of them.

use orgtrail_base::names::{AccountId, Arn, Partition};

use crate::simulation::{BASE32, random_text};

/// The users of every account.
pub(super) const USERS: [&str; 4] = ["alice.moreau", "build-agent", "deploy-bot", "j.okafor"];
/// The users who are people: they sign in to the console, and take session tokens.
pub(super) const PEOPLE: [&str; 2] = ["alice.moreau", "j.okafor"];
/// The people of the company's own identity provider.
pub(super) const SAML_PEOPLE: [&str; 2] = ["r.costa@example.com", "s.ahmed@example.com"];
/// The people of IAM Identity Center.
pub(super) const CENTER_PEOPLE: [&str; 2] = ["p.lindqvist@example.com", "m.tanaka@example.com"];
/// The instances of every account.
pub(super) const INSTANCES: [&str; 2] = ["i-0f3a9c1de57b42e88", "i-05c3218156bcc2469"];

/// A role that every account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    /// With slashes at both ends.
    path: &'static str,
    pub(super) name: &'static str,
}

impl Role {
    pub(super) const DEPLOY: Self = Self::new("deploy");
    pub(super) const AUDIT: Self = Self::new("readonly-audit");
    pub(super) const DATABASE: Self = Self::new("database-admin");
    pub(super) const OPERATIONS: Self = Self::new("org-operations");
    pub(super) const POWER_USER: Self = Self::new("power-user");
    pub(super) const CI: Self = Self::new("ci-publish");
    pub(super) const POD: Self = Self::new("payments-worker");
    pub(super) const APP_SERVER: Self = Self::new("app-server");
    pub(super) const INGEST: Self = Self::new("ingest");
    pub(super) const CENTER: Self = Self {
        path: "/aws-reserved/sso.amazonaws.com/",
        name: "AWSReservedSSO_PowerUser_1a2b3c4d5e6f7a8b",
    };

    const fn new(name: &'static str) -> Self {
        Self { path: "/", name }
    }

    pub(super) fn arn(self, partition: Partition, account: &AccountId) -> String {
        let resource = format!("role{}{}", self.path, self.name);
        Arn::global(partition, "iam", account, resource).to_string()
    }

    /// The unique id: the same whenever the role acts.
    pub(super) fn id(self, account: &AccountId) -> String {
        id_of(account, "AROA", self.name)
    }
}

/// The unique id of a user.
pub(super) fn user_id(account: &AccountId, name: &str) -> String {
    id_of(account, "AIDA", name)
}

/// The long-term key of a user.
pub(super) fn user_key(account: &AccountId, name: &str) -> String {
    let mut key = id_of(account, "AKIA", name);
    key.truncate(20);
    key
}

pub(super) fn user_arn(partition: Partition, account: &AccountId, name: &str) -> String {
    Arn::global(partition, "iam", account, format!("user/{name}")).to_string()
}

fn id_of(account: &AccountId, prefix: &str, name: &str) -> String {
    let bytes = name.bytes().chain(account.as_str().bytes());
    let mut random = fastrand::Rng::with_seed(hash(7, bytes));
    format!("{prefix}{}", random_text(&mut random, BASE32, 17))
}

fn hash(seed: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(seed, |seed, byte| seed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte))
}

/// The id of a person in the identity store of IAM Identity Center.
pub(super) fn center_user_id(person: &str) -> String {
    super::record::uuid(&mut fastrand::Rng::with_seed(hash(11, person.bytes())))
}

/// The identity store of IAM Identity Center, which the first account holds.
pub(super) fn identity_store(partition: Partition, account: &AccountId) -> String {
    let resource = "identitystore/d-90670abcde";
    Arn::global(partition, "identitystore", account, resource).to_string()
}

/// Where requests come from.
const SOURCES: [&str; 5] =
    ["198.51.100.17", "198.51.100.201", "203.0.113.9", "203.0.113.64", "192.0.2.145"];

/// The address from which somebody sends requests: the same for all of them.
pub(super) fn address(name: &str) -> &'static str {
    let index = hash(3, name.bytes()) % 5;
    usize::try_from(index).ok().and_then(|index| SOURCES.get(index)).unwrap_or(&SOURCES[0])
}

/// The accounts of a new organization come in this order.
fn place_in_row(account: &AccountId) -> Option<u64> {
    let id = account.as_str();
    match id {
        "111111111111" => Some(0),
        "222222222222" => Some(1),
        "333333333333" => Some(2),
        _ => id.strip_prefix('1')?.parse::<u64>().ok()?.checked_sub(1).filter(|place| *place > 2),
    }
}

fn at_place(place: u64) -> Option<AccountId> {
    match place {
        0..=2 => (place + 1).to_string().repeat(12).parse().ok(),
        _ => format!("1{:011}", place + 1).parse().ok(),
    }
}

/// The account whose roles an account's principals assume: the next one of the row. The last
/// one's is outside of the organization, and accounts that joined later have none.
pub(super) fn next(account: &AccountId) -> Option<AccountId> {
    at_place(place_in_row(account)?.checked_add(1)?)
}

/// The account whose principals assume roles of an account.
pub(super) fn previous(account: &AccountId) -> Option<AccountId> {
    at_place(place_in_row(account)?.checked_sub(1)?)
}

/// The first account of the row, which holds IAM Identity Center.
pub(super) fn first_account() -> Option<AccountId> {
    at_place(0)
}

/// The account of IAM Identity Center, the first one, if it records who takes credentials
/// for an account.
pub(super) fn center_of(account: &AccountId) -> Option<AccountId> {
    place_in_row(account).filter(|place| *place < CENTER_ACCOUNTS).and_then(|_| at_place(0))
}

/// The accounts of which IAM Identity Center's account records who takes credentials.
pub(super) fn center_accounts(account: &AccountId) -> impl Iterator<Item = AccountId> {
    let count = if place_in_row(account) == Some(0) { CENTER_ACCOUNTS } else { 0 };
    (0..count).filter_map(at_place)
}

/// Of the other accounts, Identity Center's own account records no calls: it would have to
/// make up all accounts' events to make up its own.
const CENTER_ACCOUNTS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_in_a_row() {
        let of = |id: &str| id.parse::<AccountId>().unwrap();
        for pair in [
            ("111111111111", "222222222222"),
            ("222222222222", "333333333333"),
            ("333333333333", "100000000004"),
            ("100000000004", "100000000005"),
        ] {
            assert_eq!(next(&of(pair.0)), Some(of(pair.1)));
            assert_eq!(previous(&of(pair.1)), Some(of(pair.0)));
        }
        assert_eq!(previous(&of("111111111111")), None);
        assert_eq!(next(&of("412345678901")), None);
        assert_eq!(previous(&of("412345678901")), None);
        assert_eq!(center_accounts(&of("111111111111")).count(), 3);
        assert_eq!(center_accounts(&of("222222222222")).count(), 0);
        assert_eq!(center_of(&of("333333333333")), Some(of("111111111111")));
        assert_eq!(center_of(&of("100000000004")), None);
    }
}
