//! How a server is, for those that follow it.

use std::net::IpAddr;

use super::server::ServerRecord;
use crate::plan::state::State;

/// How a server is that others follow.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) address: Option<IpAddr>,
    pub(super) state: State,
    pub(super) held: bool,
    /// What the last change of state was for, in words.
    pub(super) reason: String,
}

impl Example {
    /// The one of a name's servers that is at the same address, or the only one.
    pub(super) fn for_one<'a>(all: &'a [Self], record: &ServerRecord) -> Option<&'a Self> {
        let same = |example: &&Self| example.address == record.address();
        let sole = || all.first().filter(|_| all.len() == 1);
        all.iter().find(same).or_else(sole)
    }
}
