//! Jobs whose object went, its finalizer taken by force, while a session of theirs may run: this process is the last
//! that knows of it, and stops it from memory.

use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use tracing::{error, info, warn};

use super::memories::Remembered;
use super::{Context, Next, Presence, visit_as};
use crate::api::Reason;
use crate::cluster::events::{Kind, News};
use crate::lifecycle::bounds::OrphanCause;
use crate::lifecycle::words;

/// Says farewell to every object that had this name and is not `uid`, which has it now, if any has.
pub fn to_former(context: &Arc<Context>, namespace: &str, name: &str, uid: Option<&str>) {
    for former in context.memories.former(namespace, name, uid) {
        to_gone(context, &former);
    }
}

/// Says farewell to an object that is gone. If nothing of it can be running it is just forgotten.
pub fn to_gone(context: &Arc<Context>, uid: &str) {
    let (context, uid) = (context.clone(), uid.to_owned());
    tokio::spawn(async move { to(&context, &uid).await });
}

/// Ends what a vanished job has running, within the bounds of a deletion, and forgets it. At once if nothing runs.
pub async fn to(context: &Context, uid: &str) {
    let Some(remembered) = context.memories.get(uid) else {
        // A notification may have come after it was let go of.
        context.hearsay.forget(uid);
        return;
    };
    let job = {
        let mut remembered = remembered.lock().await;
        if remembered.farewell {
            return;
        }
        remembered.farewell = true;
        remembered.newest.clone().filter(|_| !remembered.memory.sessions.is_empty())
    };
    let Some(job) = job else {
        context.forget(uid);
        return;
    };
    let name = job.full_name();
    warn!(job = name, uid, "the object is gone while a session of it may run; it is stopped from memory");
    loop {
        let next = visit_as(context, job.clone(), Presence::Vanished).await;
        if remembered.lock().await.memory.sessions.is_empty() {
            break;
        }
        match next {
            Next::Never => break,
            Next::Visit(wait) | Next::AfterFailure(wait) => tokio::time::sleep(wait).await,
        }
    }
    context.forget(uid);
    info!(job = name, uid, "nothing of the vanished object runs any more, or it was reported");
}

/// At the end of the process: stops sessions whose sid could not be saved and those of vanished jobs, for nobody will know
/// of them afterwards; no longer than `limit`. What is not stopped by then is told of.
pub async fn before_the_end(context: &Context, limit: Duration) {
    let uids = context.memories.uids();
    let last = uids.iter().map(|uid| leave(context, uid));
    if tokio::time::timeout(limit, futures::future::join_all(last)).await.is_err() {
        for uid in uids {
            tell_of_left(context, &uid);
        }
    }
}

fn tell_of_left(context: &Context, uid: &str) {
    let Some(remembered) = context.memories.get(uid) else { return };
    let Ok(remembered) = remembered.try_lock() else { return };
    let Some(job) = remembered.newest.as_ref().filter(|_| is_known_here_alone(&remembered)) else { return };
    for known in remembered.memory.sessions.values() {
        let words = words::orphan(&known.session, OrphanCause::Unreachable);
        error!(job = job.full_name(), "{words}");
        context.metrics.orphan_left(known.session.token_end_time.as_ref().map(|end| end.0));
        let news = News { kind: Kind::Warning, reason: Reason::OrphanRisk, action: "Reconcile", note: words };
        context.events.publish_in(&context.operator_namespace, job.object_ref(&()), news);
    }
}

/// Saves what could not be saved, or else stops what nobody will know of.
async fn leave(context: &Context, uid: &str) {
    let Some(remembered) = context.memories.get(uid) else { return };
    let lost = async || {
        let remembered = remembered.lock().await;
        remembered
            .newest
            .clone()
            .filter(|_| is_known_here_alone(&remembered))
            .map(|job| (job, remembered.farewell))
    };
    let Some((job, gone)) = lost().await else { return };
    if !gone {
        visit_as(context, job, Presence::Present).await;
    }
    let Some((job, gone)) = lost().await else { return };
    warn!(uid, "a session that only this process knows of is stopped before it ends");
    let presence = if gone { Presence::Vanished } else { Presence::Leaving };
    while !remembered.lock().await.memory.sessions.is_empty() {
        match visit_as(context, job.clone(), presence).await {
            Next::Never => return,
            Next::Visit(wait) | Next::AfterFailure(wait) => tokio::time::sleep(wait).await,
        }
    }
    if !gone {
        // The API server may be there again, and then the next process need not wonder.
        visit_as(context, job, Presence::Present).await;
    }
}

fn is_known_here_alone(remembered: &Remembered) -> bool {
    if remembered.farewell && !remembered.memory.sessions.is_empty() {
        return true;
    }
    let saved = remembered.newest.as_ref().map(|job| job.status().sessions).unwrap_or_default();
    remembered.memory.sessions.values().any(|known| {
        known.session.sid.is_some() && !saved.iter().any(|session| session.sid == known.session.sid)
    })
}
