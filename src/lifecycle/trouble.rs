//! The errors and warnings of the vendor's components in words, and what they mean for a job.

use jiff::Timestamp;

use super::told::{Told, Trouble};
use crate::api::Reason;

/// `errorLevel` from which on something is wrong. The vendor: 1 debug, 2 minor, 3 medium, 4 major, 5 fatal.
pub(super) const ERROR: i64 = 4;
/// `errorLevel` at which the vendor advises to query at once.
pub(super) const FATAL: i64 = 5;

/// The vendor's numbers of its components.
const RECORDER: i64 = 0;
const UPLOADER: i64 = 1;
const SERVICE: i64 = 2;

/// What an error or a warning means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Reason of the condition or the event.
    pub reason: Reason,
    /// What is wrong, with the vendor's code, and what to do.
    pub words: String,
}

/// An error or a warning in words.
pub fn said(trouble: Trouble) -> Said {
    let Trouble { module, code, level } = trouble;
    let (part, is_warning) = (part(module), level == 0);
    let (reason, words) = match (module, code, is_warning) {
        (RECORDER, 109, _) => (
            Reason::TokenExpired,
            "the recorder's token is over. One of your own (tokenSecretKeyRef) has to be replaced in its Secret; with \
             appCertificate the next session gets a new one",
        ),
        (RECORDER, 110, _) => (
            Reason::TokenExpired,
            "the recorder's token is wrong. It has to be made with the certificate of this App ID, for this channel and \
             recorder uid: check appCertificate or tokenSecretKeyRef",
        ),
        (UPLOADER, 31, true) => (Reason::UploadFailing, "an upload into the bucket is being repeated"),
        (UPLOADER, 32, true) => {
            (Reason::UploadFailing, "files go into the vendor's backup, for the bucket does not take them")
        }
        (UPLOADER, 32, false) => (
            Reason::UploadFailing,
            "the storage settings are wrong. Check region, bucket and keys, and that the keys may write",
        ),
        (UPLOADER, 47, _) => (
            Reason::UploadFailing,
            "an upload into the bucket failed. Check that the bucket exists and that the keys may write",
        ),
        (UPLOADER, 51, _) => (Reason::UploadFailing, "the vendor failed to handle a file before its upload"),
        (SERVICE, 50, _) => (Reason::UploadFailing, "uploads into the bucket took too long"),
        (SERVICE, 52, _) => (Reason::VendorError, "the session did not start in time"),
        _ => (Reason::VendorError, "its documents tell what the code means"),
    };
    let kind = if is_warning { "warning" } else { "error" };
    Said { reason, words: format!("{part} {kind} {code}: {words}") }
}

/// What explains best why a session does not come up, or ended.
pub fn worst(told: &Told) -> Option<Said> {
    weightiest(told, |_| true)
}

/// The weightiest error or warning at a time for which `counts` holds. By a fixed rank, not by time: in an outage several come
/// with every file, and words that change wake their own job.
pub(super) fn weightiest(told: &Told, counts: impl Fn(&Timestamp) -> bool) -> Option<Said> {
    let errors = told.errors().filter(|(error, _)| error.level >= ERROR).chain(told.warnings());
    let rank = |error: &Trouble| match said(*error).reason {
        Reason::TokenExpired => 2,
        Reason::UploadFailing => 1,
        _ => 0,
    };
    let weightiest = errors
        .filter(|(_, time)| counts(time))
        .map(|(error, _)| error)
        .max_by_key(|error| (rank(error), error.level, error.module, error.code));
    weightiest.map(said)
}

fn part(module: i64) -> String {
    match module {
        RECORDER => "recorder".to_owned(),
        UPLOADER => "uploader".to_owned(),
        SERVICE => "service".to_owned(),
        other => format!("module {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_names_itself_and_what_to_do() {
        for (module, code, level, reason, parts) in [
            (
                0,
                109,
                5,
                Reason::TokenExpired,
                &["recorder error 109", "token is over", "tokenSecretKeyRef"][..],
            ),
            (0, 110, 5, Reason::TokenExpired, &["recorder error 110", "token is wrong", "appCertificate"]),
            (1, 31, 0, Reason::UploadFailing, &["uploader warning 31", "repeated"]),
            (1, 32, 0, Reason::UploadFailing, &["uploader warning 32", "backup"]),
            (1, 32, 5, Reason::UploadFailing, &["uploader error 32", "region, bucket and keys"]),
            (1, 47, 4, Reason::UploadFailing, &["uploader error 47", "upload into the bucket failed"]),
            (1, 51, 4, Reason::UploadFailing, &["uploader error 51"]),
            (2, 50, 4, Reason::UploadFailing, &["service error 50"]),
            (2, 52, 5, Reason::VendorError, &["service error 52", "did not start"]),
            (6, 7, 4, Reason::VendorError, &["module 6 error 7"]),
        ] {
            let said = said(Trouble { module, code, level });
            assert_eq!(said.reason, reason, "{module}/{code}");
            parts.iter().for_each(|part| assert!(said.words.contains(part), "{part:?} in {:?}", said.words));
        }
    }
}
