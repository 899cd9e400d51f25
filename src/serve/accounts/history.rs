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

/// What a list of the accounts shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Accounts that joined.
    pub joined: Vec<AccountEvent>,
    /// Memberships that are over: the account has a newer one.
    pub departed: Vec<AccountEvent>,
    /// Memberships that are over if AWS confirms that the account is no member.
    pub missing: Vec<AccountEvent>,
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

    /// What a complete list of the accounts shows that is new. The list may be older than what
    /// is known, because another replica has read a newer one.
    #[must_use]
    pub fn compare(&self, list: &[Listed], at: Timestamp) -> Compared {
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
        let new: Vec<&Listed> = list.iter().filter(|it| !is_known(it)).collect();
        let joined = new.iter().map(|it| event(&it.membership, &it.name, AccountStep::Joined));
        let current: Vec<(&Membership, &str)> =
            self.current().chain(new.iter().map(|it| (&it.membership, it.name.as_str()))).collect();
        // Of an account, only the newest membership is not over.
        let mut newest: BTreeMap<&AccountId, Timestamp> = BTreeMap::new();
        let known = self.baseline.keys().chain(self.memberships.keys());
        for membership in known.chain(list.iter().map(|it| &it.membership)) {
            let at = newest.entry(&membership.account).or_insert(membership.joined_at);
            *at = (*at).max(membership.joined_at);
        }
        let listed: BTreeMap<&AccountId, Timestamp> =
            list.iter().map(|it| (&it.membership.account, it.membership.joined_at)).collect();
        let (mut departed, mut missing) = (Vec::new(), Vec::new());
        for (membership, name) in current {
            let gone = event(membership, name, AccountStep::Departed);
            if newest.get(&membership.account).is_some_and(|it| *it > membership.joined_at) {
                departed.push(gone);
            } else if !listed.contains_key(&membership.account) {
                missing.push(gone);
            }
        }
        Compared { joined: joined.collect(), departed, missing }
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

    /// Compares lists one after the other, as the watcher does: `now` is what AWS confirms.
    fn after(
        first: &AccountBaseline,
        lists: &[(i64, Vec<Listed>)],
        now: &[Listed],
    ) -> AccountHistory {
        let mut history = AccountHistory::of(Some(first), []);
        for (time, list) in lists {
            let Compared { joined, departed, missing } = history.compare(list, at(*time));
            let is_member =
                |event: &AccountEvent| now.iter().any(|it| it.membership.account == event.account);
            joined.iter().chain(&departed).for_each(|event| history.add(event));
            missing.iter().filter(|it| !is_member(it)).for_each(|event| history.add(event));
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
        let list = vec![listed(1, -100), listed(2, 5)];
        let mut history = after(&first, &[(10, list.clone())], &list);
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
        let compared = history.compare(&[listed(1, -100)], at(900));
        assert!(compared.joined.is_empty() && compared.departed.is_empty());
        assert_eq!(compared.missing.len(), 1);
        history.add(&compared.missing[0]);
        assert_eq!(history.departed().count(), 1);
        let compared = history.compare(&[listed(1, -100), listed(2, 950)], at(999));
        assert_eq!((compared.joined.len(), compared.missing.len()), (1, 0));
    }

    #[test]
    fn an_old_list_ends_no_newer_membership() {
        let first = baseline(&[listed(1, 0)]);
        let newer = vec![listed(1, 50), listed(2, 60)];
        let mut history = after(&first, &[(70, newer.clone())], &newer);
        assert_eq!(history.departed().count(), 1);
        // Another replica's, which was read before.
        let compared = history.compare(&[listed(1, 0)], at(80));
        assert_eq!((compared.joined.len(), compared.departed.len()), (0, 0));
        let [missing] = compared.missing.as_slice() else { panic!("{compared:?}") };
        assert_eq!(missing.account, listed(2, 60).membership.account);
        // A membership that is known only from an old list is over.
        let compared = history.compare(&[listed(1, 20)], at(80));
        assert_eq!((compared.joined.len(), compared.departed.len()), (1, 1));
        compared.joined.iter().chain(&compared.departed).for_each(|event| history.add(event));
        assert_eq!(history.current().count(), 2);
    }

    #[test]
    fn an_account_of_the_first_list_that_leaves_is_reported_and_never_joined() {
        let first = baseline(&[listed(1, -100), listed(2, -90)]);
        let left = vec![listed(1, -100)];
        let history = after(&first, &[(10, left.clone())], &left);
        assert_eq!(history.departed().count(), 1);
        assert_eq!(history.joined().count(), 0);
        assert_eq!(history.current().count(), 1);
    }

    /// The times at which six accounts join and leave in turn.
    fn any_past() -> impl Strategy<Value = Vec<std::collections::BTreeSet<i64>>> {
        proptest::collection::vec(proptest::collection::btree_set(0_i64..100, 0..6), 6)
    }

    /// Who is a member at a time.
    fn members(past: &[std::collections::BTreeSet<i64>], time: i64) -> Vec<Listed> {
        let of_account = |(number, turns): (usize, &std::collections::BTreeSet<i64>)| {
            let before: Vec<i64> = turns.iter().copied().filter(|it| *it <= time).collect();
            let is_member = before.len() % 2 == 1;
            is_member.then(|| listed(u8::try_from(number).unwrap(), *before.last().unwrap()))
        };
        past.iter().enumerate().filter_map(of_account).collect()
    }

    fn any_list() -> impl Strategy<Value = Vec<Listed>> {
        (any_past(), 0_i64..100).prop_map(|(past, time)| members(&past, time))
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_of_lists_leads_to_the_same_history(
            past in any_past(),
            times in proptest::collection::btree_set(10_i64..100, 0..8),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..16),
        ) {
            let first = baseline(&members(&past, 9));
            let in_order: Vec<(i64, Vec<Listed>)> =
                times.iter().map(|time| (*time, members(&past, *time))).collect();
            let mut shuffled = in_order.clone();
            if !in_order.is_empty() {
                // Some are read again, others late.
                let again = order.iter().map(|index| in_order[index.index(in_order.len())].clone());
                shuffled.extend(again);
                let count = shuffled.len();
                for (at, index) in order.iter().enumerate() {
                    shuffled.swap(at % count, index.index(count));
                }
            }
            // What every replica reads in the end, and what AWS confirms meanwhile.
            let now = members(&past, 100);
            let last = (100, now.clone());
            let one: Vec<_> = in_order.into_iter().chain([last.clone()]).collect();
            let other: Vec<_> = shuffled.into_iter().chain([last]).collect();
            let other = after(&first, &other, &now);
            prop_assert_eq!(outline(&after(&first, &one, &now)), outline(&other));
            let current: Vec<_> = other.current().map(|(it, _)| it.clone()).collect();
            prop_assert_eq!(current.len(), now.len());
            prop_assert!(now.iter().all(|it| current.contains(&it.membership)));
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
