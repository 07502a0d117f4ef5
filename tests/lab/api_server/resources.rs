//! The resources that the model knows: their names, and how the API server treats each.

/// A resource of the API server, as far as the operator, its users and these tests use it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Resource {
    SnapshotJobs,
    Namespaces,
    Secrets,
    Events,
    Leases,
}

impl Resource {
    pub(crate) const ALL: [Self; 5] =
        [Self::SnapshotJobs, Self::Namespaces, Self::Secrets, Self::Events, Self::Leases];

    /// The API group; empty for the core group.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::SnapshotJobs => "agora-snapshot.dev",
            Self::Namespaces | Self::Secrets => "",
            Self::Events => "events.k8s.io",
            Self::Leases => "coordination.k8s.io",
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::SnapshotJobs => "v1alpha1",
            Self::Namespaces | Self::Secrets | Self::Events | Self::Leases => "v1",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::SnapshotJobs => "snapshotjobs",
            Self::Namespaces => "namespaces",
            Self::Secrets => "secrets",
            Self::Events => "events",
            Self::Leases => "leases",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::SnapshotJobs => "SnapshotJob",
            Self::Namespaces => "Namespace",
            Self::Secrets => "Secret",
            Self::Events => "Event",
            Self::Leases => "Lease",
        }
    }

    pub(crate) fn namespaced(self) -> bool {
        self != Self::Namespaces
    }

    /// Whether the status has a path of its own. Namespaces have one too; nobody here writes it.
    pub(super) fn has_status(self) -> bool {
        self == Self::SnapshotJobs
    }

    /// Whether objects count the changes of their spec. Leases and the core's small objects do not.
    pub(super) fn has_generation(self) -> bool {
        self == Self::SnapshotJobs
    }

    /// Whether a PUT may leave the resourceVersion out, and then wins over everybody.
    pub(super) fn unconditional_update(self) -> bool {
        match self {
            Self::Namespaces | Self::Secrets | Self::Events => true,
            Self::SnapshotJobs | Self::Leases => false,
        }
    }

    /// Whether a PUT of an object that is not there makes it.
    pub(super) fn create_on_update(self) -> bool {
        match self {
            Self::Events | Self::Leases => true,
            Self::SnapshotJobs | Self::Namespaces | Self::Secrets => false,
        }
    }

    /// `apiVersion` of its objects.
    pub(crate) fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// As errors name it: `snapshotjobs.agora-snapshot.dev`.
    pub(super) fn qualified(self) -> String {
        qualified(self.plural(), self.group())
    }

    /// The group that errors about a stored object name: events are stored as those of the core group.
    pub(super) fn stored_group(self) -> &'static str {
        match self {
            Self::Events => "",
            Self::SnapshotJobs | Self::Namespaces | Self::Secrets | Self::Leases => self.group(),
        }
    }

    /// Which resource a path names.
    pub(super) fn of(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| {
            (resource.group(), resource.version(), resource.plural()) == (group, version, plural)
        })
    }
}

pub(super) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
