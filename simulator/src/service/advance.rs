//! The passing of time. Owns what a session does by itself: joining, taking snapshots, going idle, dying of a cause
//! that was there from the start, and leaving. Time is walked event by event, so a jump of hours gives the same
//! story as a thousand small steps.

use super::session::{EndReason, Phase, Session, Stream, TrackKind};
use super::{Effect, Service};
use crate::clock::{MINUTE, Millis, SECOND};
use crate::settings::name;
use crate::validate::Profile;

/// Video streams that one session receives [API §3.1].
const VIDEO_LIMIT: usize = 17;
/// `leaveCode` of event 41: nobody else in the channel [API §9.3].
const LEAVE_NO_USERS: u32 = 4;
/// `leaveCode` of event 41: the recorder left of its own accord.
pub(super) const LEAVE_CLIENT: u32 = 16;
/// How often the uploader tells its progress [API §9.3].
const PROGRESS_EVERY: Millis = MINUTE;

impl Service {
    /// Brings the service to `now` and says what has to be done.
    pub fn tick(&mut self, now: Millis) -> Vec<Effect> {
        self.advance_to(now);
        std::mem::take(&mut self.effects)
    }

    /// When something will happen by itself next; nothing if only a call can change anything.
    pub fn next_wakeup(&self) -> Option<Millis> {
        let times = [self.sessions.iter().filter_map(due).min(), self.next_gust(), self.outbox.next_due()];
        times.into_iter().flatten().min()
    }

    pub(super) fn advance_to(&mut self, now: Millis) {
        loop {
            let next = self.sessions.iter().enumerate().filter_map(|(i, s)| due(s).map(|at| (at, i))).min();
            let next = next.filter(|(at, _)| *at <= now);
            self.blow(next.map_or(now, |(at, _)| at));
            match next {
                Some((at, index)) => self.advance(at, index),
                None => break,
            }
        }
        self.send_due(now);
    }

    /// Does everything that is due for one session at this time.
    fn advance(&mut self, at: Millis, index: usize) {
        self.retry_uploads(at, index);
        let session = &mut self.sessions[index];
        if session.is_live() {
            if session.sts_end.take_if(|end| *end <= at).is_some() {
                self.tell_sts_expired(at, index);
            }
            let session = &self.sessions[index];
            let doomed = session.doom.filter(|(time, _)| *time <= at).map(|(_, reason)| reason);
            let expired = session.token_end.is_some_and(|end| end <= at).then_some(EndReason::TokenExpired);
            if let Some(reason) = doomed.or(expired) {
                self.leave(at, index, reason);
            }
        }
        if self.sessions[index].next_progress.is_some_and(|next| next <= at) {
            self.tell_progress(at, index);
            self.sessions[index].next_progress = Some(at + PROGRESS_EVERY);
        }
        match self.sessions[index].phase {
            Phase::Starting { steps } if steps[2] <= at => self.join(at, index),
            Phase::FailingOver { until } if until <= at => self.resume(at, index),
            Phase::Running => self.capture(at, index),
            Phase::Exiting { until } => {
                self.answer_held_stop(at, index);
                let session = &self.sessions[index];
                if until <= at && session.uploads_done() && session.held_stop.is_none() {
                    self.finish(at, index);
                }
            }
            Phase::Starting { .. } | Phase::FailingOver { .. } | Phase::Ended => {}
        }
    }

    fn join(&mut self, at: Millis, index: usize) {
        self.sessions[index].phase = Phase::Running;
        self.begin_uploader(at, index);
        self.watch_channel(at, index);
    }

    /// The recorder is in the channel, and the uploader beside it ready.
    pub(super) fn begin_uploader(&mut self, at: Millis, index: usize) {
        self.tell_joined(at, index);
        let silent = self.sessions[index].is_snapshot_only()
            && self.settings.is(name::SNAPSHOT_UPLOADER_EVENTS, "absent");
        if !silent {
            self.tell_uploader_started(at, index);
            self.sessions[index].next_progress = Some(at + PROGRESS_EVERY);
        }
    }

    /// Compares the channel with what the session receives: opens and closes streams, starts and ends idleness, and
    /// notices a user with the recorder's own uid.
    pub(super) fn watch_channel(&mut self, at: Millis, index: usize) {
        let session = &self.sessions[index];
        if !session.is_running() {
            return;
        }
        let channel = self.channels.get(&session.cname).cloned().unwrap_or_default();
        let profile = session.task.recording.profile;
        let video = self.received_video(&channel.video_uids(profile).collect::<Vec<u32>>(), session);
        let audio = received_audio(&channel, profile, session);

        let collides = channel.has(session.current_uid);
        let idle = channel.is_idle(profile, &self.settings);
        if collides && session.doom.is_none() {
            // The two evict each other until the recorder gives up.
            let gives_up = at + self.random.between(5 * SECOND, 15 * SECOND);
            self.sessions[index].doom = Some((gives_up, EndReason::UidCollision));
        }
        let session = &mut self.sessions[index];
        session.idle_since = if idle { session.idle_since.or(Some(at)) } else { None };
        self.match_streams(at, index, &video);
        self.match_audio(at, index, &audio);
        self.match_tracks(at, index, &video, &audio);
    }

