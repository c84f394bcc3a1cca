//! Text that a thread of its own writes: nobody waits for whoever reads it.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};
use std::time::Duration;

/// How long the end waits for the last text to be written.
const END: Duration = Duration::from_secs(1);

/// How often the end looks whether there is room.
const LOOK: Duration = Duration::from_millis(10);

/// Where text is handed over.
#[derive(Clone, Debug)]
pub struct Output {
    waiting: SyncSender<Message>,
}

/// Has the last text written when dropped, for as long as its reader takes it, and a second at most.
#[derive(Debug)]
pub struct Flush {
    waiting: SyncSender<Message>,
    ended: Receiver<()>,
}

#[derive(Debug)]
enum Message {
    Text(String),
    End,
}

impl Output {
    /// Starts the thread. So many texts may wait for a slow reader.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(name: &str, mut file: File, room: usize) -> io::Result<(Self, Flush)> {
        let (waiting, texts) = sync_channel(room);
        let (end, ended) = sync_channel(1);
        Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok(Message::Text(text)) = texts.recv() {
                // There is nowhere to say that nobody reads.
                drop(file.write_all(text.as_bytes()));
            }
            drop(end);
        })?;
        Ok((Self { waiting: waiting.clone() }, Flush { waiting, ended }))
    }

    /// Hands over a text, at once. False: there was no room for it.
    #[must_use]
    pub fn send(&self, text: String) -> bool {
        self.waiting.try_send(Message::Text(text)).is_ok()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        for _ in 0..END.as_millis() / LOOK.as_millis() {
            if self.waiting.try_send(Message::End).is_ok() {
                // It ends by the thread's end, or in vain.
                self.ended.recv_timeout(END).ok();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_the_rest_is_written_by_the_end() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (output, flush) =
            Output::start("test", File::from(std::os::fd::OwnedFd::from(writer)), 2).unwrap();
        // The first fills the pipe and stays with the thread.
        let long = "x".repeat(100_000);
        assert!(output.send(long.clone()));
        while !output.send("1".to_owned()) {}
        while !output.send("2".to_owned()) {}
        assert!(!output.send("3".to_owned()));
        let read = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        drop(flush);
        assert_eq!(read.join().unwrap(), long + "12");
    }
}
