//! What channels received, for tests: AWS has no calls that return it.

use orgtrail_base::names::{AccountId, Arn, Region};
use serde_json::Value;

use super::services::cloudtrail::lake::EventDataStore;
use super::services::sqs;
use super::start::Sandbox;

impl Sandbox {
    /// The last messages that were published to a topic, the oldest first: the input of the
    /// calls.
    #[must_use]
    pub fn published_raw(&self, topic: &Arn) -> Vec<Value> {
        let control = self.simulation.control.read();
        let owner = topic.account.as_ref().and_then(|owner| control.accounts.get(owner));
        owner.map(|owner| owner.sns.messages(&topic.to_string())).unwrap_or_default()
    }

    /// The events on the default event buses of an account, the oldest first.
    #[must_use]
    pub fn events_raw(&self, account: &AccountId) -> Vec<Value> {
        let control = self.simulation.control.read();
        control.accounts.get(account).map(|it| it.events.received()).unwrap_or_default()
    }

    /// The bodies of the messages in a queue, the oldest first.
    #[must_use]
    pub fn queue_raw(&self, queue: &Arn) -> Vec<String> {
        let control = self.simulation.control.read();
        let owner = queue.account.as_ref().and_then(|owner| control.accounts.get(owner));
        owner.map(|owner| owner.sqs.bodies(&queue.to_string())).unwrap_or_default()
    }

    /// Sends a message to a queue, past its policy, as somebody may who is allowed to.
    pub fn send_raw(&self, queue: &Arn, body: &str) {
        let mut control = self.simulation.control.write();
        sqs::send_raw(&mut control, &self.simulation, queue, body);
        drop(control);
        self.simulation.touch();
    }

    /// The findings in Security Hub of an account.
    #[must_use]
    pub fn findings_raw(&self, account: &AccountId) -> Vec<Value> {
        let control = self.simulation.control.read();
        control.accounts.get(account).map(|it| it.security_hub.findings()).unwrap_or_default()
    }

    /// Lets AWS Config record, and enables GuardDuty and Security Hub, in a Region of an account.
    pub fn enable_neighbors(&self, account: &AccountId, region: &Region) {
        let id = self.simulation.random_text("0123456789abcdef", 32);
        if let Some(account) = self.simulation.control.write().accounts.get_mut(account) {
            account.config.record(region.clone());
            account.guardduty.enable(region.clone(), id);
            account.security_hub.enable(region.clone());
        }
        self.simulation.touch();
    }

    /// Sets up a Control Tower landing zone of this version in the home Region, as its API
    /// shows it: its trail and bucket are not created.
    pub fn set_up_landing_zone(&self, version: &str, manifest: Value) {
        let region = self.simulation.home_region.clone();
        let mut control = self.simulation.control.write();
        let management = control.organization.as_ref().map(|it| it.management_account.clone());
        if let Some(account) = management {
            let id = self.simulation.random_text("0123456789ABCDEF", 16);
            let partition = self.simulation.partition;
            let zone = format!("landingzone/{id}");
            let arn = Arn::regional(partition, "controltower", &region, &account, zone).to_string();
            if let Some(account) = control.accounts.get_mut(&account) {
                account.control_tower.set_up(arn, region, version, manifest);
            }
        }
        drop(control);
        self.simulation.touch();
    }

    /// Lets an account have an event data store of CloudTrail Lake, as a customer of before has.
    pub fn have_event_data_store(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        organization: bool,
    ) {
        let id = self.simulation.uuid();
        let place = (self.simulation.partition, region, account);
        let now = self.simulation.clock.now();
        let store = EventDataStore::new(place, &id, name, organization, now);
        if let Some(account) = self.simulation.control.write().accounts.get_mut(account) {
            account.cloudtrail.event_data_stores.push(store);
        }
        self.simulation.touch();
    }

    /// Enables Security Hub in a Region of an account.
    pub fn enable_security_hub(&self, account: &AccountId, region: &Region) {
        if let Some(account) = self.simulation.control.write().accounts.get_mut(account) {
            account.security_hub.enable(region.clone());
        }
        self.simulation.touch();
    }
}