    fn received_video(&self, sending: &[u32], session: &Session) -> Vec<u32> {
        let recording = &session.task.recording;
        if !recording.streams.video() {
            return Vec::new();
        }
        let limit = match self.settings.is(name::UID_GROUP, "cap") {
            true => recording.group_size.min(VIDEO_LIMIT),
            false => VIDEO_LIMIT,
        };
        // Who is received stays received: number 18 only gets in when one of the others leaves.
        let wanted = |uid: &&u32| recording.subscription.video.takes(**uid);
        let (held, new): (Vec<u32>, Vec<u32>) =
            sending.iter().filter(wanted).partition(|uid| session.streams.contains_key(uid));
        held.into_iter().chain(new).take(limit).collect()
    }

    fn match_streams(&mut self, at: Millis, index: usize, video: &[u32]) {
        let gone: Vec<u32> =
            self.sessions[index].streams.keys().filter(|uid| !video.contains(uid)).copied().collect();
        for uid in gone {
            self.sessions[index].streams.remove(&uid);
            self.tell_stream_state(at, index, (uid, TrackKind::Video), false);
        }
        for uid in video {
            if self.sessions[index].streams.contains_key(uid) {
                continue;
            }
            let first = match self.sessions[index].task.capture_interval {
                Some(_) if self.settings.is(name::FIRST_SNAPSHOT, "immediate") => {
                    Some(at + self.random.between(800, 1500))
                }
                Some(interval) => Some(at + interval),
                None => None,
            };
            self.sessions[index].streams.insert(*uid, Stream { next_snapshot: first, snapshots: 0 });
            self.tell_stream_state(at, index, (*uid, TrackKind::Video), true);
        }
    }

    fn match_audio(&mut self, at: Millis, index: usize, audio: &[u32]) {
        let received = std::mem::replace(&mut self.sessions[index].audio, audio.iter().copied().collect());
        for uid in received.iter().filter(|uid| !audio.contains(uid)) {
            self.tell_stream_state(at, index, (*uid, TrackKind::Audio), false);
        }
        for uid in audio.iter().filter(|uid| !received.contains(uid)) {
            self.tell_stream_state(at, index, (*uid, TrackKind::Audio), true);
        }
    }

    fn capture(&mut self, at: Millis, index: usize) {
        let session = &self.sessions[index];
        if idle_end(session).is_some_and(|end| end <= at) {
            self.leave(at, index, EndReason::Idle);
            return;
        }
        let interval = session.task.capture_interval.unwrap_or(Millis::MAX);
        let due: Vec<u32> = session
            .streams
            .iter()
            .filter(|(_, stream)| stream.next_snapshot.is_some_and(|next| next <= at))
            .map(|(uid, _)| *uid)
            .collect();
        for uid in due {
            self.take_snapshot(at, index, uid);
            if let Some(stream) = self.sessions[index].streams.get_mut(&uid) {
                stream.next_snapshot = stream.next_snapshot.map(|next| next.saturating_add(interval));
            }
        }
        self.cut_segments(at, index);
    }

    /// The session leaves its channel: from now on it costs nothing, takes nothing, and uploads what it has.
    pub(super) fn leave(&mut self, at: Millis, index: usize, reason: EndReason) {
        let crashed = matches!(reason, EndReason::Killed | EndReason::FailoverExhausted);
        if !crashed {
            self.close_tracks(at, index);
            self.tell_cause(at, index, reason);
            let code = if reason == EndReason::Idle { LEAVE_NO_USERS } else { LEAVE_CLIENT };
            self.tell_left(at, index, code);
        }
        let takes = self.random.between(3 * SECOND, 5 * SECOND);
        let session = &mut self.sessions[index];
        session.streams.clear();
        session.audio.clear();
        session.stopped_at = Some(at);
        session.end_reason = Some(reason);
        session.doom = None;
        session.idle_since = None;
        session.phase = Phase::Exiting { until: at + takes };
    }

    fn finish(&mut self, at: Millis, index: usize) {
        self.sessions[index].phase = Phase::Ended;
        self.sessions[index].next_progress = None;
        self.tell_uploads_done(at, index);
        self.tell_exit(at, index);
    }
}

fn received_audio(channel: &super::Channel, profile: Profile, session: &Session) -> Vec<u32> {
    let recording = &session.task.recording;
    if !recording.streams.audio() {
        return Vec::new();
    }
    channel.audio_uids(profile).filter(|uid| recording.subscription.audio.takes(*uid)).collect()
}

fn idle_end(session: &Session) -> Option<Millis> {
    session.idle_since.map(|since| since + session.task.recording.max_idle)
}

/// When this session needs attention next.
fn due(session: &Session) -> Option<Millis> {
    let mut times: Vec<Option<Millis>> = session.pending.values().map(|upload| upload.retry_at).collect();
    times.push(session.next_progress);
    if session.is_live() {
        times.extend([session.doom.map(|(at, _)| at), session.token_end, session.sts_end]);
    }
    match session.phase {
        Phase::Starting { steps } => times.push(Some(steps[2])),
        Phase::FailingOver { until } => times.push(Some(until)),
        Phase::Running => {
            times.push(idle_end(session));
            times.extend(session.streams.values().map(|stream| stream.next_snapshot));
            times.push(super::files::next_cut(session));
        }
        Phase::Exiting { until } => {
            let done = session.uploads_done();
            match session.held_stop {
                Some(held) if done => times.push(Some(held.earliest)),
                Some(held) => times.push(Some(held.overrun)),
                None if done => times.push(Some(until)),
                None => {}
            }
        }
        Phase::Ended => {}
    }
    times.into_iter().flatten().min()
}
