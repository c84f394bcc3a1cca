//! Bytes with open files over a Unix socket (`SCM_RIGHTS`, unix(7)): how a successor gets what its
//! predecessor has open.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The most files that the kernel takes with one message (`SCM_MAX_FD`).
pub const MOST_FILES: usize = 253;

/// Sends all of `bytes`, and `files` with them: at most [`MOST_FILES`].
///
/// # Errors
/// What the kernel says, such as that nobody reads; that it did not take all of it.
pub fn send(socket: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many files for a message"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::WriteZero, "the socket did not take a whole message"))
}

/// Receives what is there; returns the number of bytes, 0 at the end, and the files that came with them.
///
/// # Errors
/// What the kernel says, such as that nothing is there.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        RecvAncillaryMessage::ScmCredentials(_) | _ => None,
    });
    Ok((received.bytes, files.flatten().collect()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_file_that_was_passed_is_the_same_file() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut kept, passed) = UnixStream::pair().unwrap();
        send(&ours, b"one line\n", &[passed.as_fd()]).unwrap();
        drop(passed);
        let mut buffer = [0; 64];
        let (length, files) = receive(&theirs, &mut buffer).unwrap();
        assert_eq!((&buffer[..length], files.len()), (b"one line\n".as_slice(), 1));
        let mut passed = UnixStream::from(files.into_iter().next().unwrap());
        kept.write_all(b"still open").unwrap();
        let mut read = [0; 10];
        passed.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"still open");
    }

    #[test]
    fn the_files_of_two_messages_are_never_mixed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let file = ours.try_clone().unwrap();
        let most = vec![file.as_fd(); MOST_FILES];
        send(&ours, b"1\n", &most).unwrap();
        send(&ours, b"2\n", &most[..1]).unwrap();
        drop((ours, file));
        let mut got = Vec::new();
        loop {
            let mut buffer = [0; 64];
            let (length, files) = receive(&theirs, &mut buffer).unwrap();
            got.push((buffer[..length].to_vec(), files.len()));
            if length == 0 {
                break;
            }
        }
        assert_eq!(got, [(b"1\n".to_vec(), MOST_FILES), (b"2\n".to_vec(), 1), (Vec::new(), 0)]);
    }

    #[test]
    fn too_many_files_are_refused() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let most = vec![ours.as_fd(); MOST_FILES + 1];
        assert_eq!(send(&ours, b"1", &most).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
