//! What can be heard on the links: the peer, other pairs, and who answers for the virtual addresses.

mod adverts;
mod listen;
mod taken;
mod vrids;

use std::io;

use config::RouterConfig;
use futures_util::future::join_all;
use vrrpd::status::RouterStatus;

use self::listen::{Heard, Speaker, listen};
use super::context::Context;
use super::report::Finding;
use crate::status;

/// Listens, asks, and concludes. Sends no advert, and takes no address.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let heard = listen(context).await;
    // What a running router has become meanwhile.
    let now = status::vrrpd(&context.runtime_dir).ok();
    let mut found = Vec::new();
    let mut asked = Vec::new();
    for router in &context.config.routers {
        let link = (router.interface.clone(), router.id.family);
        let state = |status: &RouterStatus| (status.id == router.id).then_some(status.state);
        let later = now.iter().flat_map(|now| &now.routers).find_map(state);
        match heard.get(&link) {
            Some(Ok(heard)) => {
                found.extend(adverts::look(context, router, heard, later));
                asked.push(taken::look(context, router, heard));
            }
            // Of one that is not there enough is said.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Some(Err(error)) => found.push(adverts::deaf(context, router, error)),
            None => {}
        }
    }
    found.extend(join_all(asked).await.into_iter().flatten());
    for (link, heard) in &heard {
        found.extend(heard.as_ref().ok().map(|heard| vrids::look(context, link, heard)));
    }
    found
}

/// Who advertises with a router's VRID and some of its addresses: its peers.
fn peers<'a>(
    router: &'a RouterConfig,
    heard: &'a Heard,
) -> impl Iterator<Item = (std::net::IpAddr, &'a Speaker)> {
    namesakes(router, heard).filter(|(_, speaker)| {
        router.addresses.iter().any(|ours| speaker.addresses.contains(&ours.ip()))
    })
}

/// Who advertises with a router's VRID.
fn namesakes<'a>(
    router: &'a RouterConfig,
    heard: &'a Heard,
) -> impl Iterator<Item = (std::net::IpAddr, &'a Speaker)> {
    let vrid = router.vrid.get();
    heard
        .speakers
        .iter()
        .filter(move |((_, theirs), _)| *theirs == vrid)
        .map(|((ip, _), s)| (*ip, s))
}
