//! What is known about the accounts' memberships, from events in any order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::names::AccountId;
use crate::report::contract::new_accounts::{AccountBaseline, AccountEvent, AccountStep};

/// One membership: an account that leaves and joins again has two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The account.
    pub account: AccountId,
    /// When it joined, as AWS Organizations has it.
    pub joined_at: Timestamp,
}

/// An account in the list of the organization's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The membership.
    pub membership: Membership,
    /// The account's name.
    pub name: String,
}

/// What happened in a membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// The account's name.
    pub name: String,
    /// When each step was noticed.
    pub at: BTreeMap<AccountStep, Timestamp>,
}

/// The memberships, and what happened in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountHistory {
    /// The accounts that were there first, with their names.
    baseline: BTreeMap<Membership, String>,
    /// When those were read; none before.
    began_at: Option<Timestamp>,
    memberships: BTreeMap<Membership, Steps>,
}

impl AccountHistory {
    /// The history of a baseline and of events, in any order and any number of times.
    #[must_use]
    pub fn of<'a>(
        baseline: Option<&AccountBaseline>,
        events: impl IntoIterator<Item = &'a AccountEvent>,
    ) -> Self {
        let mut history = Self::default();
        if let Some(baseline) = baseline {
            history.began_at = Some(baseline.read_at);
            history.baseline = baseline
                .accounts
                .iter()
                .map(|it| {
                    let (account, joined_at) = (it.account.clone(), it.joined_at);
                    (Membership { account, joined_at }, it.name.clone())
                })
                .collect();
        }
        for event in events {
            history.add(event);
        }
        history
    }

    /// Adds an event. Of a step that is known, the earlier notice counts.
    pub fn add(&mut self, event: &AccountEvent) {
        let membership = Membership { account: event.account.clone(), joined_at: event.joined_at };
        let steps = self.memberships.entry(membership).or_default();
        // The name does not depend on the order of events.
        if event.step == AccountStep::Joined || steps.name.is_empty() {
            steps.name.clone_from(&event.name);
        }
        let at = steps.at.entry(event.step).or_insert(event.noticed_at);
        *at = (*at).min(event.noticed_at);
    }

    /// When the first list was read.
    #[must_use]
    pub fn began_at(&self) -> Option<Timestamp> {
        self.began_at
    }

    /// What a complete list of the accounts shows that is new: accounts that joined, and
    /// memberships that are not in it. Whether those are over is to be confirmed.
    #[must_use]
    pub fn compare(
        &self,
        list: &[Listed],
        at: Timestamp,
    ) -> (Vec<AccountEvent>, Vec<AccountEvent>) {
        let event = |membership: &Membership, name: &str, step| AccountEvent {
            account: membership.account.clone(),
            name: name.to_owned(),
            joined_at: membership.joined_at,
            step,
            noticed_at: at,
        };
        let is_known = |it: &Listed| {
            self.baseline.contains_key(&it.membership)
                || self.memberships.contains_key(&it.membership)
        };
        let new = list.iter().filter(|it| !is_known(it));
        let joined = new.map(|it| event(&it.membership, &it.name, AccountStep::Joined)).collect();
        let is_listed =
            |membership: &Membership| list.iter().any(|it| it.membership == *membership);
        let missing = self
            .current()
            .filter(|(membership, _)| !is_listed(membership))
            .map(|(membership, name)| event(membership, name, AccountStep::Departed))
            .collect();
        (joined, missing)
    }

    /// The memberships that are not over, with the accounts' names.
    pub fn current(&self) -> impl Iterator<Item = (&Membership, &str)> {
        let baseline = self.baseline.iter().map(|(membership, name)| (membership, name.as_str()));
        let joined = self.joined().map(|(membership, steps)| (membership, steps.name.as_str()));
        let is_over = |membership: &Membership| {
            let steps = self.memberships.get(membership);
            steps.is_some_and(|steps| steps.departed_at().is_some())
        };
        baseline.chain(joined).filter(move |(membership, _)| !is_over(membership))
    }

    /// The memberships that began since the first list, the oldest first.
    pub fn joined(&self) -> impl DoubleEndedIterator<Item = (&Membership, &Steps)> {
        let mut joined: Vec<_> = self
            .memberships
            .iter()
            .filter(|(membership, _)| !self.baseline.contains_key(*membership))
            .collect();
        joined.sort_by_key(|(membership, _)| membership.joined_at);
        joined.into_iter()
    }

    /// The memberships that are over, the one that ended first at the beginning.
    pub fn departed(&self) -> impl DoubleEndedIterator<Item = (&Membership, &str, Timestamp)> {
        let mut departed: Vec<_> = self
            .memberships
            .iter()
            .filter_map(|(membership, steps)| {
                Some((membership, steps.name.as_str(), steps.departed_at()?))
            })
            .collect();
        departed.sort_by_key(|(_, _, at)| *at);
        departed.into_iter()
    }

    /// The memberships that are neither covered nor over.
    pub fn uncovered(&self) -> impl Iterator<Item = (&Membership, &Steps)> {
        self.joined()
            .filter(|(_, steps)| steps.covered_at().is_none() && steps.departed_at().is_none())
    }

    /// What happened in a membership.
    #[must_use]
    pub fn steps(&self, membership: &Membership) -> Option<&Steps> {
        self.memberships.get(membership)
    }
}

impl Steps {
    /// When the first delivery was noticed.
    #[must_use]
    pub fn covered_at(&self) -> Option<Timestamp> {
        self.at.get(&AccountStep::Covered).copied()
    }

    /// When it was noticed that the account left.
    #[must_use]
    pub fn departed_at(&self) -> Option<Timestamp> {
        self.at.get(&AccountStep::Departed).copied()
    }
}

