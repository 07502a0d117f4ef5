//! Counts what was asked of the API server: reads its audit log, by object and user, since a marker.
//! Which requests are recorded is with the policy in [`crate::control_plane`].

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::processes::POLL;

/// The line of a request is written before its answer is complete; this only bounds a fault.
const LINE: Duration = Duration::from_secs(10);

/// The audit log of one API server.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

/// A place in the audit log: all that was answered before it was set is in front of it.
#[derive(Debug, Clone, Copy)]
pub struct Marker {
    offset: u64,
}

/// One request that was to write something, whether it succeeded or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Identifies the request; the client may choose it with the header `Audit-ID`.
    pub audit_id: String,
    /// create, update, patch, delete or deletecollection.
    pub verb: String,
    /// Who asked.
    pub user: String,
    /// API group of the object, empty for the core group.
    pub group: String,
    /// Plural name of the kind, `snapshotjobs` for example.
    pub resource: String,
    /// `status` for example; empty for the object itself.
    pub subresource: String,
    /// Namespace of the object, empty for one of the cluster.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
}

/// Writes in the order in which they were answered; each filter keeps that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes(Vec<Write>);

impl AuditLog {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where the log is; one JSON object (audit.k8s.io/v1 Event) in each line.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Sets a marker behind everything that was answered until now, by a request of its own that changes nothing.
    pub async fn mark(&self, client: &kube::Client) -> Result<Marker> {
        let audit_id = crate::random_hex();
        let review = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
        });
        let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("Content-Type", "application/json")
            .header("Audit-ID", &audit_id)
            .body(review.to_string().into_bytes())
            .expect("the request is well formed");
        client
            .request::<serde_json::Value>(request)
            .await
            .map_err(Error::kubernetes("cannot set a marker in the audit log"))?;
        let deadline = Instant::now() + LINE;
        loop {
            if let Some((_, end)) = self.find(&audit_id)? {
                return Ok(Marker { offset: end });
            }
            self.not_after(deadline, LINE, &audit_id)?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// All writes that were answered after `since` was set and before this call.
    pub async fn writes_since(&self, client: &kube::Client, since: Marker) -> Result<Writes> {
        let until = self.mark(client).await?;
        self.writes_between(since, until)
    }

    /// All writes that were answered between two markers.
    pub fn writes_between(&self, since: Marker, until: Marker) -> Result<Writes> {
        let lines = self.lines_from(since.offset)?;
        Ok(Writes(
            lines
                .into_iter()
                .take_while(|(_, end)| *end <= until.offset)
                .map(|(event, _)| event.into_write())
                // The markers themselves write nothing.
                .filter(|write| write.resource != "selfsubjectreviews")
                .collect(),
        ))
    }

    /// Waits until the request with this `Audit-ID` was answered.
    pub async fn written(&self, audit_id: &str, within: Duration) -> Result<Write> {
        let deadline = Instant::now() + within;
        loop {
            if let Some((event, _)) = self.find(audit_id)? {
                return Ok(event.into_write());
            }
            self.not_after(deadline, within, audit_id)?;
            tokio::time::sleep(POLL).await;
        }
    }

    fn not_after(&self, deadline: Instant, within: Duration, audit_id: &str) -> Result<()> {
        if Instant::now() < deadline {
            return Ok(());
        }
        Err(Error::NotInTime {
            program: "kube-apiserver".to_owned(),
            awaited: format!("a line for Audit-ID {audit_id} in {}", self.path.display()),
            within,
            log: String::new(),
        })
    }

    fn find(&self, audit_id: &str) -> Result<Option<(Event, u64)>> {
        Ok(self.lines_from(0)?.into_iter().rfind(|(event, _)| event.audit_id == audit_id))
    }

    /// The whole lines from `offset` on, each with the offset of its end.
    fn lines_from(&self, offset: u64) -> Result<Vec<(Event, u64)>> {
        let mut bytes = vec![];
        std::fs::File::open(&self.path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                file.read_to_end(&mut bytes)
            })
            .map_err(Error::file("cannot read the audit log", &self.path))?;
        let mut end = offset;
        let mut events = vec![];
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            end += line.len() as u64;
            let event = serde_json::from_slice(line).map_err(|error| Error::Http {
                what: format!("the audit log {} has a line that is no audit event", self.path.display()),
                detail: error.to_string(),
            })?;
            events.push((event, end));
        }
        Ok(events)
    }
}

impl Writes {
    /// Those of one kind, the events of the cluster not among them: `snapshotjobs` for example.
    pub fn of(&self, resource: &str) -> Self {
        self.filtered(|write| write.resource == resource)
    }

    /// Those in one namespace.
    pub fn in_namespace(&self, namespace: &str) -> Self {
        self.filtered(|write| write.namespace == namespace)
    }

    /// Those of one object.
    pub fn object(&self, namespace: &str, name: &str) -> Self {
        self.filtered(|write| write.namespace == namespace && write.name == name)
    }

    /// Those by one user.
    pub fn by(&self, user: &str) -> Self {
        self.filtered(|write| write.user == user)
    }

    /// Those that the API server carried out.
    pub fn accepted(&self) -> Self {
        self.filtered(|write| (200..300).contains(&write.code))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Write> {
        self.0.iter()
    }

    fn filtered(&self, keep: impl Fn(&Write) -> bool) -> Self {
        Self(self.0.iter().filter(|write| keep(write)).cloned().collect())
    }
}

/// The fields of audit.k8s.io/v1 Event that are looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<ResponseStatus>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct ResponseStatus {
    code: u16,
}

impl Event {
    fn into_write(self) -> Write {
        Write {
            audit_id: self.audit_id,
            verb: self.verb,
            user: self.user.username,
            group: self.object_ref.api_group,
            resource: self.object_ref.resource,
            subresource: self.object_ref.subresource,
            namespace: self.object_ref.namespace,
            name: self.object_ref.name,
            code: self.response_status.map_or(0, |status| status.code),
        }
    }
}
