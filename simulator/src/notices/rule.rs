//! What shall happen to notifications on their way, as the vendor warns of [API §9.1]. Owns the rules that a test
//! gives, and what they make of one notification; all rules that fit it act together. Times are virtual.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Occasion;
use crate::clock::{Millis, SECOND};
use crate::random::Random;

/// The noticeId of a second copy.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Double {
    /// That of the first: the vendor did not see the answer [API §9.1, duplicates possible].
    SameId,
    /// One of its own: the redundant mode [API §9.1], whose copies can only be told by what they say [API §9.2].
    OwnId,
}

/// How a signature is wrong [API §9.1: to be verified on the raw bytes].
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Forgery {
    /// Made with a secret that is not the endpoint's.
    WrongSecret,
    /// No signature is sent.
    Absent,
    /// The body got a space more after it was signed.
    AlteredBody,
}

/// What happens to which notifications, how often.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Only those of this App ID.
    pub app_id: Option<String>,
    /// Only those of this channel.
    pub cname: Option<String>,
    /// Only those of this session.
    pub sid: Option<String>,
    /// Only those of these types.
    pub event_types: Option<BTreeSet<u32>>,
    /// Only so many of a hundred, drawn by lot.
    pub percent: Option<u64>,
    /// Only so many in all.
    pub times: Option<u64>,
    /// They are never sent [API §9.1, loss possible].
    pub lose: bool,
    /// They are sent so much later [API §10, late duplicates].
    pub late_seconds: u64,
    /// Each is sent later by a time of its own, up to this: their order is lost [API §9.1, no order guarantee].
    pub shuffle_seconds: u64,
    /// They are sent twice.
    pub double: Option<Double>,
    /// The second copy is sent so much after the first.
    pub double_after_seconds: u64,
    /// They carry a wrong signature.
    pub forge: Option<Forgery>,
}

/// A rule that cannot be.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RuleError {
    /// Nothing would happen.
    #[error("the rule does nothing; it must have one of lose, lateSeconds, shuffleSeconds, double, forge")]
    Harmless,
    /// What is lost cannot be anything else.
    #[error(
        "what is lost is not sent; a rule with lose must not have lateSeconds, shuffleSeconds, double or forge"
    )]
    LostAndMore,
    /// A delay of nothing.
    #[error("doubleAfterSeconds needs double")]
    NothingDoubled,
    /// No share.
    #[error("percent cannot be {0}; it must be from 1 to 100")]
    BadShare(u64),
    /// Longer than any test.
    #[error("a delay cannot be {0} s; it must be at most 604800, a week")]
    LongDelay(u64),
}

/// What becomes of one notification.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fate {
    pub(super) lost: bool,
    /// How much later the first copy is sent.
    pub(super) delay: Millis,
    /// The second copy, and how much later it is sent.
    pub(super) copy: Option<(Double, Millis)>,
    pub(super) forged: Option<Forgery>,
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(pub(super) Vec<Rule>);

impl Rule {
    fn check(&self) -> Result<(), RuleError> {
        let sent_otherwise = self.late_seconds > 0
            || self.shuffle_seconds > 0
            || self.double.is_some()
            || self.forge.is_some();
        let longest = self.late_seconds.max(self.shuffle_seconds).max(self.double_after_seconds);
        match self.percent {
            Some(share) if !(1..=100).contains(&share) => Err(RuleError::BadShare(share)),
            _ if longest > 604_800 => Err(RuleError::LongDelay(longest)),
            _ if self.lose && sent_otherwise => Err(RuleError::LostAndMore),
            _ if self.double_after_seconds > 0 && self.double.is_none() => Err(RuleError::NothingDoubled),
            _ if !self.lose && !sent_otherwise => Err(RuleError::Harmless),
            _ => Ok(()),
        }
    }

    fn fits(&self, occasion: &Occasion) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        self.times != Some(0)
            && is(&self.app_id, &occasion.app_id)
            && is(&self.cname, &occasion.cname)
            && is(&self.sid, &occasion.sid)
            && self.event_types.as_ref().is_none_or(|types| types.contains(&occasion.event_type))
    }
}