impl Membership {
    /// For how long the account was a member at a time.
    #[must_use]
    pub fn age(&self, at: Timestamp) -> SignedDuration {
        at.duration_since(self.joined_at).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::contract::new_accounts::BaselineAccount;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn listed(number: u8, joined: i64) -> Listed {
        let account: AccountId =
            format!("{:012}", 100_000_000_000 + u64::from(number)).parse().unwrap();
        Listed {
            membership: Membership { account, joined_at: at(joined) },
            name: format!("account {number}"),
        }
    }

    fn baseline(list: &[Listed]) -> AccountBaseline {
        let accounts = list.iter().map(|it| BaselineAccount {
            account: it.membership.account.clone(),
            name: it.name.clone(),
            joined_at: it.membership.joined_at,
        });
        AccountBaseline { read_at: at(0), accounts: accounts.collect() }
    }

    /// Compares lists one after the other, as the watcher does that confirms every departure.
    fn after(first: &AccountBaseline, lists: &[(i64, Vec<Listed>)]) -> AccountHistory {
        let mut history = AccountHistory::of(Some(first), []);
        for (time, list) in lists {
            let (joined, departed) = history.compare(list, at(*time));
            joined.iter().chain(&departed).for_each(|event| history.add(event));
        }
        history
    }

    /// What happened, without when it was noticed.
    fn outline(history: &AccountHistory) -> Vec<(Membership, Vec<AccountStep>)> {
        let steps = |steps: &Steps| steps.at.keys().copied().collect();
        history.memberships.iter().map(|(it, of)| (it.clone(), steps(of))).collect()
    }

    #[test]
    fn an_account_joins_is_covered_and_leaves_and_joins_again() {
        let first = baseline(&[listed(1, -100)]);
        let mut history = after(&first, &[(10, vec![listed(1, -100), listed(2, 5)])]);
        let membership = listed(2, 5).membership;
        assert_eq!(history.uncovered().count(), 1);
        let covered = AccountEvent {
            account: membership.account.clone(),
            name: "account 2".to_owned(),
            joined_at: membership.joined_at,
            step: AccountStep::Covered,
            noticed_at: at(545),
        };
        history.add(&covered);
        assert_eq!(history.uncovered().count(), 0);
        let steps = history.steps(&membership).unwrap();
        assert_eq!(membership.age(steps.covered_at().unwrap()).as_mins(), 9);
        let (joined, missing) = history.compare(&[listed(1, -100)], at(900));
        assert!(joined.is_empty());
        assert_eq!(missing.len(), 1);
        history.add(&missing[0]);
        assert_eq!(history.departed().count(), 1);
        let (joined, missing) = history.compare(&[listed(1, -100), listed(2, 950)], at(999));
        assert_eq!((joined.len(), missing.len()), (1, 0));
    }

    #[test]
    fn an_account_of_the_first_list_that_leaves_is_reported_and_never_joined() {
        let first = baseline(&[listed(1, -100), listed(2, -90)]);
        let history = after(&first, &[(10, vec![listed(1, -100)])]);
        assert_eq!(history.departed().count(), 1);
        assert_eq!(history.joined().count(), 0);
        assert_eq!(history.current().count(), 1);
    }

    fn any_list() -> impl Strategy<Value = Vec<Listed>> {
        // Up to six accounts, each in one of three memberships.
        proptest::collection::btree_map(0_u8..6, 0_i64..3, 0..6)
            .prop_map(|list| list.into_iter().map(|(n, joined)| listed(n, joined)).collect())
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_of_lists_leads_to_the_same_history(
            first in any_list(),
            lists in proptest::collection::vec(any_list(), 0..6),
            last in any_list(),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let first = baseline(&first);
            let in_order: Vec<_> = lists.iter().cloned().zip(1_i64..).map(|(l, t)| (t, l)).collect();
            let mut shuffled = in_order.clone();
            if !lists.is_empty() {
                // Some are read again, others late.
                shuffled.extend(order.iter().map(|index| in_order[index.index(lists.len())].clone()));
                let count = shuffled.len();
                for (at, index) in order.iter().enumerate() {
                    shuffled.swap(at % count, index.index(count));
                }
            }
            // What every replica reads in the end.
            let last = (100, last);
            let one: Vec<_> = in_order.into_iter().chain([last.clone()]).collect();
            let other: Vec<_> = shuffled.into_iter().chain([last]).collect();
            prop_assert_eq!(outline(&after(&first, &one)), outline(&after(&first, &other)));
        }

        #[test]
        fn any_order_and_repetition_of_events_is_the_same_history(
            first in any_list(),
            events in proptest::collection::vec((0_u8..4, 0_i64..3, 0_usize..5, 0_i64..50), 0..20),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let first = baseline(&first);
            let events: Vec<AccountEvent> = events.into_iter().map(|(number, joined, step, time)| {
                let of = listed(number, joined);
                AccountEvent {
                    account: of.membership.account,
                    name: of.name,
                    joined_at: of.membership.joined_at,
                    step: AccountStep::ALL[step],
                    noticed_at: at(time),
                }
            }).collect();
            let mut shuffled = events.clone();
            if !events.is_empty() {
                shuffled.extend(order.iter().map(|index| events[index.index(events.len())].clone()));
                let count = shuffled.len();
                for (at, index) in order.iter().enumerate() {
                    shuffled.swap(at % count, index.index(count));
                }
            }
            let history = AccountHistory::of(Some(&first), &events);
            prop_assert_eq!(AccountHistory::of(Some(&first), &shuffled), history);
        }
    }
}
