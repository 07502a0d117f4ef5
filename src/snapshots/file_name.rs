//! The vendor's name of a snapshot:
//! `<folder>/[bak<n>_]<sid>_<channel>__uid_s_<uid>__uid_e_video_<yyyyMMddHHmmssSSS>.jpg`.
//!
//! Read from both ends, because the channel in the middle may contain anything, `_` and `__uid_s_` included, and may
//! be altered by the vendor: a session is recognised by its sid alone, never by its channel.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit, Zoned};

/// Length of a sid in hexadecimal characters.
const SID: usize = 32;

/// Length of `yyyyMMddHHmmssSSS`.
const TIME: usize = 17;

const USER: &str = "__uid_s_";
const VIDEO: &str = "__uid_e_video_";
const EXTENSION: &str = ".jpg";

/// Name of one snapshot, without its folder.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FileName {
    /// Which activation of the vendor's fail-over wrote it, from 0 (`bak0_`). Absent: the session as it was started.
    pub activation: Option<u32>,
    /// The session, 32 hexadecimal characters in the case of the name.
    pub sid: String,
    /// The channel as it stands in the name, which need not be the channel's name.
    pub channel: String,
    /// RTC uid of the user.
    pub user: u32,
    /// Capture time, in whole milliseconds.
    pub taken: Timestamp,
}

/// What the beginning of an object's name, without its folder, tells of the session that wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beginning<'a> {
    /// A session wrote it.
    Session {
        /// Its sid, in the case of the name.
        sid: &'a str,
        /// `[bak<n>_]<sid>_`: what all names of the session, or of this activation, begin with.
        beginning: &'a str,
    },
    /// Nothing that begins with this is of a session.
    Foreign(&'a str),
    /// The name ends too early to be of a session; longer ones that begin with it may be.
    Cut,
}

impl<'a> Beginning<'a> {
    /// Reads a name. Snapshots and recordings begin alike.
    pub fn of(name: &'a str) -> Self {
        let sid_at = match name.strip_prefix("bak") {
            None => 0,
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                match rest[digits..].chars().next() {
                    None => return Self::Cut,
                    Some('_') if digits > 0 && number(&rest[..digits]).is_some() => "bak_".len() + digits,
                    Some(other) => return Self::Foreign(&name[.."bak".len() + digits + other.len_utf8()]),
                }
            }
        };
        let mut expected = 0;
        for (at, character) in name[sid_at..].char_indices() {
            let end = sid_at + at + character.len_utf8();
            match (expected == SID, character) {
                (true, '_') => return Self::Session { sid: &name[sid_at..end - 1], beginning: &name[..end] },
                (false, '0'..='9' | 'a'..='f' | 'A'..='F') => expected += 1,
                (true | false, _) => return Self::Foreign(&name[..end]),
            }
        }
        Self::Cut
    }
}

impl FileName {
    /// Reads an object key, with or without a folder. `None` for whatever is not a snapshot.
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.rsplit_once('/').map_or(key, |(_folder, name)| name);
        let (activation, rest) = activation(name);
        let (sid, rest) = rest.split_at_checked(SID)?;
        if !sid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (rest, time) = rest.strip_prefix('_')?.strip_suffix(EXTENSION)?.rsplit_once(VIDEO)?;
        let (channel, user) = rest.rsplit_once(USER)?;
        Some(Self {
            activation,
            sid: sid.to_owned(),
            channel: channel.to_owned(),
            user: number(user)?,
            taken: time_from_name(time)?,
        })
    }

    /// What the keys of one session begin with, per activation: `<folder>/[bak<n>_]<sid>_`.
    pub fn session_prefix(folder: Option<&str>, activation: Option<u32>, sid: &str) -> String {
        let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let activation = activation.map(|number| format!("bak{number}_")).unwrap_or_default();
        format!("{folder}{activation}{sid}_")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Self::session_prefix(None, self.activation, &self.sid);
        let time = time_in_name(self.taken);
        write!(formatter, "{prefix}{}{USER}{}{VIDEO}{time}{EXTENSION}", self.channel, self.user)
    }
}

