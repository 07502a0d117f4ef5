//! What the vendor's documents leave open or contradict, as named settings. Owns the table of them: values, default,
//! and what each decides. What a setting changes is done where that behaviour lives.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

/// What a setting may be set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// One of these words; the first is the default.
    Words(&'static [&'static str]),
    /// A whole number in this range.
    Number {
        /// Value unless set.
        default: u64,
        /// Lowest value.
        least: u64,
        /// Highest value.
        most: u64,
    },
}

/// One open fact.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name, as `--set` and the control interface take it.
    pub name: &'static str,
    /// Values.
    pub domain: Domain,
    /// What it decides.
    pub about: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal, $domain:expr;)+) => {
        /// The names of the settings, one constant for each.
        pub mod name {
            $($(#[doc = $doc])+ pub const $constant: &str = $name;)+
        }
        /// Every setting, in the order in which they are listed.
        pub const SETTINGS: &[Setting] = &[
            $(Setting { name: $name, domain: $domain, about: concat!($($doc),+) },)+
        ];
    };
}

const fn words(words: &'static [&'static str]) -> Domain {
    Domain::Words(words)
}

const fn number(default: u64, least: u64, most: u64) -> Domain {
    Domain::Number { default, least, most }
}

settings! {
    /// Lowest `captureInterval` that start accepts: the snapshot guide says 1, newer references 5.
    CAPTURE_INTERVAL_MINIMUM = "captureIntervalMinimum", words(&["1", "5"]);
    /// Whether the answer 201 code 7 (`already started`) carries the sid.
    ALREADY_STARTED_SID = "alreadyStartedSid", words(&["absent", "present"]);
    /// The server response of query for record + snapshot: `snapshot` has no file list, `fileList` has one.
    QUERY_SHAPE = "recordAndSnapshotQuery", words(&["snapshot", "fileList"]);
    /// Stop of a snapshot-only session: 206 code 435 `no recorded data`, or 200 `uploaded`.
    SNAPSHOT_ONLY_STOP = "snapshotOnlyStop", words(&["noRecordedData", "uploaded"]);
    /// Start with a resourceId older than five minutes: 400 with code 433, or with code 2.
    EXPIRED_RESOURCE = "expiredResourceId", words(&["433", "2"]);
    /// Start again with the resourceId of a running session after its five minutes: 201 code 7, or refused as expired.
    OLD_RUNNING_RESOURCE = "oldRunningResourceId", words(&["alreadyStarted", "expired"]);
    /// Start with a resourceId whose session has ended: refused as expired, or answered 201 code 7.
    SPENT_RESOURCE = "spentResourceId", words(&["expired", "alreadyStarted"]);
    /// A synchronous stop whose upload takes over 20 s: 206 code 50, or 200 with `unknown`.
    STOP_OVERRUN = "syncStopOverrun", words(&["206", "200"]);
    /// Calls after `resourceExpiredHour`: 404 code 404, or 400 code 2. The session goes on either way.
    CONTROL_WINDOW_END = "controlWindowEnd", words(&["404", "400"]);
    /// A sid that does not belong to the resourceId: 404 code 404, or 400 code 1003.
    FOREIGN_SID = "foreignSid", words(&["404", "1003"]);
    /// Code of a start (status 400) whose cname or uid differs from acquire's.
    START_MISMATCH = "startMismatch", words(&["2", "432"]);
    /// Code of an acquire (status 400) with an invalid channel name.
    INVALID_CHANNEL_NAME = "invalidChannelName", words(&["401", "1013"]);
    /// Whether special characters of the channel name are kept in file names or written as `-`.
    FILE_CNAME = "cnameInFileNames", words(&["kept", "dashed"]);
    /// When a channel is idle: `profile` no host (live) or no user (communication), `publishers` nobody sends a stream.
    IDLE_RULE = "idleRule", words(&["profile", "publishers"]);
    /// When a stream's first snapshot is taken: about a second after it is received, or after one interval.
    FIRST_SNAPSHOT = "firstSnapshot", words(&["immediate", "interval"]);
    /// Width and height of the snapshots.
    SNAPSHOT_SIZE = "snapshotSize", words(&["640x360", "320x180"]);
    /// Whether `subscribeUidGroup` (absent: 0) limits the subscribed video users, or only the 17 of all groups does.
    UID_GROUP = "uidGroupEffect", words(&["hint", "cap"]);
    /// The lower-case key `unsubscribe...Uids` of one reference: it works, or it is ignored.
    LOWERCASE_UNSUBSCRIBE = "lowercaseUnsubscribe", words(&["accepted", "ignored"]);
    /// An empty `recordingFileConfig` beside `snapshotConfig`: refused, or taken as record + snapshot.
    EMPTY_RECORDING_FILE_CONFIG = "emptyRecordingFileConfig", words(&["refused", "records"]);
    /// Snapshots with `streamTypes` 0: refused at start, or accepted and silently without snapshots.
    WRONG_COMBINATION = "snapshotOfAudio", words(&["refused", "silent"]);
    /// The uid that stop and update must carry after a failover.
    UID_AFTER_FAILOVER = "uidAfterFailover", words(&["original", "new"]);
    /// Whether the recorder's uid is free for another start while its session fails over.
    UID_DURING_FAILOVER = "uidDuringFailover", words(&["free", "taken"]);
    /// Query of a session that is ending: 200 with its status, 404, or 400 code 501 of older documents.
    QUERY_WHILE_EXITING = "queryWhileExiting", words(&["status", "404", "501"]);
    /// Bodies of stop's 400 code 49 and 404: `fat` as seen in tickets, or `plain` code and reason.
    STOP_REFUSALS = "stopRefusals", words(&["fat", "plain"]);
    /// A Content-Type other than `application/json` or `application/json;charset=utf-8` (exactly so): 401, 400 code 8,
    /// or accepted as long as it names JSON.
    CONTENT_TYPE = "contentType", words(&["401", "8", "lenient"]);
    /// Unit of `sliceStartTime` in query.
    SLICE_START_TIME = "sliceStartTime", words(&["ms", "s"]);
    /// Event 31 of a snapshot-only session: with an empty file list, or never sent.
    SNAPSHOT_UPLOADED_EVENT = "snapshotOnlyUploadedEvent", words(&["empty", "absent"]);
    /// Events 30 and 33 (uploader started, uploading progress) of a snapshot-only session.
    SNAPSHOT_UPLOADER_EVENTS = "snapshotOnlyUploaderEvents", words(&["sent", "absent"]);
    /// Whether the process on a lost server still sends its events 41 and 11, under its own uid, when its replacement
    /// begins: some notices arrive twice then, and which is not told.
    LOST_SERVER_EVENTS = "lostServerEvents", words(&["absent", "sent"]);
    /// Whether event 13 (high availability registered) is sent; only one guide names it.
    EVENT_13 = "event13", words(&["absent", "sent"]);
    /// Whether event 34 (STS token expired) is sent; only a third party names it.
    EVENT_34 = "event34", words(&["absent", "sent"]);
    /// `serviceType` of event 45.
    EVENT_45_SERVICE_TYPE = "event45ServiceType", words(&["1", "2"]);
    /// `recordingMode` of event 3 for individual mode.
    EVENT_3_RECORDING_MODE = "event3RecordingMode", words(&["0", "1"]);
    /// Addresses that a notification endpoint may have: https alone, as with the vendor; plain http on a loopback
    /// address too; or plain http anywhere. The latter two are for tests.
    ENDPOINT_ADDRESSES = "endpointAddresses", words(&["https", "loopbackHttp", "anyHttp"]);
    /// Whether the envelope of a notification carries the sid beside the payload: undocumented, but seen.
    ENVELOPE_SID = "envelopeSid", words(&["present", "absent"]);
    /// Form of `noticeId`: 32 hexadecimal digits as seen, a UUID or `a:b:c` as in samples.
    NOTICE_ID = "noticeId", words(&["hex", "uuid", "parts"]);
    /// (Virtual) seconds between the first resend of a notification, which comes at once, and the second; twice that
    /// until the third and last.
    RESEND_SECONDS = "resendSeconds", number(5, 1, 3600);
    /// Whether more than a tenth of the concurrency quota per second is refused with 400 while sessions run.
    QUOTA_RATE = "quotaRate", words(&["off", "refuse"]);
    /// Sessions that may run at the same time for one App ID; acquire beyond it: 400 code 406.
    CONCURRENCY_QUOTA = "concurrencyQuota", number(50, 0, 100_000);
    /// Calls per (virtual) second for one App ID; beyond it: 429.
    REQUESTS_PER_SECOND = "requestsPerSecond", number(10, 1, 1_000_000);
}

