//! The CRD's schema: what the API server drops, fills in and refuses by it.
//!
//! Of its keywords, `x-kubernetes-validations` alone (CEL rules) is not followed: no rule speaks of the status, and the
//! real API server judges specs in `tests/schema`. A keyword that is not known here is a panic.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::failures::{Cause, CauseKind};

/// The schema of SnapshotJobs.
pub(super) static SNAPSHOT_JOB: LazyLock<Schema> = LazyLock::new(|| {
    let crd = serde_json::to_value(agora_snapshot_operator::api::crd()).expect("the CRD as JSON");
    let versions = crd["spec"]["versions"].as_array().expect("versions");
    let [version] = versions.as_slice() else { panic!("the model knows CRDs of one version") };
    assert!(version["subresources"]["status"].is_object(), "the status is a subresource");
    Schema::parse(&version["schema"]["openAPIV3Schema"])
});

/// A structural schema.
#[derive(Debug, Default)]
pub(super) struct Schema {
    kind: Option<Kind>,
    properties: BTreeMap<String, Schema>,
    items: Option<Box<Schema>>,
    required: Vec<String>,
    default: Option<Value>,
    allowed: Vec<Value>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    longest: Option<usize>,
    most_items: Option<usize>,
    format: Option<String>,
    preserves_unknown: bool,
    unique: Unique,
    has_rules: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Array,
    Boolean,
    Integer,
    Object,
    String,
}

/// By what the items of a list must differ.
#[derive(Debug, Default)]
enum Unique {
    #[default]
    No,
    Whole,
    Keys(Vec<String>),
}

