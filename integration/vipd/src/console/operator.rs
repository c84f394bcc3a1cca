//! `RUNTIME_DIR/vipd.sock`: where the commands ask and order.
//!
//! Who may connect the kernel says: root, and members of the group `vipd` where there is one. Of these only
//! root, and who started us, may give orders. Each connection gets one answer, a limited time and a limited
//! number of bytes.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Group, chown, geteuid};
use process::messages::line;
use process::throttle::{MINUTE, SharedThrottle, Throttle};
use rustix::fs::Mode;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};
use vrrpd::channels::Follower;

use super::request::{Answer, REQUEST_LIMIT, Request};
use super::slots::{Busy, Slots};
use super::sources::Sources;
use crate::clock::now;

/// The group whose members may ask.
const GROUP: &str = "vipd";

/// Connections at once.
const CONNECTIONS: usize = 64;

/// Of these, those that follow what happens.
const FOLLOWERS: usize = 16;

/// How long a client may take to say what it wants.
const REQUEST_TIME: Duration = Duration::from_secs(2);

/// How long it may take to read its answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Connections that could not be accepted, in the log.
static FAILED: SharedThrottle = SharedThrottle::new(Throttle::new(MINUTE));

/// Time before another attempt where the kernel gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the socket in the place of what lies there; call it while there are privileges.
///
/// # Errors
/// The directory is missing or not ours.
pub(super) fn bind(path: &Path) -> io::Result<StdListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody else may ever connect, not even between the bind and the chmod.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = StdListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    // In a user namespace there is one user only, and no group to give it to.
    if let Some(group) = Group::from_name(GROUP).ok().flatten()
        && chown(path, None, Some(group.gid)).is_ok()
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Who may give orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orderers {
    /// The user that started us.
    started_by: u32,
}

impl Orderers {
    /// Call it before a change of user.
    pub(super) fn now() -> Self {
        Self { started_by: geteuid().as_raw() }
    }

    fn may_order(self, uid: u32) -> bool {
        uid == 0 || uid == self.started_by
    }
}

/// Serves the socket.
#[derive(Debug)]
pub(super) struct Operator {
    listener: UnixListener,
    slots: Slots,
    followers: Arc<Semaphore>,
    orderers: Orderers,
    sources: Sources,
}

impl Operator {
    /// Call it within a runtime.
    ///
    /// # Errors
    /// The runtime cannot take the socket.
    pub(super) fn new(
        listener: StdListener,
        orderers: Orderers,
        sources: Sources,
    ) -> io::Result<Self> {
        let listener = UnixListener::from_std(listener)?;
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        Ok(Self { listener, slots: Slots::new(CONNECTIONS), followers, orderers, sources })
    }

    /// Accepts for ever.
    pub(super) async fn run(mut self) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if let Some(times) = FAILED.take(now()) {
                        warn!(%error, times, "cannot accept a connection of an operator");
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
            let may_order = self.orderers.may_order(uid);
            let (sources, followers) = (self.sources.clone(), Arc::clone(&self.followers));
            self.slots.take(|busy| async move {
                let client = Client { stream, may_order, sources, followers };
                if let Err(error) = client.serve(busy).await {
                    debug!(uid, %error, "a client of the console left");
                }
            });
        }
    }
}

/// One connection.
struct Client {
    stream: UnixStream,
    may_order: bool,
    sources: Sources,
    followers: Arc<Semaphore>,
}

impl Client {
    async fn serve(mut self, busy: Busy) -> io::Result<()> {
        let request = timeout(REQUEST_TIME, request(&mut self.stream)).await??;
        busy.set(true);
        let answer = match serde_json::from_slice::<Request>(&request) {
            Err(error) => refused(&format!("not understood: {error}")),
            Ok(request) if request.is_order() && !self.may_order => {
                refused("only root may give orders")
            }
            Ok(Request::Events) => match Arc::clone(&self.followers).try_acquire_owned() {
                Err(_) => refused(&format!("{FOLLOWERS} follow what happens already")),
                Ok(_place) => return self.follow().await,
            },
            Ok(request) => self.answer(request).await,
        };
        timeout(ANSWER_TIME, self.stream.write_all(&answer)).await?
    }

