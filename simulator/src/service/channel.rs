//! Channels and who is in them. Owns the users that the control interface puts there, and what their coming and going
//! means for the sessions that watch.

use serde::{Deserialize, Serialize};

use super::{Effect, Service};
use crate::clock::Millis;
use crate::settings::{Settings, name};
use crate::validate::Profile;

/// A user of a channel. What is left out of a request is true: the usual user sends both and is a host.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Sends video.
    pub video: bool,
    /// Sends audio.
    pub audio: bool,
    /// Is a host, which only matters in the live profile: an audience sends nothing there.
    pub host: bool,
}

impl Default for User {
    fn default() -> Self {
        Self { video: true, audio: true, host: true }
    }
}

/// Users in the order in which they joined. One channel name is one channel, whatever the App ID of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    users: Vec<(u32, User)>,
}

impl Channel {
    fn sends(profile: Profile, user: User) -> bool {
        profile == Profile::Communication || user.host
    }

    /// Who sends video, first come first.
    pub(super) fn video_uids(&self, profile: Profile) -> impl Iterator<Item = u32> + '_ {
        self.users
            .iter()
            .filter(move |(_, user)| user.video && Self::sends(profile, *user))
            .map(|(uid, _)| *uid)
    }

    /// Who sends audio, first come first.
    pub(super) fn audio_uids(&self, profile: Profile) -> impl Iterator<Item = u32> + '_ {
        self.users
            .iter()
            .filter(move |(_, user)| user.audio && Self::sends(profile, *user))
            .map(|(uid, _)| *uid)
    }

    /// Whether a recorder would call it idle: in the live profile without a host, in communication without a user.
    pub(super) fn is_idle(&self, profile: Profile, settings: &Settings) -> bool {
        if settings.is(name::IDLE_RULE, "publishers") {
            return self.video_uids(profile).next().is_none() && self.audio_uids(profile).next().is_none();
        }
        match profile {
            Profile::Live => !self.users.iter().any(|(_, user)| user.host),
            Profile::Communication => self.users.is_empty(),
        }
    }

    /// Whether a user has this uid.
    pub(super) fn has(&self, uid: u32) -> bool {
        self.users.iter().any(|(other, _)| *other == uid)
    }
}

impl Service {
    /// Puts a user into a channel, or changes what it sends.
    pub fn put_user(&mut self, now: Millis, cname: &str, uid: u32, user: User) -> Vec<Effect> {
        self.advance_to(now);
        let channel = self.channels.entry(cname.to_owned()).or_default();
        match channel.users.iter_mut().find(|(other, _)| *other == uid) {
            Some((_, known)) => *known = user,
            None => channel.users.push((uid, user)),
        }
        self.look_again(now, cname)
    }

    /// Takes a user out of a channel.
    pub fn remove_user(&mut self, now: Millis, cname: &str, uid: u32) -> Vec<Effect> {
        self.advance_to(now);
        if let Some(channel) = self.channels.get_mut(cname) {
            channel.users.retain(|(other, _)| *other != uid);
        }
        self.look_again(now, cname)
    }

    /// Every channel that somebody ever joined, with its users.
    pub fn channels(&self) -> impl Iterator<Item = (&str, &[(u32, User)])> {
        self.channels.iter().map(|(cname, channel)| (cname.as_str(), channel.users.as_slice()))
    }

    fn look_again(&mut self, now: Millis, cname: &str) -> Vec<Effect> {
        let watching: Vec<usize> =
            (0..self.sessions.len()).filter(|i| self.sessions[*i].cname == cname).collect();
        for index in watching {
            self.watch_channel(now, index);
        }
        std::mem::take(&mut self.effects)
    }
}
