//! The link to the proxies, and who asks for the status (`process::messages`).
//!
//! ```text
//! accept ─► Conversation (one task each) ─► Hub: who is connected, what they were told, who released
//!                 ├─ health, status ─► the daemon (Asked)
//!                 └─ Follower: what happens, a line each
//! ```
//! Owns: the socket. Stops: with the runtime. Every queue is bounded; a proxy that does not read is cut
//! off.

mod conversation;
mod follower;
mod hub;

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{Gid, User, chown};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};
use vocabulary::{Name, TrackerHealth};

pub use self::hub::Hub;
use crate::occurrence::Occurrences;
use crate::status::Status;

/// Connections at a time: a handful of proxies, and people who ask for the status.
const CONNECTIONS: usize = 32;

/// Messages for the daemon that may wait: some from each connection. A proxy waits when it is full.
const ASKED_QUEUE: usize = 4 * CONNECTIONS;

/// What comes over the link for the daemon.
#[derive(Debug)]
pub enum Asked {
    /// A proxy tells its health.
    Health(TrackerHealth),
    /// The proxy that told of these died, hangs or left.
    Lost(Vec<Name>, &'static str),
    /// The runner of the scripts that told of these is gone; its successor will tell.
    Left(Vec<Name>),
    /// An operator gives an order; answered when it is under way.
    Ordered(Order, oneshot::Sender<Status>),
    /// Somebody wants the status.
    Status(oneshot::Sender<Status>),
}

/// What an operator may order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hand the addresses of these routers over, or of all; to these peers, or to whoever is best.
    HandOver(Option<Name>, Vec<IpAddr>),
    /// Hand everything over, and take nothing that another can serve.
    Pause,
    /// Take part as before.
    Resume,
}

/// Who may connect.
#[derive(Clone, Copy, Debug)]
pub struct Guests {
    /// The user `lbproxy` runs as.
    pub proxy_uid: Option<u32>,
}

/// A socket that is bound, and not yet served.
#[derive(Debug)]
pub struct Bound {
    listener: std::os::unix::net::UnixListener,
    guests: Guests,
}

/// Binds the socket and hands it to the proxy's group. What lies at the path is replaced: a daemon
/// that was killed leaves its socket behind.
///
/// # Errors
/// The directory is missing or not ours.
pub fn bind(path: &Path, proxy_user: &str) -> io::Result<Bound> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    let user = User::from_name(proxy_user).ok().flatten();
    if let Some(user) = &user
        && let Err(error) = chown(path, None, Some(Gid::from_raw(user.gid.as_raw())))
    {
        // In a user namespace there is one user only, and the proxy is it.
        debug!(%error, user = proxy_user, "cannot hand the link's socket to the proxy's group");
    }
    listener.set_nonblocking(true)?;
    Ok(Bound { listener, guests: Guests { proxy_uid: user.map(|user| user.uid.as_raw()) } })
}

impl Bound {
    /// Serves the socket on the current runtime.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub fn serve(self, occurrences: &Occurrences) -> io::Result<(Hub, mpsc::Receiver<Asked>)> {
        let listener = UnixListener::from_std(self.listener)?;
        let hub = Hub::start();
        let (ask, asked) = mpsc::channel(ASKED_QUEUE);
        let means = Means { hub: hub.clone(), ask, occurrences: occurrences.clone() };
        tokio::spawn(accept(listener, self.guests, means));
        Ok((hub, asked))
    }
}

/// What every conversation needs.
#[derive(Clone, Debug)]
struct Means {
    hub: Hub,
    ask: mpsc::Sender<Asked>,
    occurrences: Occurrences,
}

async fn accept(listener: UnixListener, guests: Guests, means: Means) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    let mut number = 0_u64;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection to the link; trying again in a second");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
        };
        let operator = match admit(&stream, guests) {
            Ok(operator) => operator,
            Err(stranger) => {
                warn!(
                    uid = stranger,
                    "refused a connection to the link: not root, us or the proxy's user"
                );
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            warn!(limit = CONNECTIONS, "refused a connection to the link: too many");
            continue;
        };
        number += 1;
        let conversation = conversation::Conversation::new(number, operator, means.clone());
        tokio::spawn(async move {
            conversation.run(stream).await;
            drop(place);
        });
    }
}

/// Whether the other side may give orders, as root and we ourselves may; its user if it may not even
/// speak.
fn admit(stream: &UnixStream, guests: Guests) -> Result<bool, u32> {
    let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    let ours = rustix::process::geteuid().as_raw();
    let operator = uid == 0 || uid == ours;
    if operator || guests.proxy_uid == Some(uid) { Ok(operator) } else { Err(uid) }
}