/// The time as names have it, in UTC. It sorts as text as it does in time.
pub fn time_in_name(time: Timestamp) -> String {
    let time = time.round(Unit::Millisecond).unwrap_or(time).to_zoned(TimeZone::UTC);
    format!("{}{:03}", time.strftime("%Y%m%d%H%M%S"), time.millisecond())
}

/// Reads the time of a name.
pub fn time_from_name(digits: &str) -> Option<Timestamp> {
    if digits.len() != TIME || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, to: usize| digits[from..to].parse::<i16>().ok();
    let small = |from: usize, to: usize| digits[from..to].parse::<i8>().ok();
    let time = DateTime::new(
        field(0, 4)?,
        small(4, 6)?,
        small(6, 8)?,
        small(8, 10)?,
        small(10, 12)?,
        small(12, 14)?,
        i32::from(field(14, 17)?) * 1_000_000,
    )
    .ok()?;
    time.to_zoned(TimeZone::UTC).ok().as_ref().map(Zoned::timestamp)
}

fn activation(name: &str) -> (Option<u32>, &str) {
    let Some((digits, rest)) = name.strip_prefix("bak").and_then(|rest| rest.split_once('_')) else {
        return (None, name);
    };
    number(digits).map_or((None, name), |number| (Some(number), rest))
}

