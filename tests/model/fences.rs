//! What must never be: a second session, a session that nobody knows of, a claim let go too early, a status that tools
//! misread. Judged by the truth of the world, which no operator sees whole.

use std::collections::BTreeSet;

use agora_snapshot_operator::api::SnapshotJobStatus;
use agora_snapshot_operator::api::status::{Session, SessionState};
use agora_snapshot_operator::lifecycle::conditions::Value;
use agora_snapshot_operator::lifecycle::observed::Observed;

use crate::object::Object;
use crate::vendor::{Asked, Life};
use crate::visit::resource_number;
use crate::world::World;

/// What is wrong with this moment.
pub fn moment(world: &World) -> Option<String> {
    let living = world.vendor.living();
    if living.len() > 2 {
        return Some(format!("{} sessions live at once", living.len()));
    }
    if living.len() == 2 {
        let uids: BTreeSet<i64> =
            living.iter().map(|resource| world.vendor.resources[*resource].uid).collect();
        if uids.len() < 2 {
            return Some("two sessions live that were asked for under one recorder uid".into());
        }
    }
    let stored = world.api.object.as_ref().map(|object| &object.status);
    let named = |resource: &usize| stored.is_some_and(|status| names(status, *resource));
    let lost = world
        .vendor
        .may_live(world.now)
        .into_iter()
        .find(|resource| !named(resource) && !world.reported.contains(resource));
    lost.map(|resource| match &world.api.object {
        Some(_) => format!("the session of resource {resource} may live, and no stored status names it"),
        None => format!("the object is gone, and the session of resource {resource} may live unreported"),
    })
}

/// What is wrong with a resourceId that is about to be asked for.
pub fn acquire(seen: &Observed) -> Option<String> {
    let refuses = seen.memory.preflight.as_ref().is_some_and(|tried| tried.value == Value::False);
    (refuses && seen.status.sessions.is_empty())
        .then(|| "a first session is asked for although the bucket is known to refuse files".into())
}

/// What is wrong with this start, which has just taken effect.
pub fn start(world: &World, asked: &Asked) -> Option<String> {
    let Some(object) = &world.api.object else {
        return Some("a start for an object that is gone".into());
    };
    (!names(&object.status, asked.resource))
        .then(|| format!("a start with resource {}, which no stored status claims", asked.resource))
}

/// What is wrong with a claim that was just written, by what may live beside it. Judged here and not when its start takes
/// effect: that may be late, or be repeated because nobody knows whether it was sent, and what ran beside the claim when it
/// was written may be ending by then.
fn claim(world: &World, object: &Object, claim: &Session) -> Option<String> {
    let uid = claim.recorder_uid;
    let others = object.status.sessions.iter().filter(|other| other.resource_id != claim.resource_id);
    let beside = others.filter(|other| may_live(world, other)).find_map(|other| {
        let allowed = match other.state {
            SessionState::Running => other.recorder_uid != uid,
            SessionState::Claimed
            | SessionState::Recovering
            | SessionState::Stopping
            | SessionState::Uncontrollable => other.recorder_uid == uid,
        };
        (!allowed).then(|| format!("{:?} session with uid {}", other.state, other.recorder_uid))
    });
    beside.map(|other| format!("a claim for uid {uid} beside a {other} that may live"))
}

/// Whether this start took effect for a reason that no rule can close: a failover of the vendor's gave the session in
/// doubt another uid, and its sid was lost, or it cannot be controlled any more. The second fence is down then.
pub fn is_beyond_promise(world: &World, asked: &Asked) -> bool {
    let Some(object) = &world.api.object else { return false };
    let uid = world.vendor.resources[asked.resource].uid;
    object.status.sessions.iter().any(|other| {
        let lost = match other.state {
            SessionState::Recovering | SessionState::Uncontrollable => true,
            SessionState::Claimed | SessionState::Running | SessionState::Stopping => false,
        };
        let moved = number(other).and_then(|resource| world.vendor.resources[resource].living()).is_some_and(
            |session| session.uid != other.recorder_uid || matches!(session.life, Life::Moving(_)),
        );
        lost && moved && other.recorder_uid == uid && number(other) != Some(asked.resource)
    })
}

/// What is wrong with the object that was just written, or with its going.
pub fn write(world: &World, before: Option<&Object>) -> Option<String> {
    let may_live = world.vendor.may_live(world.now);
    let dropped = before.into_iter().flat_map(|before| &before.status.sessions).find(|session| {
        let resource = number(session);
        let kept = world.api.object.as_ref().is_some_and(|object| {
            object.status.sessions.iter().any(|now| now.resource_id == session.resource_id)
        });
        let lives = resource
            .is_some_and(|resource| may_live.contains(&resource) && !world.reported.contains(&resource));
        !kept && lives
    });
    if let Some(session) = dropped {
        return Some(format!(
            "the {:?} session of {} is let go and may live",
            session.state, session.resource_id
        ));
    }
    let object = world.api.object.as_ref()?;
    if object.status.sessions.len() > 4 {
        return Some("more sessions in the status than the schema takes".into());
    }
    let is_new = |session: &&Session| {
        let known = before.into_iter().flat_map(|before| &before.status.sessions);
        session.state == SessionState::Claimed
            && !known.into_iter().any(|known| known.resource_id == session.resource_id)
    };
    let claims = object.status.sessions.iter().filter(is_new);
    if let Some(why) = claims.filter(|_| !world.beyond).find_map(|new| claim(world, object, new)) {
        return Some(why);
    }
    let wrong = object.violations();
    (!wrong.is_empty()).then(|| format!("tools would misread the status: {}", wrong.join("; ")))
}

fn may_live(world: &World, session: &Session) -> bool {
    number(session).is_some_and(|resource| world.vendor.may_live(world.now).contains(&resource))
}

fn names(status: &SnapshotJobStatus, resource: usize) -> bool {
    status.sessions.iter().any(|session| number(session) == Some(resource))
}

fn number(session: &Session) -> Option<usize> {
    resource_number(&session.resource_id)
}
