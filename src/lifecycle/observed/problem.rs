//! What stands in the way of a job before anything is asked of the vendor: the words, and what they mean.

use crate::api::Reason;

/// What stands in the way, found without calling the vendor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// A Secret or a key is missing or unusable. Heals when it is mended.
    Secret(String),
    /// The Secrets cannot be read at the moment.
    SecretsUnreadable(String),
    /// The recorder's token is over or made for something else.
    Token(String),
    /// The storage region has no number.
    Region(String),
    /// The vendor would refuse the spec.
    Spec(String),
    /// The spec is beyond this operator.
    NotUnderstood(String),
    /// Another job has the recorder uid.
    UidTaken(String),
}

impl Problem {
    /// Reason of the conditions.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Secret(_) | Self::SecretsUnreadable(_) => Reason::WaitingForSecret,
            Self::Token(_) => Reason::TokenExpired,
            Self::Region(_) => Reason::UnknownRegion,
            Self::Spec(_) => Reason::InvalidParameter,
            Self::NotUnderstood(_) => Reason::SpecNotUnderstood,
            Self::UidTaken(_) => Reason::RecorderUidInUse,
        }
    }

    /// Whether the start of a claim cannot be repeated because of it. Another job's claim on the uid says nothing about
    /// our own resourceId.
    pub fn stops_repeats(&self) -> bool {
        match self {
            Self::UidTaken(_) => false,
            Self::Secret(_)
            | Self::SecretsUnreadable(_)
            | Self::Token(_)
            | Self::Region(_)
            | Self::Spec(_)
            | Self::NotUnderstood(_) => true,
        }
    }

    /// What is wrong, and with which value.
    pub fn words(&self) -> &str {
        match self {
            Self::Secret(words)
            | Self::SecretsUnreadable(words)
            | Self::Token(words)
            | Self::Region(words)
            | Self::Spec(words)
            | Self::NotUnderstood(words)
            | Self::UidTaken(words) => words,
        }
    }
}