impl Rules {
    /// Adds one.
    pub(super) fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        rule.check()?;
        self.0.push(rule);
        Ok(())
    }

    /// What the rules make of a notification, counted down.
    pub(super) fn fate(&mut self, occasion: &Occasion, random: &mut Random) -> Fate {
        let mut fate = Fate::default();
        let (mut late, mut shuffle, mut copy) = (0, 0, None);
        for rule in self.0.iter_mut().filter(|rule| rule.fits(occasion)) {
            if rule.percent.is_some_and(|share| random.between(1, 100) > share) {
                continue;
            }
            rule.times = rule.times.map(|left| left - 1);
            fate.lost |= rule.lose;
            late += rule.late_seconds * SECOND;
            shuffle += rule.shuffle_seconds * SECOND;
            copy = copy.or(rule.double.map(|double| (double, rule.double_after_seconds * SECOND)));
            fate.forged = fate.forged.or(rule.forge);
        }
        let mut delay = || late + random.between(0, shuffle);
        fate.delay = delay();
        fate.copy = copy.map(|(double, after)| (double, delay() + after));
        self.0.retain(|rule| rule.times != Some(0));
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion(event_type: u32) -> Occasion {
        Occasion {
            app_id: "app".into(),
            cname: "lobby".into(),
            sid: "s1".into(),
            event_type,
            ..Occasion::default()
        }
    }

    #[test]
    fn a_rule_hits_what_it_names_as_often_as_it_says() {
        let named = Rule { lose: true, ..Rule::default() };
        let table = [
            (Rule { app_id: Some("app".into()), ..named.clone() }, true),
            (Rule { app_id: Some("other".into()), ..named.clone() }, false),
            (Rule { cname: Some("lobby".into()), sid: Some("s1".into()), ..named.clone() }, true),
            (Rule { cname: Some("lobby".into()), sid: Some("s2".into()), ..named.clone() }, false),
            (Rule { event_types: Some([31, 45].into()), ..named.clone() }, true),
            (Rule { event_types: Some([31].into()), ..named.clone() }, false),
        ];
        for (rule, hit) in table {
            let mut rules = Rules::default();
            rules.add(rule.clone()).unwrap();
            assert_eq!(rules.fate(&occasion(45), &mut Random::new(1)).lost, hit, "{rule:?}");
        }
        let mut rules = Rules::default();
        rules.add(Rule { times: Some(2), ..named.clone() }).unwrap();
        let mut random = Random::new(1);
        let lost: Vec<bool> = (0..3).map(|_| rules.fate(&occasion(45), &mut random).lost).collect();
        assert_eq!((lost, rules.0.len()), (vec![true, true, false], 0));
        rules.add(Rule { percent: Some(30), ..named }).unwrap();
        let lost = (0..1000).filter(|_| rules.fate(&occasion(45), &mut random).lost).count();
        assert!((250..350).contains(&lost), "{lost} of 1000");
    }

    #[test]
    fn rules_act_together() {
        let mut rules = Rules::default();
        rules.add(Rule { late_seconds: 5, ..Rule::default() }).unwrap();
        let double = Rule { double: Some(Double::OwnId), double_after_seconds: 7, ..Rule::default() };
        rules.add(double).unwrap();
        rules.add(Rule { forge: Some(Forgery::Absent), ..Rule::default() }).unwrap();
        let fate = rules.fate(&occasion(45), &mut Random::new(1));
        let expected = Fate {
            lost: false,
            delay: 5_000,
            copy: Some((Double::OwnId, 12_000)),
            forged: Some(Forgery::Absent),
        };
        assert_eq!(fate, expected);
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        let table = [
            (Rule::default(), RuleError::Harmless),
            (Rule { lose: true, late_seconds: 1, ..Rule::default() }, RuleError::LostAndMore),
            (Rule { late_seconds: 1, double_after_seconds: 1, ..Rule::default() }, RuleError::NothingDoubled),
            (Rule { lose: true, percent: Some(0), ..Rule::default() }, RuleError::BadShare(0)),
            (Rule { late_seconds: 604_801, ..Rule::default() }, RuleError::LongDelay(604_801)),
        ];
        for (rule, error) in table {
            assert_eq!(Rules::default().add(rule), Err(error));
        }
    }
}
