//! How a row of a table is judged: the server names this field, says this, and finds no other fault; or takes the job.

use agora_snapshot_operator::api::spec::SnapshotJobSpec;
use serde_json::Value;

use crate::server::Server;

/// A job that the server must refuse, for one reason only.
pub(crate) struct Bad {
    object: Value,
    /// Path of the field that the server must name.
    field: &'static str,
    /// End of what it must say of it.
    says: &'static str,
}

pub(crate) fn bad(object: Value, field: &'static str, says: &'static str) -> Bad {
    Bad { object, field, says }
}

pub(crate) async fn must_refuse(rows: Vec<Bad>) {
    let server = Server::with_crd().await;
    let mut wrong = Vec::new();
    for Bad { object, field, says } in rows {
        let spec = &object["spec"];
        match server.try_create(&object).await {
            Ok(_) => wrong.push(format!("accepted, and should say of {field}: {says}\n  {spec}")),
            Err(status) => {
                let mut causes = status.details.clone().map(|details| details.causes).unwrap_or_default();
                // A fault of form (type, length) keeps the server from judging the rest, which it says in a row of its own.
                causes.retain(|cause| !cause.message.contains("some validation rules were not checked"));
                let fits = matches!(causes.as_slice(), [only] if only.field == field && only.message.ends_with(says));
                if !fits {
                    let found: Vec<_> =
                        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
                    wrong.push(format!(
                        "should say of {field}: {says}\n  says {found:#?}\n  {}\n  {spec}",
                        status.message
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The server takes each, and what it would store can be decoded.
pub(crate) async fn must_accept(objects: Vec<Value>) {
    let server = Server::with_crd().await;
    let mut wrong = Vec::new();
    for object in objects {
        match server.try_create(&object).await {
            Err(status) => wrong.push(format!("{}\n  {}", status.message, object["spec"])),
            Ok(stored) => {
                if let Err(error) = serde_json::from_value::<SnapshotJobSpec>(stored["spec"].clone()) {
                    wrong.push(format!("cannot be decoded: {error}\n  {}", stored["spec"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} objects were refused:\n{}", wrong.len(), wrong.join("\n"));
}
