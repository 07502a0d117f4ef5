//! How the API server refuses: `Status` objects with its own words.

use std::fmt::Display;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::resources::{Resource, qualified};

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: u16,
    /// Some errors have none: those that the API server did not expect itself.
    reason: Option<&'static str>,
    message: String,
    details: Option<Value>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cause {
    pub(super) kind: CauseKind,
    pub(super) field: String,
    /// Without the name of the field.
    pub(super) words: String,
}

/// Which way a field is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CauseKind {
    Duplicate,
    Forbidden,
    Invalid,
    NotSupported,
    Required,
    TooLong,
    TooMany,
    TypeInvalid,
}

impl CauseKind {
    fn reason(self) -> &'static str {
        match self {
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Required => "FieldValueRequired",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// Whether the rules of the schema are not even looked at beside such an error.
    pub(super) fn blocks_rules(self) -> bool {
        match self {
            Self::NotSupported | Self::Required | Self::TooLong | Self::TooMany | Self::TypeInvalid => true,
            Self::Duplicate | Self::Forbidden | Self::Invalid => false,
        }
    }
}

impl Cause {
    pub(super) fn new(kind: CauseKind, field: impl Into<String>, words: impl Into<String>) -> Self {
        Self { kind, field: field.into(), words: words.into() }
    }

    pub(super) fn invalid(field: impl Into<String>, value: impl Display, why: &str) -> Self {
        Self::new(CauseKind::Invalid, field, format!("Invalid value: {value}: {why}"))
    }
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: String, details: Option<Value>) -> Self {
        Self { code, reason: Some(reason), message, details }
    }

    pub(super) fn not_found(resource: Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message, Some(details(resource.group(), resource.plural(), name)))
    }

    pub(super) fn already_exists(resource: Resource, name: &str, deleting: bool) -> Self {
        let before = if deleting { "object is being deleted: " } else { "" };
        let message = format!("{before}{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message, Some(details(resource.group(), resource.plural(), name)))
    }

    /// Somebody else has written meanwhile.
    pub(super) fn modified(resource: Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(super) fn conflict(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message, Some(details(resource.group(), resource.plural(), name)))
    }

    /// What a deletion presumed does not hold. It names the kind where other conflicts name the resource.
    pub(super) fn precondition(resource: Resource, name: &str, why: &str) -> Self {
        let group = resource.stored_group();
        let kind = qualified(resource.kind(), group);
        let message = format!("Operation cannot be fulfilled on {kind} {name:?}: {why}");
        Self::new(409, "Conflict", message, Some(details(group, resource.kind(), name)))
    }

    /// The object is not valid. `kind` is what the object calls itself.
    pub(super) fn invalid(resource: Resource, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let mut said: Vec<String> = Vec::new();
        for cause in causes {
            let words = format!("{}: {}", cause.field, cause.words);
            if !said.contains(&words) {
                said.push(words);
            }
        }
        let said = match said.as_slice() {
            [one] => one.clone(),
            all => format!("[{}]", all.join(", ")),
        };
        let group = resource.stored_group();
        let mut details = details(group, kind, name);
        details["causes"] = causes
            .iter()
            .map(|cause| json!({"reason": cause.kind.reason(), "message": cause.words, "field": cause.field}))
            .collect();
        let message = format!("{} {name:?} is invalid: {said}", qualified(kind, group));
        Self::new(422, "Invalid", message, Some(details))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into(), None)
    }

    /// An error that the API server passes on without a name for it.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { code: 500, reason: None, message: message.into(), details: None }
    }

    /// Nothing is made in a namespace that goes.
    pub(super) fn terminating(resource: Resource, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let message = format!("{} {name:?} is forbidden: {why}", resource.qualified());
        let mut details = details(resource.group(), resource.plural(), name);
        let cause = format!("namespace {namespace} is being terminated");
        details["causes"] =
            json!([{"reason": "NamespaceTerminating", "message": cause, "field": "metadata.namespace"}]);
        Self::new(403, "Forbidden", message, Some(details))
    }

    /// The history that a watch or the next page of a list wants is forgotten.
    pub(super) fn expired(message: String) -> Self {
        Self::new(410, "Expired", message, None)
    }

    /// The `Status` object.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(reason) = self.reason {
            status["reason"] = reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        answer(self.code, &self.status())
    }
}

/// An answer with this body.
pub(super) fn answer(code: u16, body: &Value) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("JSON");
    Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("a response")
}

/// `details` of a `Status` about one object.
pub(super) fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({"kind": kind});
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}
