//! Faults on demand: what a test asks to go wrong with the next calls. Owns the rules and which call one of them hits;
//! carrying them out is the HTTP layer's. Delays are real milliseconds, whatever the speed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// When a connection is closed without an answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Drop {
    /// Before the call has an effect.
    Before,
    /// After it had its effect.
    After,
}

/// An answer other than the service's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Substitute {
    /// HTTP status.
    pub status: u16,
    /// Body: a string is sent as it is, anything else as JSON.
    #[serde(default)]
    pub body: Value,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the call has its effect all the same.
    #[serde(default)]
    pub effect: bool,
}

/// What goes wrong, with which calls, how often.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Only calls of this verb.
    pub verb: Option<String>,
    /// Only calls of this channel.
    pub cname: Option<String>,
    /// How many calls; 1 unless said otherwise.
    pub times: Option<u64>,
    /// Wait before the effect.
    pub delay_before_ms: Option<u64>,
    /// Wait after the effect, before the answer.
    pub delay_after_ms: Option<u64>,
    /// Close the connection.
    pub drop: Option<Drop>,
    /// Answer otherwise.
    pub answer: Option<Substitute>,
}

/// A fault that cannot be.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum FaultError {
    /// Nothing would go wrong.
    #[error("the fault does nothing; it must have one of delayBeforeMs, delayAfterMs, drop, answer")]
    Harmless,
    /// Two ends for one call.
    #[error("a call is either dropped or answered; the fault must not have both drop and answer")]
    DropAndAnswer,
    /// No such verb.
    #[error("`{0}` is no verb; it must be acquire, start, query, update, updateLayout or stop")]
    UnknownVerb(String),
    /// No such status.
    #[error("{0} is no HTTP status; it must be from 200 to 599")]
    BadStatus(u16),
}

/// The faults that wait for their calls, first come first.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Adds one.
    pub fn add(&self, fault: Fault) -> Result<(), FaultError> {
        if fault.drop.is_some() && fault.answer.is_some() {
            return Err(FaultError::DropAndAnswer);
        }
        let harmless = fault.drop.is_none()
            && fault.answer.is_none()
            && fault.delay_before_ms.is_none()
            && fault.delay_after_ms.is_none();
        if harmless {
            return Err(FaultError::Harmless);
        }
        let verbs = ["acquire", "start", "query", "update", "updateLayout", "stop"];
        if let Some(verb) = fault.verb.as_deref().filter(|verb| !verbs.contains(verb)) {
            return Err(FaultError::UnknownVerb(verb.to_owned()));
        }
        if let Some(answer) = fault.answer.as_ref().filter(|answer| !(200..600).contains(&answer.status)) {
            return Err(FaultError::BadStatus(answer.status));
        }
        self.lock().push(fault);
        Ok(())
    }

    /// The fault that hits this call, counted down.
    pub fn take(&self, verb: &str, cname: &str) -> Option<Fault> {
        let mut faults = self.lock();
        let index = faults.iter().position(|fault| {
            fault.verb.as_deref().is_none_or(|wanted| wanted == verb)
                && fault.cname.as_deref().is_none_or(|wanted| wanted == cname)
        })?;
        let left = faults[index].times.unwrap_or(1).saturating_sub(1);
        if left == 0 {
            return Some(faults.remove(index));
        }
        faults[index].times = Some(left);
        Some(faults[index].clone())
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Those that still wait.
    pub fn pending(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().expect("no panic happens while the faults are locked")
    }
}
