//! The rights that the operator needs, and whether the service account that asks has them.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Resource};

use super::Line;
use crate::api::SnapshotJob;
use crate::cluster::client::{CALL_LIMIT, within};
use crate::settings::CheckSettings;

/// Questions that are asked at the same time.
const AT_ONCE: usize = 8;

/// One right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Right {
    verb: &'static str,
    group: String,
    resource: &'static str,
    subresource: Option<&'static str>,
    /// `None`: in all namespaces.
    namespace: Option<String>,
    /// `None`: every object.
    name: Option<String>,
}

/// A line for each right.
pub(super) async fn held(client: &Client, settings: &CheckSettings, operator_namespace: &str) -> Vec<Line> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let asked = needed(settings, operator_namespace).into_iter().map(|right| ask(&reviews, right));
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// What the operator asks of the API server with these settings, and nothing more.
fn needed(settings: &CheckSettings, operator_namespace: &str) -> Vec<Right> {
    let scopes: Vec<Option<String>> = match settings.watch_namespaces.as_slice() {
        [] => vec![None],
        names => names.iter().cloned().map(Some).collect(),
    };
    let mut rights: Vec<Right> =
        scopes.iter().flat_map(|scope| in_scope(scope.as_ref(), settings.watch_secrets)).collect();
    let operator = Some(operator_namespace.to_owned());
    if !scopes.iter().any(|scope| scope.is_none() || *scope == operator) {
        // About sessions whose own namespace takes no events any more.
        rights.extend(events(operator.as_ref()));
    }
    if settings.leader_election {
        let lease = |verb, name: Option<&String>| Right {
            verb,
            group: "coordination.k8s.io".into(),
            resource: "leases",
            namespace: operator.clone(),
            name: name.cloned(),
            ..Right::default()
        };
        let name = Some(&settings.leader_election_lease_name);
        rights.extend([lease("create", None), lease("get", name), lease("update", name)]);
    }
    rights
}

fn in_scope(namespace: Option<&String>, watch_secrets: bool) -> Vec<Right> {
    let jobs = |verb, subresource| Right {
        verb,
        group: SnapshotJob::group(&()).into_owned(),
        resource: "snapshotjobs",
        subresource,
        namespace: namespace.cloned(),
        name: None,
    };
    let secrets =
        |verb| Right { verb, resource: "secrets", namespace: namespace.cloned(), ..Right::default() };
    let mut rights: Vec<Right> =
        ["get", "list", "watch", "patch", "delete"].into_iter().map(|verb| jobs(verb, None)).collect();
    rights.extend([jobs("update", Some("status")), secrets("get")]);
    if watch_secrets {
        rights.extend([secrets("list"), secrets("watch")]);
    }
    rights.extend(events(namespace));
    rights
}

fn events(namespace: Option<&String>) -> [Right; 2] {
    ["create", "patch"].map(|verb| Right {
        verb,
        group: "events.k8s.io".into(),
        resource: "events",
        namespace: namespace.cloned(),
        ..Right::default()
    })
}

async fn ask(reviews: &Api<SelfSubjectAccessReview>, right: Right) -> Line {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb.into()),
                group: Some(right.group.clone()),
                resource: Some(right.resource.into()),
                subresource: right.subresource.map(str::to_owned),
                namespace: right.namespace.clone(),
                name: right.name.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let what = right.words();
    match within(CALL_LIMIT, reviews.create(&PostParams::default(), &review)).await {
        Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => Line::Good(what),
        Ok(_) => {
            let kind = if right.namespace.is_some() { "Role" } else { "ClusterRole" };
            Line::Bad(format!(
                "{what}; add it to the operator's {kind}, or see that the binding names this service account"
            ))
        }
        Err(error) => Line::Bad(format!("{what}: the API server could not say: {error}; try again")),
    }
}

impl Right {
    fn words(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let subresource = self.subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let name = self.name.as_ref().map(|name| format!(" named {name}")).unwrap_or_default();
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        };
        format!("right: {} {}{subresource}{dot}{}{name} {place}", self.verb, self.resource, self.group)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn settings(namespaces: &[&str]) -> CheckSettings {
        CheckSettings {
            deployment: None,
            watch_namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            operator_namespace: None,
            leader_election: false,
            leader_election_lease_name: "the-lease".into(),
            watch_secrets: false,
        }
    }

    fn words(settings: &CheckSettings) -> Vec<String> {
        needed(settings, "system").iter().map(Right::words).collect()
    }

    #[test]
    fn rights_follow_the_settings() {
        let everywhere = words(&settings(&[]));
        assert_eq!(everywhere.len(), 9, "{everywhere:#?}");
        assert!(everywhere.iter().all(|right| right.ends_with("in all namespaces")), "{everywhere:#?}");
        assert!(
            everywhere
                .contains(&"right: update snapshotjobs/status.agora-snapshot.dev in all namespaces".into())
        );

        let two = words(&settings(&["a", "b"]));
        assert_eq!(two.len(), 9 * 2 + 2);
        assert!(two.contains(&"right: create events.events.k8s.io in namespace system".into()), "{two:#?}");
        let own = words(&settings(&["system"]));
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), 9, "{own:#?}");

        let watching = words(&CheckSettings { watch_secrets: true, ..settings(&["a"]) });
        for verb in ["list", "watch"] {
            assert!(watching.contains(&format!("right: {verb} secrets in namespace a")), "{watching:#?}");
            assert!(!two.contains(&format!("right: {verb} secrets in namespace a")));
        }
        let elected = words(&CheckSettings { leader_election: true, ..settings(&[]) });
        for right in
            ["create leases.coordination.k8s.io", "update leases.coordination.k8s.io named the-lease"]
        {
            assert!(elected.contains(&format!("right: {right} in namespace system")), "{elected:#?}");
        }
        assert!(!everywhere.iter().any(|right| right.contains("leases")));
    }
}
