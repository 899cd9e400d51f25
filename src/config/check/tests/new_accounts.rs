//! The queue of account events.

use super::*;

fn section(lines: &str) -> String {
    config("", "", &format!("[new_accounts]\n{lines}"))
}

#[test]
fn a_queue_has_a_name_that_a_rule_can_have_too() {
    let queue = |name: &str| section(&format!("queue = \"{name}\""));
    assert_eq!(findings(&queue(&"q".repeat(64))), []);
    only(&queue(&"q".repeat(65)), ERROR, "new_accounts.queue", "expected at most 64");
    only(&queue("orders.fifo"), ERROR, "new_accounts.queue", "not a FIFO queue");
}

#[test]
fn an_account_has_at_least_the_time_of_two_deliveries() {
    let within = |minutes: u32| section(&format!("covered_within_minutes = {minutes}"));
    assert_eq!(findings(&within(10)), []);
    let key = "new_accounts.covered_within_minutes";
    only(&within(9), ERROR, key, "found 9, expected at least 10");
}
