//! Where routers and their keys stand, for what is found after the file was read.

use std::collections::BTreeMap;

use super::problem::Span;
use super::raw::RawFile;
use super::spanned::Spanned;

/// The places of every `[[vrrp]]` table and of its keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(BTreeMap<(String, &'static str), Span>);

/// Stands for the table itself.
const TABLE: &str = "";

impl Places {
    pub(super) fn of(file: &RawFile) -> Self {
        let mut places = BTreeMap::new();
        for table in &file.vrrp {
            let raw = table.get_ref();
            let Some(name) = &raw.name else { continue };
            let keys = [
                (TABLE, Some(table.span())),
                ("name", Some(name.span())),
                ("vrid", raw.vrid.as_ref().map(Spanned::span)),
                ("version", raw.version.as_ref().map(Spanned::span)),
                ("priority", raw.priority.as_ref().map(Spanned::span)),
                ("addresses", raw.addresses.as_ref().map(Spanned::span)),
                ("advert_interval", raw.advert_interval.as_ref().map(Spanned::span)),
                ("auth_pass", raw.auth_pass.as_ref().map(Spanned::span)),
                ("checksum", raw.checksum.as_ref().map(Spanned::span)),
                ("source", raw.source.as_ref().map(Spanned::span)),
                ("peers", raw.peers.as_ref().map(Spanned::span)),
                ("track", raw.track.as_ref().map(Spanned::span)),
            ];
            for (key, span) in keys {
                if let Some(span) = span {
                    places.insert((name.get_ref().clone(), key), span);
                }
            }
        }
        Self(places)
    }

    /// The key of the router's table, or the table where it is left to its default.
    pub(super) fn find(&self, router: &str, key: &'static str) -> Span {
        let place = |key| self.0.get(&(router.to_owned(), key)).cloned();
        place(key).or_else(|| place(TABLE)).unwrap_or_default()
    }
}
