//! What a request asks for: the object or collection of its path, its query, and the form of the answer.
//!
//! What the model does not know is a panic and never an answer: a test must not learn from a guess.

use std::collections::BTreeMap;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::resources::Resource;

/// What the path names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) resource: Resource,
    /// `None`: all of them, or the resource has none.
    pub(super) namespace: Option<String>,
    /// `None`: the collection.
    pub(super) name: Option<String>,
    /// The path ends in `/status`.
    pub(super) status: bool,
}

/// The query, with each parameter looked at exactly once.
pub(super) struct Query(BTreeMap<String, String>);

impl Target {
    /// Of this path.
    pub(super) fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let unknown = || -> ! { panic!("the model of the API server does not know the path {path}") };
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => unknown(),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, status) = match rest {
            [plural] => (*plural, None, false),
            [plural, name] => (*plural, Some(*name), false),
            [plural, name, "status"] => (*plural, Some(*name), true),
            _ => unknown(),
        };
        let Some(resource) = Resource::of(group, version, plural) else { unknown() };
        if (status && !resource.has_status())
            || (namespace.is_some() && !resource.namespaced())
            || (name.is_some() && namespace.is_some() != resource.namespaced())
        {
            unknown();
        }
        Self { resource, namespace: namespace.map(str::to_owned), name: name.map(str::to_owned), status }
    }

    /// The namespace of a request for one object, or for the creation of one.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The name of a request for one object.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Query {
    pub(super) fn of(request: &Request<bytes::Bytes>) -> Self {
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The value of a parameter; `None` if it is missing or empty.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// A parameter that is true or false.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|value| value == "true" || value == "1")
    }

    /// Who writes makes no difference here: the model keeps no managedFields.
    pub(super) fn only_field_manager(mut self) {
        self.take("fieldManager");
        self.nothing_else();
    }

    pub(super) fn nothing_else(self) {
        assert!(
            self.0.is_empty(),
            "the model of the API server does not know these parameters of a query: {:?}",
            self.0
        );
    }
}

/// Whether only the metadata is asked for.
pub(super) fn wants_metadata_only(request: &Request<bytes::Bytes>) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata"))
}

/// The only form of patch that the model knows is the merge patch.
pub(super) fn is_merge_patch(request: &Request<bytes::Bytes>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|form| form == "application/merge-patch+json")
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(Option::unwrap_or_default);
                let digits = std::str::from_utf8(&digits).expect("an encoded byte");
                decoded.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
            }
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).expect("a query in UTF-8")
}
