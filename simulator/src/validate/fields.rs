//! Reading a JSON object strictly. Owns type and range checks of single fields, the wording of refusals, and the notes
//! on keys that nobody asked for; which fields a call has is said by the files beside this one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// A body that breaks a rule: the `reason` of the refusal. The exact wording of the vendor is not documented [API §15].
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal(pub String);

/// An object under validation.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    /// Takes `value`, which stands at `path`, as an object.
    pub fn of(path: &str, value: &'a Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(map) => Ok(Self { path: path.to_owned(), map, known: BTreeSet::new() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Refusal(format!("{path} must be an object!")))
            }
        }
    }

    /// A refusal of one of this object's keys.
    pub fn refuse(&self, key: &str, why: &str) -> Refusal {
        Refusal(format!("{}.{key} {why}!", self.path))
    }

    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The raw value of a key; `null` is a value, not an absence.
    pub fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.map.get(key)
    }

    /// A string.
    pub fn text(&mut self, key: &'static str) -> Result<Option<&'a str>, Refusal> {
        match self.raw(key) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| self.refuse(key, "must be a string")),
        }
    }

    /// A string that must be there and not be empty.
    pub fn required_text(&mut self, key: &'static str) -> Result<&'a str, Refusal> {
        match self.text(key)? {
            None => Err(self.refuse(key, "is required")),
            Some("") => Err(self.refuse(key, "must not be empty")),
            Some(text) => Ok(text),
        }
    }

    /// A whole number in a range.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        let number = value.as_u64().filter(|number| range.contains(number));
        let wanted = || format!("must be a number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| self.refuse(key, &wanted()))
    }

    /// A list of strings, at most `most` of them.
    pub fn list(&mut self, key: &'static str, most: usize) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        match texts {
            Some(texts) if texts.len() <= most => Ok(Some(texts)),
            Some(_) => Err(self.refuse(key, &format!("must not have more than {most} items"))),
            None => Err(self.refuse(key, "must be a list of strings")),
        }
    }

    /// An object inside this one.
    pub fn object(&mut self, key: &'static str) -> Result<Option<Fields<'a>>, Refusal> {
        let path = format!("{}.{key}", self.path);
        self.raw(key).map(|value| Fields::of(&path, value)).transpose()
    }

    /// An object inside this one that must be there.
    pub fn required_object(&mut self, key: &'static str) -> Result<Fields<'a>, Refusal> {
        self.object(key)?.ok_or_else(|| self.refuse(key, "is required"))
    }

    /// Whether the object has no key at all.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Notes every key that was not asked for: the vendor ignores them, and a witness should not.
    pub fn note_unknown(self, notes: &mut Vec<String>) {
        let unknown = self.map.keys().filter(|key| !self.known.contains(key.as_str()));
        notes.extend(unknown.map(|key| format!("unknown key {}.{key}", self.path)));
    }
}
