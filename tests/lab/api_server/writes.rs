//! Creating and changing objects.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::failures::{Cause, CauseKind, Failure, answer};
use super::requests::{Query, Target, is_merge_patch};
use super::resources::Resource;
use super::schema::SNAPSHOT_JOB;
use super::store::Key;
use super::{ApiServer, decode, metadata, typed};

/// Names that the API server makes up end in so many characters.
const SUFFIX: usize = 5;

impl ApiServer {
    pub(super) fn create(
        &mut self,
        now: Timestamp,
        target: &Target,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        Query::of(request).only_field_manager();
        let resource = target.resource;
        let mut object = decode(resource, request.body())?;
        self.check_namespace(target, &mut object)?;
        self.admit(target, &object)?;
        self.create_decoded(now, target, object)
    }

    fn create_decoded(
        &mut self,
        now: Timestamp,
        target: &Target,
        mut object: Value,
    ) -> Result<Response<Bytes>, Failure> {
        let resource = target.resource;
        let uid = self.next_uid();
        let stem = metadata::text(&object, "generateName").to_owned();
        if metadata::text(&object, "name").is_empty() && !stem.is_empty() {
            let suffix = format!("{:0SUFFIX$x}", self.uids);
            metadata::fields(&mut object).insert("name".into(), format!("{stem}{suffix}").into());
        }
        metadata::fill(&mut object, target.namespace(), uid, resource.has_generation(), now);
        if resource.has_status() {
            object.as_object_mut().expect("an object").remove("status");
        }
        prepare(resource, &mut object);
        let name = metadata::text(&object, "name").to_owned();
        let mut causes = Vec::new();
        if name.is_empty() {
            let words = "Required value: name or generateName is required";
            causes.push(Cause::new(CauseKind::Required, "metadata.name", words));
        } else {
            metadata::validate(&object, &mut causes);
        }
        validate(resource, &object, None, &mut causes);
        refuse(resource, &name, causes)?;
        if !metadata::text(&object, "resourceVersion").is_empty() {
            return Err(Failure::internal("resourceVersion should not be set on objects to be created"));
        }
        let key = Key::new(resource, target.namespace(), &name);
        if let Some(existing) = self.store.get(&key) {
            return Err(Failure::already_exists(resource, &name, metadata::is_deleting(existing)));
        }
        if resource.has_status() {
            // The status that is shown is a default. Nothing is stored of it yet: the next write, whatever it says,
            // is therefore a change.
            self.without_status.insert(metadata::text(&object, "uid").to_owned());
        }
        let stored = self.store.put(key, object);
        Ok(answer(201, &stored))
    }

