//! A file that holds a number: an operator's own word on a node's priority.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::blocking;
use process::throttle::{MINUTE, Throttle};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;
use vocabulary::Name;

use super::Found;
use crate::clock::now;

/// How often the file is read. Reading is cheaper than to follow every way in which files are
/// replaced, and nobody drains a node faster.
const EVERY: Duration = Duration::from_millis(250);

/// A number and the space around it fit into so many bytes.
const SIZE_LIMIT: u64 = 64;

/// Numbers beyond have no further effect on a priority.
const LIMIT: i16 = 254;

/// Tells the number in `path` whenever it changes. Ends when nobody listens.
pub(super) async fn watch(tracker: Name, path: PathBuf, news: mpsc::Sender<Found>) {
    let mut known = None;
    let mut log = Throttle::new(MINUTE);
    loop {
        let file = path.clone();
        // Elsewhere, for a file system may take its time.
        match blocking::run("tracked-file", move || read(&file)).await.flatten() {
            Ok(number) => {
                if known != Some(number) {
                    known = Some(number);
                    if news.send(Found::Number(tracker.clone(), number)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                if let Some(times) = log.take(now()) {
                    let (path, stays) = (path.display(), known.unwrap_or(0));
                    warn!(%tracker, %path, %error, stays, times, "cannot read a tracked file: its number stays");
                }
                // Whoever waits for a first word gets it.
                if known.is_none() {
                    known = Some(0);
                    news.send(Found::Number(tracker.clone(), 0)).await.ok();
                }
            }
        }
        sleep(EVERY).await;
    }
}

/// The number in a file; 0 without a file or in an empty one.
fn read(path: &Path) -> io::Result<i16> {
    let mut text = String::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(SIZE_LIMIT).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    parse(&text).ok_or_else(|| {
        let message = format!("it holds {:?}, which is no whole number", text.trim());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

fn parse(text: &str) -> Option<i16> {
    match text.trim() {
        "" => Some(0),
        number => {
            let number: i64 = number.parse().ok()?;
            i16::try_from(number.clamp(i64::from(-LIMIT), i64::from(LIMIT))).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_limited() {
        let table = [
            ("", Some(0)),
            (" \n", Some(0)),
            ("-50\n", Some(-50)),
            ("+7", Some(7)),
            ("99999", Some(254)),
            ("-99999", Some(-254)),
            ("1.5", None),
            ("drain", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
