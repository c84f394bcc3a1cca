//! `RUNTIME_DIR/supervisor.sock`: root's own way to the supervisor. A line asks for a reload, a line tells
//! its outcome.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use process::messages::line;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::warn;

/// Its name in the runtime directory.
pub(crate) const SOCKET: &str = "supervisor.sock";

/// Those who are served at once; more wait.
pub(super) const CLIENTS: usize = 8;

/// A request is no longer than this, in bytes.
const REQUEST_LIMIT: u64 = 256;

/// How long a client may take to say what it wants, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time before another attempt where the kernel gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Read the configuration anew, and have every program go over to it.
    Reload,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Every program has gone over to it.
    Taken,
    /// Nothing has changed anywhere, and why, as `vipd check` says it.
    Refused(String),
    /// It did not come to that, and why.
    Failed(String),
}

/// A request, and who waits.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Serves the socket, until it is aborted. Without one, SIGHUP still works.
pub(super) fn serve(runtime_dir: &Path, asks: mpsc::Sender<Asked>) -> Option<AbortHandle> {
    let path = runtime_dir.join(SOCKET);
    match bind(&path) {
        Ok(listener) => Some(tokio::spawn(accept(listener, asks)).abort_handle()),
        Err(error) => {
            warn!(path = %path.display(), %error, "cannot listen for `vipd reload`: only SIGHUP reloads");
            None
        }
    }
}

/// Who holds the lock of the directory may replace the socket of one that died.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, asks: mpsc::Sender<Asked>) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let asks = asks.clone();
        tokio::spawn(async move {
            // How it ends is the client's business.
            converse(stream, &asks).await.ok();
            drop(place);
        });
    }
}

async fn converse(mut stream: UnixStream, asks: &mpsc::Sender<Asked>) -> io::Result<()> {
    // Whatever has become of the file's mode.
    let uid = stream.peer_cred()?.uid();
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut text = String::new();
    let (reader, _) = stream.split();
    let mut reader = BufReader::new(reader.take(REQUEST_LIMIT));
    timeout(PATIENCE, reader.read_line(&mut text)).await??;
    let Request::Reload = serde_json::from_str(&text)?;
    let (reply, outcome) = oneshot::channel();
    asks.send(Asked { reply }).await.map_err(io::Error::other)?;
    let outcome = outcome.await.map_err(io::Error::other)?;
    timeout(PATIENCE, stream.write_all(&line(&outcome))).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(path: &Path, text: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok();
        answer
    }

    #[tokio::test]
    async fn a_line_is_answered_by_a_line_and_only_root_may_ask() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        // One that died left it.
        std::fs::write(&path, "").unwrap();
        let (asks, mut asked) = mpsc::channel(CLIENTS);
        serve(dir.path(), asks);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        tokio::spawn(async move {
            while let Some(Asked { reply }) = asked.recv().await {
                reply.send(Outcome::Refused("line 1".to_owned())).unwrap();
            }
        });
        let answer = ask(&path, b"{\"type\":\"reload\"}\n").await;
        assert_eq!(answer, "{\"refused\":\"line 1\"}\n");
        assert_eq!(ask(&path, b"{\"type\":\"retire\"}\n").await, "");
        assert_eq!(ask(&path, &[b'x'; 300]).await, "");
    }

    #[test]
    fn outcomes_look_like_this_on_the_wire() {
        assert_eq!(line(&Request::Reload), b"{\"type\":\"reload\"}\n");
        assert_eq!(line(&Outcome::Taken), b"\"taken\"\n");
        assert_eq!(line(&Outcome::Failed("ends".to_owned())), b"{\"failed\":\"ends\"}\n");
    }
}
