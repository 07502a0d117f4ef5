//! How buckets and the vendor are reached: what the flags say, with the file of `--ca-bundle` read once for a command.

use http::Uri;

use super::problem::PluginError;
use super::settings::ReachFlags;
use crate::agora::endpoints::Region;
use crate::ca_bundle::CaBundle;

/// The flags, as they are used.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// In place of the storage vendor's own.
    pub(super) storage_endpoint: Option<Uri>,
    /// In place of Agora's own.
    pub(super) agora_endpoints: Vec<Uri>,
    /// Where Agora's primary domains lead to.
    pub(super) agora_region: Region,
    /// Beside those of the system.
    pub(super) authorities: Option<CaBundle>,
}

impl Reach {
    /// Reads the file, if there is one.
    pub(super) fn of(flags: ReachFlags) -> Result<Self, PluginError> {
        let ReachFlags { storage_endpoint, agora_endpoints, agora_region, ca_bundle } = flags;
        let authorities = ca_bundle.as_deref().map(CaBundle::read).transpose()?;
        Ok(Self { storage_endpoint, agora_endpoints, agora_region, authorities })
    }
}
