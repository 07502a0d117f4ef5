//! Why a bucket could not be listed, as data, in words that are the same each time and hold no secret.
//!
//! Owns the reading of what storage services answer. Only their short error code is taken from an answer: the rest of
//! it may repeat the access key and what was signed.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// Why a bucket could not be listed. `Display` tells what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BucketProblem {
    /// The keys are good and may not list.
    #[error(
        "the bucket may not be listed with these keys ({0}): allow them to list it, or name a Secret with keys that may \
         in storage.readerCredentialsRef"
    )]
    AccessDenied(String),
    /// The keys are wrong or no longer valid.
    #[error("the storage service refused the keys ({0}): correct accessKey and secretKey in the Secret")]
    WrongKeys(String),
    /// There is no such bucket.
    #[error("the bucket does not exist ({0}): correct storage.bucket, storage.region or create it")]
    NoSuchBucket(String),
    /// The bucket is in another region.
    #[error("the bucket is not in this region ({0}): correct storage.region")]
    WrongRegion(String),
    /// Too many requests.
    #[error("the storage service asks for fewer requests ({0}); it will be tried again")]
    Throttled(String),
    /// No connection.
    #[error("the storage service could not be reached; it will be tried again")]
    Unreachable,
    /// No answer in time.
    #[error("the storage service did not answer in time; it will be tried again")]
    TimedOut,
    /// A fault of the service, or an answer that cannot be read.
    #[error("the storage service answered with a fault ({0}); it will be tried again")]
    Fault(String),
    /// The service cannot begin a list after a key.
    #[error(
        "the storage service does not support ListObjectsV2 with start-after, so snapshots cannot be counted"
    )]
    NoStartAfter,
    /// Where the bucket is cannot be told from the spec.
    #[error("snapshots cannot be counted: {0}")]
    Unsupported(String),
}

impl BucketProblem {
    /// What a failed request came to.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let mut innermost: &(dyn Error + 'static) = error;
        let mut connection = None;
        while let Some(source) = innermost.source() {
            connection = connection.or_else(|| source.downcast_ref::<HttpError>().map(HttpError::kind));
            innermost = source;
            if connection.is_some() {
                break;
            }
        }
        match connection {
            Some(HttpErrorKind::Timeout) => Self::TimedOut,
            Some(HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted) => {
                Self::Unreachable
            }
            Some(HttpErrorKind::Decode) => Self::Fault("an answer that cannot be read".into()),
            Some(_) => Self::Unreachable,
            None => Self::of_answer(&innermost.to_string()),
        }
    }

    /// `text` is object_store's `... status code: <number> <words>: <body>`.
    fn of_answer(text: &str) -> Self {
        let status = text
            .split_once("status code: ")
            .and_then(|(_, rest)| rest.get(..3))
            .and_then(|digits| digits.parse::<u16>().ok());
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map(|(code, _)| code)
            .filter(|code| {
                (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        let said = match (status, code) {
            (Some(status), Some(code)) => format!("{status} {code}"),
            (Some(status), None) => status.to_string(),
            (None, Some(code)) => code.to_owned(),
            (None, None) => "an answer that cannot be read".into(),
        };
        match (code, status) {
            (Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken"), _)
            | (Some("AuthenticationFailed" | "InvalidSecurity" | "InvalidAuthenticationInfo"), _) => {
                Self::WrongKeys(said)
            }
            (Some("NoSuchBucket" | "ContainerNotFound"), _) => Self::NoSuchBucket(said),
            (Some("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed"), _)
            | (Some("IllegalLocationConstraintException" | "InvalidRegionName"), _) => {
                Self::WrongRegion(said)
            }
            (Some("SlowDown" | "RequestLimitExceeded" | "ServerBusy"), _) => Self::Throttled(said),
            (Some("AccessDenied" | "AuthorizationPermissionMismatch"), _) => Self::AccessDenied(said),
            (_, Some(301 | 302 | 307 | 308)) => Self::WrongRegion(said),
            (_, Some(401)) => Self::WrongKeys(said),
            (_, Some(403)) => Self::AccessDenied(said),
            (_, Some(404)) => Self::NoSuchBucket(said),
            (_, Some(429 | 503)) => Self::Throttled(said),
            (_, None) if text.contains("redirect without LOCATION") => Self::WrongRegion("redirect".into()),
            (_, _) => Self::Fault(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: &str) -> String {
        format!("<Error><Code>{code}</Code><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId></Error>")
    }

    #[test]
    fn answers_become_data_and_only_their_code_is_repeated() {
        for (status, code, expected) in [
            ("403 Forbidden", "AccessDenied", BucketProblem::AccessDenied("403 AccessDenied".into())),
            (
                "403 Forbidden",
                "SignatureDoesNotMatch",
                BucketProblem::WrongKeys("403 SignatureDoesNotMatch".into()),
            ),
            (
                "403 Forbidden",
                "InvalidAccessKeyId",
                BucketProblem::WrongKeys("403 InvalidAccessKeyId".into()),
            ),
            ("403 Forbidden", "SomethingNew", BucketProblem::AccessDenied("403 SomethingNew".into())),
            ("403 Forbidden", "has a space", BucketProblem::AccessDenied("403".into())),
            ("401 Unauthorized", "", BucketProblem::WrongKeys("401".into())),
            ("404 Not Found", "NoSuchBucket", BucketProblem::NoSuchBucket("404 NoSuchBucket".into())),
            (
                "400 Bad Request",
                "AuthorizationHeaderMalformed",
                BucketProblem::WrongRegion("400 AuthorizationHeaderMalformed".into()),
            ),
            ("301 Moved", "", BucketProblem::WrongRegion("301".into())),
            ("503 x", "SlowDown", BucketProblem::Throttled("503 SlowDown".into())),
            ("500 x", "InternalError", BucketProblem::Fault("500 InternalError".into())),
        ] {
            let problem = BucketProblem::of_answer(&format!(
                "Server returned non-2xx status code: {status}: {}",
                body(code)
            ));
            assert_eq!(problem, expected);
            assert!(!problem.to_string().contains("AKIA"), "{problem}");
        }
        assert_eq!(
            BucketProblem::of_answer("no such thing as an answer"),
            BucketProblem::Fault("an answer that cannot be read".into())
        );
    }
}