/// A decimal number as the vendor writes it: no sign, no leading zero.
fn number(digits: &str) -> Option<u32> {
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SID_OF_TEST: &str = "1cd3d60b784382f12ce30fa615421852";

    fn name(text: &str) -> FileName {
        FileName::parse(text).unwrap_or_else(|| panic!("{text} is a snapshot"))
    }

    #[test]
    fn names_seen_in_the_field() {
        let first = name(
            "directory1/directory2/1cd3d60b784382f12ce30fa615421852_uwb-lIl-ZXZ__uid_s_2725317129__uid_e_video_20210409165541285.jpg",
        );
        assert_eq!((first.sid.as_str(), first.channel.as_str()), (SID_OF_TEST, "uwb-lIl-ZXZ"));
        assert_eq!((first.activation, first.user), (None, 2_725_317_129));
        assert_eq!(first.taken.to_string(), "2021-04-09T16:55:41.285Z");
        let second = name(
            "xiaozuke/20210528/F96E79FF11174D318A17016C0B6762EA_379181037419__uid_s_21599056__uid_e_video_20210528104714164.jpg",
        );
        assert_eq!((second.sid.as_str(), second.user), ("F96E79FF11174D318A17016C0B6762EA", 21_599_056));
    }

    #[test]
    fn a_channel_may_look_like_the_rest_of_the_name() {
        let channel = "_a__uid_s_7__uid_e_video_20210409165541285.jpg_bak0_";
        let text = format!("bak2_{SID_OF_TEST}_{channel}__uid_s_8__uid_e_video_20260101000000000.jpg");
        let read = name(&text);
        assert_eq!((read.activation, read.channel.as_str(), read.user), (Some(2), channel, 8));
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn what_is_not_a_snapshot() {
        let good = format!("{SID_OF_TEST}_c__uid_s_7__uid_e_video_20260101000000000.jpg");
        assert!(FileName::parse(&good).is_some());
        for (from, to) in [
            (".jpg", ".ts"),
            (".jpg", ".jpg.tmp"),
            (".jpg", ".JPG"),
            ("video_", "audio_"),
            ("20260101000000000", "2026010100000000"),
            ("20260101000000000", "20261301000000000"),
            ("20260101000000000", "20260101000060000"),
            ("20260101000000000", "+0260101000000000"),
            ("__uid_s_7", "__uid_s_"),
            ("__uid_s_7", "__uid_s_+7"),
            ("__uid_s_7", "__uid_s_07"),
            ("__uid_s_7", "__uid_s_4294967296"),
            ("1cd3", "1cd"),
            ("1cd3", "1cg3"),
            ("1cd3", "x_1cd3"),
            ("1cd3", "bak_1cd3"),
            ("1cd3", "bak-1_1cd3"),
            ("852_c", "852c"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert_eq!(FileName::parse(&bad), None, "{bad}");
        }
        assert_eq!(FileName::parse(""), None);
        assert_eq!(FileName::parse("/"), None);
    }

    #[test]
    fn the_beginning_of_a_name_tells_the_session_or_what_to_pass_by() {
        let sid = SID_OF_TEST;
        for (name, expected) in [
            (format!("{sid}_c__uid_s_7__uid_e_audio.m3u8"), Ok((sid, format!("{sid}_")))),
            (format!("{sid}_"), Ok((sid, format!("{sid}_")))),
            (format!("bak12_{sid}_é"), Ok((sid, format!("bak12_{sid}_")))),
            (sid.to_owned(), Err(None)),
            ("bak".into(), Err(None)),
            ("bak1".into(), Err(None)),
            ("ba".into(), Err(None)),
            (String::new(), Err(None)),
            (format!("{sid}0_c"), Err(Some(format!("{sid}0")))),
            (format!("{sid}-c"), Err(Some(format!("{sid}-")))),
            ("frame-0001.jpg".into(), Err(Some("fr".into()))),
            ("20210528-1.jpg".into(), Err(Some("20210528-".into()))),
            ("éa".into(), Err(Some("é".into()))),
            ("baker.jpg".into(), Err(Some("bake".into()))),
            (format!("bak_{sid}_c"), Err(Some("bak_".into()))),
            (format!("bak01_{sid}_c"), Err(Some("bak01_".into()))),
        ] {
            let read = match Beginning::of(&name) {
                Beginning::Session { sid, beginning } => Ok((sid, beginning.to_owned())),
                Beginning::Foreign(beginning) => Err(Some(beginning.to_owned())),
                Beginning::Cut => Err(None),
            };
            assert_eq!(read, expected, "{name}");
        }
    }

    fn names() -> impl Strategy<Value = FileName> {
        let time = (0_i64..253_402_300_799_999).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
        let channel =
            proptest::string::string_regex("[a-zA-Z0-9 !#$%&()+:;<=.>?@\\[\\]^_{}|~,-]{0,63}").unwrap();
        let sid = proptest::string::string_regex("[0-9a-fA-F]{32}").unwrap();
        (proptest::option::of(any::<u32>()), sid, channel, any::<u32>(), time).prop_map(
            |(activation, sid, channel, user, taken)| FileName { activation, sid, channel, user, taken },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in names(), folder in "([a-zA-Z0-9]{1,8}/){0,3}") {
            prop_assert_eq!(FileName::parse(&format!("{folder}{name}")), Some(name));
        }

        #[test]
        fn every_name_begins_with_the_prefix_of_its_session(name in names()) {
            let prefix = FileName::session_prefix(Some("a/b"), name.activation, &name.sid);
            let key = format!("a/b/{name}");
            prop_assert!(key.starts_with(&prefix));
        }

        #[test]
        fn times_sort_as_text(a in 0_i64..253_402_300_799_999, b in 0_i64..253_402_300_799_999) {
            let text = |ms| time_in_name(Timestamp::from_millisecond(ms).unwrap());
            prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            FileName::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn a_torn_name_does_not_make_it_panic(name in names(), at in 0_usize..200, noise in "\\PC{0,4}") {
            let mut text = name.to_string();
            let at = text.floor_char_boundary(at);
            text.insert_str(at, &noise);
            FileName::parse(&text);
            FileName::parse(&text[at..]);
        }
    }
}
