//! The file in which an operator's orders outlive the program, as a pause does: a restart, also of the
//! supervisor, and an upgrade; not the machine, where it lies in `/run`.
//!
//! It is opened while there are privileges, for root alone, and written by the handle from then on: a line of
//! JSON, in one write. Times are counted from the start of the machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use process::messages::line;
use serde::{Deserialize, Serialize};
use tracing::warn;
use vocabulary::Name;

use crate::health::registry::orders::StandingOrder;
use crate::plan::state::Order;

/// Its name in the runtime directory.
const FILE: &str = "orders";

/// It is never longer than this, in bytes: thousands of orders fit.
const LIMIT: u64 = 1024 * 1024;

/// One moment by two clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// Since the start of the machine.
    pub(crate) since_boot: Duration,
}

/// All of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    orders: Vec<WrittenOrder>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WrittenOrder {
    proxy: Name,
    server: Name,
    order: Order,
    /// When it ends, in milliseconds since the start of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    /// How long it had still to hold when this was written: should the machine have started anew, it holds no
    /// longer than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_ms: Option<u64>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct OrdersFile {
    file: File,
    saved: Vec<StandingOrder>,
}

impl OrdersFile {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// The directory is not there, or not ours.
    pub(crate) fn open(runtime_dir: &Path) -> io::Result<Self> {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(flags).open(runtime_dir.join(FILE))?;
        Ok(Self { file, saved: Vec::new() })
    }

    /// What holds of that which was written.
    pub(crate) fn read(&mut self, moment: Moment) -> Vec<StandingOrder> {
        let content = self.content().unwrap_or_else(|error| {
            warn!(%error, "cannot read operators' orders: they hold no longer");
            Vec::new()
        });
        self.saved = standing(&content, moment);
        self.saved.clone()
    }

    fn content(&self) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len().min(LIMIT);
        let mut content = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }

    /// Writes what holds, where that is news.
    pub(crate) fn save(&mut self, orders: Vec<StandingOrder>, moment: Moment) {
        if orders == self.saved {
            return;
        }
        let content = written(&orders, moment);
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let saved = self.file.write_all_at(&content, 0).and_then(|()| self.file.set_len(length));
        match saved {
            Ok(()) => self.saved = orders,
            Err(error) => {
                warn!(%error, "cannot note operators' orders for the next start: they hold until then");
            }
        }
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn written(orders: &[StandingOrder], moment: Moment) -> Vec<u8> {
    let of = |standing: &StandingOrder| {
        let left = standing.until.map(|until| until.saturating_duration_since(moment.now));
        WrittenOrder {
            proxy: standing.proxy.clone(),
            server: standing.server.clone(),
            order: standing.order,
            until_ms: left.map(|left| millis(moment.since_boot + left)),
            left_ms: left.map(millis),
        }
    };
    line(&Written { orders: orders.iter().map(of).collect() })
}

/// What is behind the first line is of a longer one that was not cut off in time.
fn standing(content: &[u8], moment: Moment) -> Vec<StandingOrder> {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let written: Written = serde_json::from_slice(first).unwrap_or_default();
    let of = |written: WrittenOrder| {
        let until = match (written.until_ms, written.left_ms) {
            (None, _) => None,
            (Some(until), left) => {
                let left = until.checked_sub(millis(moment.since_boot))?.min(left.unwrap_or(until));
                Some(moment.now + Duration::from_millis(left)).filter(|until| *until > moment.now)
            }
        };
        let over = written.until_ms.is_some() && until.is_none();
        let WrittenOrder { proxy, server, order, .. } = written;
        (!over).then_some(StandingOrder { proxy, server, order, until })
    };
    written.orders.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock;

    fn order(server: &str, order: Order, until: Option<Instant>) -> StandingOrder {
        let name = |text| Name::try_from(text).unwrap();
        StandingOrder { proxy: name("p"), server: name(server), order, until }
    }

    #[test]
    fn orders_are_written_with_their_end_and_read_by_another_clock() {
        let (now, later) = (clock::now(), clock::now() + Duration::from_secs(7));
        let orders = [
            order("a", Order::Drain, None),
            order("b", Order::Weight(5), Some(now + Duration::from_secs(60))),
        ];
        let since_boot = Duration::from_secs(1000);
        let content = written(&orders, Moment { now, since_boot });
        let text = "{\"orders\":[{\"proxy\":\"p\",\"server\":\"a\",\"order\":\"drain\"},\
                    {\"proxy\":\"p\",\"server\":\"b\",\"order\":{\"weight\":5},\
                    \"until_ms\":1060000,\"left_ms\":60000}]}\n";
        assert_eq!(String::from_utf8(content.clone()).unwrap(), text);
        // Ten seconds after that, in another program, whose clock has nothing to do with ours.
        let read = |seconds| {
            let since_boot = Duration::from_secs(seconds);
            standing(&content, Moment { now: later, since_boot })
        };
        let end = |seconds| Some(later + Duration::from_secs(seconds));
        assert_eq!(read(1010)[1], order("b", Order::Weight(5), end(50)));
        for over in [1060, 5000] {
            assert_eq!(read(over), [order("a", Order::Drain, None)]);
        }
        // The machine has started anew.
        assert_eq!(read(3)[1], order("b", Order::Weight(5), end(60)));
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let moment = Moment { now: clock::now(), since_boot: Duration::ZERO };
        for text in ["", "\n", "{", "{\"orders\":[{\"proxy\":\"p\"}]}\n", "\0\0\0"] {
            assert_eq!(standing(text.as_bytes(), moment), [], "{text:?}");
        }
        let rest = "{\"orders\":[]}\n\"}]}\n";
        assert_eq!(standing(rest.as_bytes(), moment), []);
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_outlives_its_handle() {
        let dir = tempfile::tempdir().unwrap();
        let moment = Moment { now: clock::now(), since_boot: Duration::ZERO };
        let mut file = OrdersFile::open(dir.path()).unwrap();
        let long: Vec<_> = ["a", "b", "c"].map(|name| order(name, Order::Maint, None)).to_vec();
        file.save(long, moment);
        file.save(vec![order("c", Order::Drain, None)], moment);
        drop(file);
        let mode = dir.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut again = OrdersFile::open(dir.path()).unwrap();
        assert_eq!(again.read(moment), [order("c", Order::Drain, None)]);
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(FILE)).unwrap();
        assert!(OrdersFile::open(dir.path()).is_err(), "never through a link");
    }
}