    async fn answer(&self, request: Request) -> Vec<u8> {
        match request {
            Request::Status => line(&Answer::Answer(self.sources.status().await)),
            Request::Vrrpd { request } => {
                passed_on("vrrpd", self.sources.vrrpd.ask::<Value>(&request).await)
            }
            Request::Lbproxy { request } => {
                passed_on("lbproxy", self.sources.lbproxy.ask::<Value>(&request).await)
            }
            Request::Events => Vec::new(),
        }
    }

    /// Until the client or `vrrpd` has enough. A client that does not read is cut off by the follower.
    async fn follow(mut self) -> io::Result<()> {
        let occurrences = self.sources.follow();
        let Some(status) = self.sources.status().await.vrrpd else {
            let answer = passed_on::<()>("vrrpd", None);
            return timeout(ANSWER_TIME, self.stream.write_all(&answer)).await?;
        };
        let (mut reader, writer) = self.stream.into_split();
        let mut nothing = [0; 16];
        tokio::select! {
            () = Follower { writer, occurrences }.run(status) => {}
            // It has nothing more to say: this is its end.
            _ = reader.read(&mut nothing) => {}
        }
        Ok(())
    }
}

/// A line of the client, without its end.
async fn request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 512];
    loop {
        let length = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            bytes.truncate(end);
            return Ok(bytes);
        }
        if length == 0 || bytes.len() > REQUEST_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn refused(words: &str) -> Vec<u8> {
    line(&Answer::<()>::Refused(words.to_owned()))
}

fn passed_on<T: Serialize>(program: &str, answer: Option<T>) -> Vec<u8> {
    match answer {
        Some(answer) => line(&Answer::Answer(answer)),
        None => line(&Answer::<T>::Silent(format!("{program} does not answer"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::super::sources::Wanted;
    use super::*;

    /// What a client with this right is answered; nothing else runs.
    async fn answered(said: &[u8], may_order: bool) -> String {
        let (mut theirs, stream) = UnixStream::pair().unwrap();
        let wanted = Wanted { vrrpd: true, lbproxy: false };
        let sources = Sources::new(watch::channel(wanted).1);
        let followers = Arc::new(Semaphore::new(0));
        let client = Client { stream, may_order, sources, followers };
        let serve = client.serve(Busy::default());
        let talk = async {
            theirs.write_all(said).await.unwrap();
            let mut answer = String::new();
            theirs.read_to_string(&mut answer).await.unwrap();
            answer
        };
        tokio::join!(serve, talk).1
    }

    #[tokio::test]
    async fn only_who_may_order_is_obeyed() {
        let pause = b"{\"type\":\"vrrpd\",\"request\":{\"type\":\"pause\"}}\n";
        let refused = "{\"refused\":\"only root may give orders\"}\n";
        assert_eq!(answered(pause, false).await, refused);
        assert_eq!(answered(pause, true).await, "{\"silent\":\"vrrpd does not answer\"}\n");
        let maint = br#"{"type":"lbproxy","request":{"type":"server","proxy":"p","server":"s","order":"maint"}}"#;
        assert_eq!(answered(&[maint, &b"\n"[..]].concat(), false).await, refused);
        let status = "{\"answer\":{\"vrrpd\":null,\"lbproxy\":null,\"missing\":[\"vrrpd\"]}}\n";
        assert_eq!(answered(b"{\"type\":\"status\"}\n", false).await, status);
        let crowd = "{\"refused\":\"16 follow what happens already\"}\n";
        assert_eq!(answered(b"{\"type\":\"events\"}\n", true).await, crowd);
        let other = Orderers { started_by: 1000 };
        assert_eq!([0, 1000, 65534].map(|uid| other.may_order(uid)), [true, true, false]);
    }

    #[tokio::test]
    async fn who_says_nothing_or_too_much_is_sent_away() {
        assert_eq!(answered(b"{\"type\":", true).await, "");
        assert_eq!(answered(&[b'x'; REQUEST_LIMIT + 1], true).await, "");
        let words = answered(b"{\"type\":\"retire\"}\n", true).await;
        assert!(words.starts_with("{\"refused\":\"not understood: "), "{words}");
    }

    #[test]
    fn the_socket_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vipd.sock");
        std::fs::write(&path, "what lies there").unwrap();
        let _listener = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let has_group = Group::from_name(GROUP).unwrap().is_some();
        assert_eq!(mode, if has_group { 0o660 } else { 0o600 });
    }
}