impl Kind {
    fn parse(name: &str) -> Self {
        match name {
            "array" => Self::Array,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "object" => Self::Object,
            "string" => Self::String,
            other => panic!("the model of the API server does not know the type {other} of a schema"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Object => "object",
            Self::String => "string",
        }
    }
}

impl Schema {
    fn parse(schema: &Value) -> Self {
        let mut parsed = Self::default();
        let mut list_type = None;
        let mut list_keys = Vec::new();
        let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).expect("texts") };
        let count = |value: &Value| Some(usize::try_from(value.as_u64().expect("a count")).expect("a size"));
        for (keyword, value) in schema.as_object().expect("a schema is an object") {
            match keyword.as_str() {
                "type" => parsed.kind = Some(Kind::parse(value.as_str().expect("a type"))),
                "properties" => {
                    let properties = value.as_object().expect("properties");
                    parsed.properties =
                        properties.iter().map(|(name, schema)| (name.clone(), Self::parse(schema))).collect();
                }
                "items" => parsed.items = Some(Box::new(Self::parse(value))),
                "required" => parsed.required = texts(value),
                "default" => parsed.default = Some(value.clone()),
                "enum" => parsed.allowed = value.as_array().expect("values").clone(),
                "minimum" => parsed.minimum = value.as_f64(),
                "maximum" => parsed.maximum = value.as_f64(),
                "maxLength" => parsed.longest = count(value),
                "maxItems" => parsed.most_items = count(value),
                "format" => parsed.format = Some(value.as_str().expect("a format").to_owned()),
                "x-kubernetes-preserve-unknown-fields" => parsed.preserves_unknown = value == true,
                "x-kubernetes-list-type" => list_type = value.as_str(),
                "x-kubernetes-list-map-keys" => list_keys = texts(value),
                "x-kubernetes-validations" => parsed.has_rules = true,
                "description" | "title" | "x-kubernetes-map-type" => {}
                unknown => {
                    panic!("the model of the API server does not know the keyword {unknown} of a schema")
                }
            }
        }
        parsed.unique = match list_type {
            Some("map") => Unique::Keys(list_keys),
            Some("set") => Unique::Whole,
            Some("atomic") | None => Unique::No,
            Some(other) => panic!("the model of the API server does not know lists of type {other}"),
        };
        parsed
    }

    pub(super) fn property(&self, name: &str) -> &Self {
        &self.properties[name]
    }

    /// Whether there are CEL rules anywhere in it.
    pub(super) fn has_rules(&self) -> bool {
        self.has_rules
            || self.items.as_ref().is_some_and(|items| items.has_rules())
            || self.properties.values().any(Self::has_rules)
    }

    /// Drops what is not declared, and nulls where none may be, and fills in what has a default.
    pub(super) fn prepare(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.prepare_fields(fields),
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    items.iter_mut().for_each(|item| schema.prepare(item));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn prepare_fields(&self, fields: &mut Map<String, Value>) {
        if !self.preserves_unknown {
            fields.retain(|name, _| self.properties.contains_key(name));
        }
        // Nothing in the schema is nullable: a null is as good as no field.
        fields.retain(|name, value| !value.is_null() || !self.properties.contains_key(name));
        for (name, schema) in &self.properties {
            if let Some(default) = &schema.default
                && !fields.contains_key(name)
            {
                fields.insert(name.clone(), default.clone());
            }
            if let Some(value) = fields.get_mut(name) {
                schema.prepare(value);
            }
        }
    }

    /// What is wrong with a value. Errors name the field by `field`, and within their words by `told`.
    pub(super) fn validate(&self, value: &Value, field: &str, told: &str, causes: &mut Vec<Cause>) {
        if let Some(kind) = self.kind
            && !is_a(value, kind)
        {
            if value.is_f64()
                && let (Kind::Integer, Some(format)) = (kind, &self.format)
            {
                self.validate_fraction(format, field, told, causes);
                return;
            }
            let found = type_name(value);
            let why = format!("{told} in body must be of type {}: {found:?}", kind.name());
            causes.push(Cause {
                kind: CauseKind::TypeInvalid,
                ..Cause::invalid(field, format!("{found:?}"), &why)
            });
            return;
        }
        if !self.allowed.is_empty() && !self.allowed.contains(value) {
            let allowed: Vec<String> = self.allowed.iter().map(Value::to_string).collect();
            let words = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
            causes.push(Cause::new(CauseKind::NotSupported, field, words));
        }
        match value {
            Value::Object(fields) => self.validate_fields(fields, field, told, causes),
            Value::Array(items) => self.validate_items(items, field, told, causes),
            Value::String(text) => self.validate_text(text, field, told, causes),
            Value::Number(number) => self.validate_number(number, field, told, causes),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A fraction where a whole number belongs is refused twice.
    fn validate_fraction(&self, format: &str, field: &str, told: &str, causes: &mut Vec<Cause>) {
        let why = format!("{told} in body must be of type {format}: \"float64\"");
        causes.push(Cause { kind: CauseKind::TypeInvalid, ..Cause::invalid(field, "\"float64\"", &why) });
        let why = format!("Checked value must be of type integer with format {format} in {told}");
        let root =
            field.strip_suffix(told).map(|root| root.trim_end_matches('.')).filter(|root| !root.is_empty());
        causes.push(Cause::invalid(root.unwrap_or("<nil>"), "\"\"", &why));
    }

    fn validate_fields(&self, fields: &Map<String, Value>, field: &str, told: &str, causes: &mut Vec<Cause>) {
        for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
            causes.push(Cause::new(CauseKind::Required, joined(field, name), "Required value"));
        }
        for (name, schema) in &self.properties {
            if let Some(value) = fields.get(name) {
                schema.validate(value, &joined(field, name), &joined(told, name), causes);
            }
        }
    }

    fn validate_items(&self, items: &[Value], field: &str, told: &str, causes: &mut Vec<Cause>) {
        if let Some(most) = self.most_items
            && items.len() > most
        {
            let words = format!("Too many: {}: must have at most {most} items", items.len());
            causes.push(Cause::new(CauseKind::TooMany, field, words));
        }
        for (index, item) in items.iter().enumerate() {
            let (field, told) = (format!("{field}[{index}]"), format!("{told}[{index}]"));
            if let Some(schema) = &self.items {
                schema.validate(item, &field, &told, causes);
            }
            let identity = |item: &Value| match &self.unique {
                Unique::No => None,
                Unique::Whole => Some(item.clone()),
                Unique::Keys(keys) => item.is_object().then(|| {
                    let of = |key: &String| item.get(key).map(|value| (key.clone(), value.clone()));
                    Value::Object(keys.iter().filter_map(of).collect())
                }),
            };
            if let Some(own) = identity(item)
                && items[..index].iter().any(|other| identity(other).as_ref() == Some(&own))
            {
                causes.push(Cause::new(CauseKind::Duplicate, field, format!("Duplicate value: {own}")));
            }
        }
    }

    fn validate_text(&self, text: &str, field: &str, told: &str, causes: &mut Vec<Cause>) {
        if let Some(longest) = self.longest
            && text.chars().count() > longest
        {
            let words = format!("Too long: may not be more than {longest} bytes");
            causes.push(Cause::new(CauseKind::TooLong, field, words));
        }
        match self.format.as_deref() {
            Some("date-time") if text.parse::<jiff::Timestamp>().is_err() => {
                let why = format!("{told} in body must be of type date-time: {text:?}");
                causes.push(Cause {
                    kind: CauseKind::TypeInvalid,
                    ..Cause::invalid(field, format!("{text:?}"), &why)
                });
            }
            Some("date-time") | None => {}
            Some(other) => panic!("the model of the API server does not know the format {other} of a text"),
        }
    }

    fn validate_number(&self, number: &serde_json::Number, field: &str, told: &str, causes: &mut Vec<Cause>) {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let mut wrong = |why: String| {
            causes.push(Cause::invalid(field, number, &format!("{told} in body should be {why}")));
        };
        if let Some(minimum) = self.minimum.filter(|minimum| value < *minimum) {
            wrong(format!("greater than or equal to {minimum}"));
        }
        if let Some(maximum) = self.maximum.filter(|maximum| value > *maximum) {
            wrong(format!("less than or equal to {maximum}"));
        }
    }
}

fn is_a(value: &Value, kind: Kind) -> bool {
    match kind {
        Kind::Array => value.is_array(),
        Kind::Boolean => value.is_boolean(),
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::Object => value.is_object(),
        Kind::String => value.is_string(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
