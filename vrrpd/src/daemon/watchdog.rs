//! The supervisor's watchdog.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Its socket, which the supervisor put in the place of standard input. When it dies, nobody would
/// clean up after us: the kernel tells us to end in order.
pub(super) fn inherited() -> io::Result<UnixStream> {
    let end = rustix::process::Signal::TERM;
    rustix::process::set_parent_process_death_signal(Some(end))?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    Ok(socket)
}
