//! What the service is asked and told about notifications, as of a time: endpoints, rules, bodies on demand, outcomes.
//! Owns the step between the outbox and the service's effects; the outbox does the rest.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Effect, Service};
use crate::clock::Millis;
use crate::notices::{Counts, Endpoint, EndpointError, Forgery, Notice, Outcome, Rule, RuleError};

/// There is nowhere to send to.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("App ID `{0}` has no endpoint for notifications")]
pub struct NoEndpoint(pub String);

impl Service {
    /// Sends the notifications of an App ID to an endpoint from now on. Which addresses are taken is a setting's.
    pub fn set_endpoint(
        &mut self,
        now: Millis,
        app_id: &str,
        to: Endpoint,
    ) -> Result<Vec<Effect>, EndpointError> {
        self.advance_to(now);
        self.outbox.set_endpoint(app_id, to, &self.settings)?;
        Ok(std::mem::take(&mut self.effects))
    }

    /// Sends the notifications of an App ID nowhere from now on.
    pub fn remove_endpoint(&mut self, now: Millis, app_id: &str) -> Vec<Effect> {
        self.advance_to(now);
        self.outbox.remove_endpoint(app_id);
        std::mem::take(&mut self.effects)
    }

    /// The endpoints, by App ID.
    pub fn endpoints(&self) -> &BTreeMap<String, Endpoint> {
        self.outbox.endpoints()
    }

    /// Lets something happen to coming notifications.
    pub fn add_notice_rule(&mut self, now: Millis, rule: Rule) -> Result<Vec<Effect>, RuleError> {
        self.advance_to(now);
        self.outbox.add_rule(rule)?;
        Ok(std::mem::take(&mut self.effects))
    }

    /// Forgets all rules; what they did to notifications that wait stays done.
    pub fn clear_notice_rules(&mut self, now: Millis) -> Vec<Effect> {
        self.advance_to(now);
        self.outbox.clear_rules();
        std::mem::take(&mut self.effects)
    }

    /// The rules in force.
    pub fn notice_rules(&self) -> &[Rule] {
        self.outbox.rules()
    }

    /// Sends the console's test of an endpoint: one call for each subscribed event. Gives their numbers.
    pub fn test_endpoint(
        &mut self,
        now: Millis,
        app_id: &str,
    ) -> Result<(Vec<u64>, Vec<Effect>), NoEndpoint> {
        self.advance_to(now);
        self.check_endpoint(app_id)?;
        let numbers = self.outbox.test(now, app_id, &self.settings);
        self.send_due(now);
        Ok((numbers, std::mem::take(&mut self.effects)))
    }

    /// Sends a body as it is, signed unless `forged`; no rule touches it. Gives its number.
    pub fn send_raw(
        &mut self,
        now: Millis,
        app_id: &str,
        body: Vec<u8>,
        forged: Option<Forgery>,
    ) -> Result<(u64, Vec<Effect>), NoEndpoint> {
        self.advance_to(now);
        self.check_endpoint(app_id)?;
        let number = self.outbox.raw(now, app_id, body, forged);
        self.send_due(now);
        Ok((number, std::mem::take(&mut self.effects)))
    }

    /// Tells what came of an attempt to deliver the notification of this number. It moves no session.
    pub fn notified(&mut self, now: Millis, number: u64, outcome: Outcome) -> Vec<Effect> {
        self.outbox.settle(now, number, outcome, &self.settings);
        self.send_due(now);
        std::mem::take(&mut self.effects)
    }

    /// Every notification since the start.
    pub fn notices(&self) -> &[Notice] {
        self.outbox.notices()
    }

    /// Totals of them.
    pub fn notice_counts(&self) -> Counts {
        Counts { coming: self.storm_to_come(), ..self.outbox.counts() }
    }

    pub(super) fn check_endpoint(&self, app_id: &str) -> Result<(), NoEndpoint> {
        match self.outbox.endpoints().contains_key(app_id) {
            true => Ok(()),
            false => Err(NoEndpoint(app_id.to_owned())),
        }
    }

    pub(super) fn send_due(&mut self, now: Millis) {
        let due = self.outbox.take_due(now, &self.clock);
        self.effects.extend(due.into_iter().map(Effect::Notify));
    }
}
