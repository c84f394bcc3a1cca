//! The socket on which the status is asked for and orders are given.
//!
//! A task for the socket and one for each client, at most [`CLIENTS`], each for at most a second.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{User, chown};
use process::messages::{Lines, line};
use rustix::fs::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::control::estate::Estate;
use crate::control::status::{Answer, Request};

/// Clients at once; further ones are turned away.
pub(crate) const CLIENTS: usize = 16;

/// What a client may take for everything.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request is shorter, in bytes.
const REQUEST_LIMIT: usize = 4096;

/// What somebody wants.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Where the answer goes.
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A line.
    Line(Vec<u8>),
    /// Everything, for a successor.
    Estate(Estate),
}

/// Makes the socket in place of a stale one, or takes a predecessor's, and hands it to the group of
/// `user`: as that the proxy runs, and what tells its metrics.
///
/// # Errors
/// Another proxy answers on it, or the directory is not to be written to.
pub(crate) fn bind(
    path: &Path,
    user: &str,
    inherited: Option<StdListener>,
) -> io::Result<StdListener> {
    let listener = inherited.map_or_else(|| bind_anew(path), Ok)?;
    if let Some(user) = User::from_name(user).ok().flatten()
        && let Err(error) = chown(path, None, Some(user.gid))
    {
        // An ordinary user is that user already, as a rule.
        debug!(%error, "cannot hand the admin socket to the proxy's group");
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_anew(path: &Path) -> io::Result<StdListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another lbproxy runs here"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody else may ever connect, not even between the bind and the chmod.
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let bound = StdListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves clients whose user is one of `users`.
pub(crate) async fn run(listener: UnixListener, users: Vec<u32>, asked: mpsc::Sender<Asked>) {
    let seats = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept on the admin socket; trying again");
                sleep(PATIENCE).await;
                continue;
            }
        };
        let user = stream.peer_cred().map(|credentials| credentials.uid());
        if !user.is_ok_and(|user| users.contains(&user)) {
            debug!("a stranger was turned away from the admin socket");
            continue;
        }
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            continue;
        };
        let asked = asked.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, asked).await {
                debug!(%error, "a client of the admin socket left");
            }
            drop(seat);
        });
    }
}

async fn serve(mut stream: UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let first = timeout(PATIENCE, answer(&mut stream, &asked)).await??;
    if matches!(first, Kept::Yes) {
        // A successor says when it serves, or dies: its checks take their time.
        answer(&mut stream, &asked).await?;
    }
    Ok(())
}

/// Whether a client may say more after the answer.
enum Kept {
    No,
    Yes,
}

async fn answer(stream: &mut UnixStream, asked: &mpsc::Sender<Asked>) -> io::Result<Kept> {
    let mut lines = Lines::default();
    let mut buffer = [0; 256];
    let mut taken = 0;
    let request = loop {
        let count = stream.read(&mut buffer).await?;
        taken += count;
        if count == 0 || taken > REQUEST_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        lines.push(buffer.get(..count).unwrap_or_default()).map_err(io::Error::other)?;
        if let Some(request) = lines.message::<Request>().transpose() {
            break request;
        }
    };
    let reply = match request {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            asked.send(Asked { request, reply }).await.map_err(|_| gone())?;
            answer.await.map_err(|_: oneshot::error::RecvError| gone())?
        }
        Err(error) => Reply::Line(line(&Answer::Error(error.to_string()))),
    };
    match reply {
        Reply::Line(line) => stream.write_all(&line).await.map(|()| Kept::No),
        Reply::Estate(estate) => estate.hand_to(stream).await.map(|()| Kept::Yes),
    }
}