    pub(super) fn replace(
        &mut self,
        now: Timestamp,
        target: &Target,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        Query::of(request).only_field_manager();
        let mut object = decode(target.resource, request.body())?;
        self.check_namespace(target, &mut object)?;
        check_name(target, &object)?;
        let existing = match self.existing(target) {
            Ok(existing) => existing,
            Err(_) if target.resource.create_on_update() => {
                assert!(
                    metadata::text(&object, "uid").is_empty(),
                    "the model of the API server does not make an object by a PUT that names its uid"
                );
                self.admit(target, &object)?;
                check_number(metadata::text(&object, "resourceVersion"))?;
                metadata::fields(&mut object).remove("resourceVersion");
                return self.create_decoded(now, target, object);
            }
            Err(failure) => return Err(failure),
        };
        let (uid, stored) = (metadata::text(&object, "uid"), metadata::text(&existing, "uid"));
        if !uid.is_empty() && uid != stored {
            let key = Key::new(target.resource, target.namespace(), target.name());
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
                 failed: UID in precondition: {uid}, UID in object meta: {stored}",
                key.registry()
            );
            return Err(Failure::conflict(target.resource, target.name(), &why));
        }
        self.update(target, &existing, object)
    }

    pub(super) fn patch(
        &mut self,
        target: &Target,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        Query::of(request).only_field_manager();
        assert!(is_merge_patch(request), "the model of the API server knows merge patches alone");
        let patch: Value = serde_json::from_slice(request.body()).expect("a patch in JSON");
        let existing = self.existing(target)?;
        if !patch.is_object() {
            let found = if patch.is_array() { "array" } else { "value" };
            return Err(Failure::bad_request(format!(
                "error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        }
        let mut object = existing.clone();
        json_patch::merge(&mut object, &patch);
        self.check_namespace(target, &mut object)?;
        check_name(target, &object)?;
        self.update(target, &existing, object)
    }

    /// Writes what was made of `existing`, if the rules allow it.
    fn update(
        &mut self,
        target: &Target,
        existing: &Value,
        mut new: Value,
    ) -> Result<Response<Bytes>, Failure> {
        let (resource, name) = (target.resource, target.name());
        prepare(resource, &mut new);
        let version = metadata::text(&new, "resourceVersion");
        if version.is_empty() && !resource.unconditional_update() {
            let cause = Cause::invalid("metadata.resourceVersion", 0, "must be specified for an update");
            return Err(Failure::invalid(resource, resource.plural(), name, &[cause]));
        }
        if !version.is_empty() && version != metadata::text(existing, "resourceVersion") {
            return match version.parse::<u64>() {
                Ok(_) => Err(Failure::modified(resource, name)),
                Err(_) => {
                    Err(Failure::internal(format!("strconv.ParseUint: parsing {version:?}: invalid syntax")))
                }
            };
        }
        metadata::keep(&mut new, existing);
        if target.status {
            let status = new.get("status").cloned();
            new = existing.clone();
            set_status(&mut new, status);
        } else if resource.has_status() {
            set_status(&mut new, existing.get("status").cloned());
            if new.get("spec") != existing.get("spec") {
                raise_generation(&mut new);
            }
        }
        metadata::fields(&mut new)
            .insert("resourceVersion".into(), existing["metadata"]["resourceVersion"].clone());
        let mut causes = Vec::new();
        metadata::validate_update(&new, existing, &mut causes);
        let again = causes.clone();
        causes.extend(again);
        if target.status {
            let schema = SNAPSHOT_JOB.property("status");
            schema.validate(&new["status"], "status", "", &mut causes);
            tell_of_rules(&mut causes);
        } else {
            validate(resource, &new, Some(existing), &mut causes);
        }
        refuse(resource, name, causes)?;

        let key = Key::new(resource, target.namespace(), name);
        if metadata::is_deleting(&new) && metadata::finalizers(&new).is_empty() {
            // Its watchers see it as it was stored, still with the finalizer.
            self.store.remove(key.clone(), existing.clone());
            self.namespace_emptied(&key);
            return Ok(answer(200, &new));
        }
        let first = self.without_status.remove(metadata::text(existing, "uid"));
        if new == *existing && !first {
            return Ok(answer(200, existing));
        }
        Ok(answer(200, &self.store.put(key, new)))
    }

    fn existing(&self, target: &Target) -> Result<Value, Failure> {
        let key = Key::new(target.resource, target.namespace(), target.name());
        let found = self.store.get(&key).map(|object| Value::clone(object));
        found.ok_or_else(|| Failure::not_found(target.resource, target.name()))
    }

    /// The namespace is that of the path, and the object may leave it out.
    fn check_namespace(&self, target: &Target, object: &mut Value) -> Result<(), Failure> {
        let said = metadata::text(object, "namespace");
        if said.is_empty() && target.resource.namespaced() {
            metadata::fields(object).insert("namespace".into(), target.namespace().into());
        } else if said != target.namespace() {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }

    /// Nothing is made in a namespace that is not there, or that goes.
    fn admit(&self, target: &Target, object: &Value) -> Result<(), Failure> {
        if !target.resource.namespaced() {
            return Ok(());
        }
        let namespace = target.namespace();
        match self.store.get(&Key::new(Resource::Namespaces, "", namespace)) {
            None => Err(Failure::not_found(Resource::Namespaces, namespace)),
            Some(found) if metadata::is_deleting(found) => {
                Err(Failure::terminating(target.resource, metadata::text(object, "name"), namespace))
            }
            Some(_) => Ok(()),
        }
    }
}

/// A resourceVersion is compared as a number.
fn check_number(version: &str) -> Result<(), Failure> {
    let why = || Failure::internal(format!("strconv.ParseUint: parsing {version:?}: invalid syntax"));
    if version.is_empty() { Ok(()) } else { version.parse::<u64>().map(|_| ()).map_err(|_| why()) }
}

fn check_name(target: &Target, object: &Value) -> Result<(), Failure> {
    let name = metadata::text(object, "name");
    if name == target.name() {
        return Ok(());
    }
    if name.is_empty() {
        return Err(Failure::bad_request(format!(
            "name may not be empty: the name of the object must be {}",
            target.name()
        )));
    }
    Err(Failure::bad_request(format!(
        "the name of the object ({name}) does not match the name on the URL ({})",
        target.name()
    )))
}

/// Drops and fills in, as the schema of the resource says.
fn prepare(resource: Resource, object: &mut Value) {
    metadata::prepare(object);
    match resource {
        Resource::SnapshotJobs => {
            let mut rest = object.as_object_mut().map(std::mem::take).unwrap_or_default();
            let kept = ["apiVersion", "kind", "metadata"].map(|field| (field, rest.remove(field)));
            let mut rest = Value::Object(rest);
            SNAPSHOT_JOB.prepare(&mut rest);
            for (field, value) in kept {
                rest[field] = value.unwrap_or(Value::Null);
            }
            *object = rest;
        }
        Resource::Namespaces | Resource::Secrets | Resource::Events | Resource::Leases => {
            typed::prepare(resource, object);
        }
    }
}

fn validate(resource: Resource, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    match resource {
        Resource::SnapshotJobs => {
            SNAPSHOT_JOB.validate(object, "", "", causes);
            tell_of_rules(causes);
        }
        Resource::Namespaces | Resource::Secrets | Resource::Events | Resource::Leases => {
            typed::validate(resource, object, before, causes);
        }
    }
}

/// Beside some errors the rules are not looked at, and the API server says so.
fn tell_of_rules(causes: &mut Vec<Cause>) {
    if SNAPSHOT_JOB.has_rules() && causes.iter().any(|cause| cause.kind.blocks_rules()) {
        let why = "some validation rules were not checked because the object was invalid; correct the existing \
                   errors to complete validation";
        causes.push(Cause::invalid("<nil>", "null", why));
    }
}

fn refuse(resource: Resource, name: &str, causes: Vec<Cause>) -> Result<(), Failure> {
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(resource, resource.kind(), name, &causes)) }
}

fn set_status(object: &mut Value, status: Option<Value>) {
    let fields = object.as_object_mut().expect("an object");
    match status {
        Some(status) => fields.insert("status".into(), status),
        None => fields.remove("status"),
    };
}

/// Counts a change of what is wanted.
pub(super) fn raise_generation(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
    object["metadata"]["generation"] = json!(generation + 1);
}
