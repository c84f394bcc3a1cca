//! What every item is looked at with.

use std::collections::BTreeSet;
use std::path::PathBuf;

use config::{Config, RouterConfig};
use vocabulary::{InterfaceName, RouterId};
use vrrpd::status::RouterStatus;

use super::network::Network;
use crate::trust::Writable;

/// The node: what it is configured to be, what it is, and what runs on it.
#[derive(Debug)]
pub(super) struct Context {
    /// Where the configuration is.
    pub(super) path: PathBuf,
    /// The files that it includes.
    pub(super) included: Vec<PathBuf>,
    /// What others than root may write of it.
    pub(super) writable: Vec<Writable>,
    /// The configuration.
    pub(super) config: Config,
    /// Where the sockets are.
    pub(super) runtime_dir: PathBuf,
    /// Names by which clients know the service.
    pub(super) endpoints: Vec<String>,
    /// What `vrrpd` tells, if it runs.
    pub(super) vrrpd: Option<vrrpd::status::Status>,
    /// What `lbproxy` tells, if it runs.
    pub(super) lbproxy: Option<lbproxy::control::status::Status>,
    /// Interfaces and addresses.
    pub(super) network: Network,
    /// Whether everything may be looked at.
    pub(super) root: bool,
}

impl Context {
    /// The interfaces that adverts travel through.
    pub(super) fn interfaces(&self) -> BTreeSet<&InterfaceName> {
        self.config.routers.iter().map(|router| &router.interface).collect()
    }

    /// The routers that advertise through `interface`.
    pub(super) fn routers_on<'a>(
        &'a self,
        interface: &'a InterfaceName,
    ) -> impl Iterator<Item = &'a RouterConfig> {
        self.config.routers.iter().filter(move |router| router.interface == *interface)
    }

    /// What a running router tells of itself.
    pub(super) fn status(&self, id: &RouterId) -> Option<&RouterStatus> {
        self.vrrpd.as_ref()?.routers.iter().find(|router| router.id == *id)
    }
}