/// Why a setting was not taken.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SettingError {
    /// No such setting.
    #[error("no setting is named `{0}`; --list-settings lists them")]
    UnknownName(String),
    /// Not one of its values.
    #[error("setting `{name}` cannot be `{value}`; it must be {allowed}")]
    BadValue {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        allowed: String,
    },
}

/// The settings of one simulator.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Setting {
    /// Value unless set.
    pub fn default_value(&self) -> String {
        match self.domain {
            Domain::Words(words) => words[0].to_owned(),
            Domain::Number { default, .. } => default.to_string(),
        }
    }

    /// The values in words.
    pub fn allowed(&self) -> String {
        match self.domain {
            Domain::Words(words) => words.join(" | "),
            Domain::Number { least, most, .. } => format!("{least}..={most}"),
        }
    }

    fn accepts(&self, value: &str) -> bool {
        match self.domain {
            Domain::Words(words) => words.contains(&value),
            Domain::Number { least, most, .. } => {
                value.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number))
            }
        }
    }
}

impl Settings {
    /// Sets one by name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let setting = find(name).ok_or_else(|| SettingError::UnknownName(name.to_owned()))?;
        if !setting.accepts(value) {
            let allowed = setting.allowed();
            return Err(SettingError::BadValue { name: setting.name, value: value.to_owned(), allowed });
        }
        self.0.insert(setting.name, value.to_owned());
        Ok(())
    }

    /// Whether the setting has this value. Both are constants of the caller, so a wrong one is a mistake in the code.
    pub fn is(&self, name: &'static str, value: &str) -> bool {
        debug_assert!(find(name).is_some_and(|s| s.accepts(value)), "no setting {name}={value}");
        self.text(name) == value
    }

    /// The value of a setting that is a number or a word of digits.
    pub fn number(&self, name: &'static str) -> u64 {
        self.text(name).parse().expect("only settings whose every value is a number are read as one")
    }

    /// The value as text.
    pub fn text(&self, name: &'static str) -> String {
        self.0
            .get(name)
            .cloned()
            .unwrap_or_else(|| find(name).map(Setting::default_value).unwrap_or_default())
    }

    /// All of them, as the control interface shows them.
    pub fn to_json(&self) -> Value {
        let all: Map<String, Value> =
            SETTINGS.iter().map(|s| (s.name.to_owned(), self.text(s.name).into())).collect();
        Value::Object(all)
    }
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_default_is_allowed() {
        let names: std::collections::BTreeSet<_> = SETTINGS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        for setting in SETTINGS {
            assert!(setting.accepts(&setting.default_value()), "{}", setting.name);
            if let Domain::Words(words) = setting.domain {
                assert!(words.len() >= 2, "{} decides nothing", setting.name);
            }
        }
    }

    #[test]
    fn a_wrong_name_or_value_is_told_with_what_would_do() {
        let mut settings = Settings::default();
        assert_eq!(settings.set("nope", "1"), Err(SettingError::UnknownName("nope".into())));
        let error = settings.set(name::CAPTURE_INTERVAL_MINIMUM, "3").unwrap_err().to_string();
        assert_eq!(error, "setting `captureIntervalMinimum` cannot be `3`; it must be 1 | 5");
        assert!(settings.set(name::CONCURRENCY_QUOTA, "x").is_err());
        settings.set(name::CAPTURE_INTERVAL_MINIMUM, "5").unwrap();
        assert_eq!(settings.number(name::CAPTURE_INTERVAL_MINIMUM), 5);
        assert_eq!(settings.to_json()["captureIntervalMinimum"], "5");
    }
}
