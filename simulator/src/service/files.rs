//! Files that a session writes: their names [API §10], and what is in them, described rather than drawn. Owns HLS
//! tracks too: when a segment is cut and what the playlist then says.

use super::Service;
use super::session::{Session, Track, TrackKind};
use crate::clock::{Millis, SECOND, file_stamp};
use crate::settings::name;

/// Length of an HLS segment; recordings of the vendor are cut at about 15 s.
pub(super) const SEGMENT: Millis = 15 * SECOND;

/// What a file holds; drawing it is left to whoever uploads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A JPEG.
    Snapshot {
        /// Channel name.
        cname: String,
        /// Whose video.
        uid: u32,
        /// Wall time of the capture.
        wall: Millis,
        /// Number of the snapshot in this user's sequence, from 1.
        sequence: u64,
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// An MPEG transport stream with one picture track.
    VideoSegment {
        /// Whose video.
        uid: u32,
        /// Where the segment begins in its track.
        start: Millis,
        /// How long it is.
        length: Millis,
    },
    /// An MPEG transport stream with one silent sound track.
    AudioSegment {
        /// Where the segment begins in its track.
        start: Millis,
        /// How long it is.
        length: Millis,
    },
    /// An HLS playlist.
    Playlist {
        /// Segment file names and their lengths.
        segments: Vec<(String, Millis)>,
        /// Whether the track is over.
        ended: bool,
    },
}

/// When the next segment of any open track is to be cut.
pub(super) fn next_cut(session: &Session) -> Option<Millis> {
    session.tracks.values().filter(|track| track.open).map(|track| track.segment_start + SEGMENT).min()
}

impl Service {
    pub(super) fn take_snapshot(&mut self, at: Millis, index: usize, uid: u32) {
        let wall = self.stamp(at, index);
        let name = self.snapshot_name(index, uid, wall);
        let (width, height) =
            if self.settings.is(name::SNAPSHOT_SIZE, "640x360") { (640, 360) } else { (320, 180) };
        let session = &mut self.sessions[index];
        let cname = session.cname.clone();
        let Some(stream) = session.streams.get_mut(&uid) else { return };
        stream.snapshots += 1;
        let sequence = stream.snapshots;
        self.upload(at, index, &name, Content::Snapshot { cname, uid, wall, sequence, width, height });
    }

    /// File name of a snapshot.
    fn snapshot_name(&self, index: usize, uid: u32, wall: Millis) -> String {
        format!("{}_{}.jpg", self.stem(index, uid, TrackKind::Video), file_stamp(wall))
    }

    /// Key of a snapshot that is told of and not there.
    pub(super) fn imaginary_snapshot(&mut self, at: Millis, index: usize, uid: u32) -> String {
        let wall = self.stamp(at, index);
        format!("{}{}", self.sessions[index].task.storage.prefix, self.snapshot_name(index, uid, wall))
    }

    /// Opens tracks of users that send, closes the others.
    pub(super) fn match_tracks(&mut self, at: Millis, index: usize, video: &[u32], audio: &[u32]) {
        if !self.sessions[index].task.records {
            return;
        }
        let gone: Vec<(u32, TrackKind)> = self.sessions[index]
            .tracks
            .iter()
            .filter(|((uid, kind), track)| {
                track.open
                    && !match kind {
                        TrackKind::Video => video.contains(uid),
                        TrackKind::Audio => audio.contains(uid),
                    }
            })
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.cut(at, index, key, true);
        }
        let sending = (video.iter().map(|uid| (*uid, TrackKind::Video)))
            .chain(audio.iter().map(|uid| (*uid, TrackKind::Audio)));
        for key in sending {
            let new = Track { open: false, segment_start: at, segments: Vec::new() };
            let track = self.sessions[index].tracks.entry(key).or_insert(new);
            if !track.open {
                track.open = true;
                track.segment_start = at;
                self.tell_slice(at, index, key);
            }
        }
    }

    /// Cuts the segments that are long enough.
    pub(super) fn cut_segments(&mut self, at: Millis, index: usize) {
        let full: Vec<(u32, TrackKind)> = self.sessions[index]
            .tracks
            .iter()
            .filter(|(_, track)| track.open && track.segment_start + SEGMENT <= at)
            .map(|(key, _)| *key)
            .collect();
        for key in full {
            self.cut(at, index, key, false);
        }
    }

    /// Ends every open track.
    pub(super) fn close_tracks(&mut self, at: Millis, index: usize) {
        let open: Vec<(u32, TrackKind)> =
            self.sessions[index].tracks.iter().filter(|(_, track)| track.open).map(|(key, _)| *key).collect();
        for key in open {
            self.cut(at, index, key, true);
        }
    }

    fn cut(&mut self, at: Millis, index: usize, key: (u32, TrackKind), ended: bool) {
        let (uid, kind) = key;
        let wall = self.stamp(at, index);
        let name = format!("{}_{}.ts", self.stem(index, uid, kind), file_stamp(wall));
        let playlist = self.playlist_name(index, uid, kind);
        let Some(track) = self.sessions[index].tracks.get_mut(&key) else { return };
        track.open = !ended;
        let length = at.saturating_sub(track.segment_start);
        track.segment_start = at;
        if length > 0 {
            let start = track.segments.iter().map(|(_, length)| length).sum();
            track.segments.push((name.clone(), length));
            let content = match kind {
                TrackKind::Video => Content::VideoSegment { uid, start, length },
                TrackKind::Audio => Content::AudioSegment { start, length },
            };
            self.upload(at, index, &name, content);
        }
        if let Some(track) = self.sessions[index].tracks.get(&key) {
            let segments = track.segments.clone();
            self.upload(at, index, &playlist, Content::Playlist { segments, ended });
        }
    }

    /// File name of a track's playlist.
    pub(super) fn playlist_name(&self, index: usize, uid: u32, kind: TrackKind) -> String {
        format!("{}.m3u8", self.stem(index, uid, kind))
    }

    /// What every file name of this user begins with; `bak<n>_` says how often high availability took over.
    fn stem(&self, index: usize, uid: u32, kind: TrackKind) -> String {
        let session = &self.sessions[index];
        let cname = match self.settings.is(name::FILE_CNAME, "kept") {
            true => session.cname.clone(),
            false => session.cname.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect(),
        };
        let backup = match session.failovers.checked_sub(1) {
            Some(activation) => format!("bak{activation}_"),
            None => String::new(),
        };
        format!("{backup}{}_{cname}__uid_s_{uid}__uid_e_{}", session.sid, kind.word())
    }

    /// The wall time that a file name carries. Sped up, two captures can fall into one wall millisecond; names stay
    /// unique all the same.
    fn stamp(&mut self, at: Millis, index: usize) -> Millis {
        let wall = self.clock.wall_at(at).max(self.sessions[index].last_stamp + 1);
        self.sessions[index].last_stamp = wall;
        wall
    }
}
