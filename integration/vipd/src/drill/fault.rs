//! The faults of a drill, what is done for each, and what is promised.

use std::net::IpAddr;
use std::time::Duration;

use clap::ValueEnum;
use nix::sys::signal::Signal;
use vocabulary::{AdvertInterval, Priority};
use vrrp::election::{Version, timing};

use super::pair::{CHECK_FALL, CHECK_INTERVAL, PRIORITIES, Pair, Part};
use lab::{Block, Moment};

/// How long something may take to come true before a fault can be injected.
const PREPARE_LIMIT: Duration = Duration::from_secs(30);

/// What goes wrong, always on the node that has the address unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Fault {
    /// The node is told to end (SIGTERM)
    PlannedStop,
    /// vrrpd dies (SIGKILL)
    VrrpdKilled,
    /// vrrpd hangs (SIGSTOP)
    VrrpdHung,
    /// All of the node's programs die at once (SIGKILL)
    NodeKilled,
    /// All of the node's programs stand still (SIGSTOP)
    NodeFrozen,
    /// The switch forwards nothing more from and to the node; its carrier stays
    NodeCut,
    /// The node's cable is pulled
    LinkDown,
    /// The proxy dies (SIGKILL)
    ProxyKilled,
    /// The proxy hangs (SIGSTOP)
    ProxyHung,
    /// The node reaches no backend any more, while the other node reaches all
    BackendsLost,
    /// One of three backends dies (SIGKILL)
    BackendKilled,
    /// The nodes were cut off from each other, both became Active, and the cut heals
    SplitAndHeal,
    /// The first node, which had ended, comes back
    Failback,
    /// The node's program is replaced by a new one (SIGUSR2, as `vipd upgrade` does)
    Upgrade,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Nobody answers a ping.
    PingSilence,
    /// No new client is served.
    ServiceSilence,
    /// Two nodes have the address.
    DualOwner,
    /// No node has it.
    NoOwner,
    /// Requests that failed or took more than 100 ms: a count, not a time.
    BadRequests,
}

/// What a figure may be at most: milliseconds, or a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) figure: Figure,
    pub(super) at_most: f64,
}

impl Fault {
    /// Its name on the command line and in what is printed.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Brings the pair to where the fault can happen.
    pub(super) fn prepare(self, pair: &mut Pair) -> anyhow::Result<()> {
        let mut owners = pair.watch_owners()?;
        match self {
            Self::Failback => {
                pair.nodes[0].stop()?;
                owners.wait_for(&["lb2"], PREPARE_LIMIT)?;
            }
            Self::SplitAndHeal => {
                pair.lab.cut("lb1")?;
                owners.wait_for(&["lb1", "lb2"], PREPARE_LIMIT)?;
            }
            Self::PlannedStop
            | Self::VrrpdKilled
            | Self::VrrpdHung
            | Self::NodeKilled
            | Self::NodeFrozen
            | Self::NodeCut
            | Self::LinkDown
            | Self::ProxyKilled
            | Self::ProxyHung
            | Self::BackendsLost
            | Self::BackendKilled
            | Self::Upgrade => {}
        }
        Ok(())
    }

    /// Lets it happen; tells when.
    pub(super) fn inject(self, pair: &mut Pair) -> anyhow::Result<Moment> {
        let lb1 = &mut pair.nodes[0];
        let at = Moment::now();
        match self {
            Self::PlannedStop => lb1.signal_vipd(Signal::SIGTERM)?,
            Self::VrrpdKilled => lb1.signal(Part::Vrrpd, Signal::SIGKILL)?,
            Self::VrrpdHung => lb1.signal(Part::Vrrpd, Signal::SIGSTOP)?,
            Self::NodeKilled => lb1.signal_all(Signal::SIGKILL)?,
            Self::NodeFrozen => lb1.signal_all(Signal::SIGSTOP)?,
            Self::NodeCut => pair.lab.cut("lb1")?,
            Self::LinkDown => pair.lab.carrier("lb1", false)?,
            Self::ProxyKilled => lb1.signal(Part::Lbproxy, Signal::SIGKILL)?,
            Self::ProxyHung => lb1.signal(Part::Lbproxy, Signal::SIGSTOP)?,
            Self::BackendsLost => {
                let addresses = pair.backends.iter().map(|b| IpAddr::V4(b.host.ipv4()));
                lb1.host.block(&addresses.collect::<Vec<_>>(), Block::Silent)?;
            }
            Self::BackendKilled => {
                pair.backends[0].server.kill()?;
            }
            Self::SplitAndHeal => pair.lab.heal("lb1")?,
            Self::Failback => lb1.run()?,
            Self::Upgrade => lb1.signal_vipd(Signal::SIGUSR2)?,
        }
        Ok(at)
    }

    /// Makes sure that what leaves no trace in the figures happened all the same.
    pub(super) fn confirm(self, pair: &Pair) -> anyhow::Result<()> {
        let upgraded = self != Self::Upgrade || pair.nodes[0].has_said("msg=upgraded");
        anyhow::ensure!(upgraded, "the node was not upgraded:\n{}", pair.log());
        Ok(())
    }

    /// How long to look at what follows.
    pub(super) fn aftermath(self, interval: AdvertInterval) -> Duration {
        let takeover = interval.duration() * 5;
        let settling = match self {
            // The lease of a dead node's address, 0.3 s late at most.
            Self::NodeKilled | Self::NodeFrozen => lease(interval) + Duration::from_millis(800),
            // The proxy's checks come first.
            Self::Failback | Self::Upgrade => Duration::from_secs(3),
            Self::BackendsLost | Self::BackendKilled => Duration::from_secs(3),
            Self::ProxyHung => Duration::from_secs(2),
            Self::PlannedStop
            | Self::VrrpdKilled
            | Self::VrrpdHung
            | Self::NodeCut
            | Self::LinkDown
            | Self::ProxyKilled
            | Self::SplitAndHeal => Duration::from_millis(1200),
        };
        takeover + settling
    }

    /// What is promised, the first as the one that tells most.
    pub(super) fn bounds(self, interval: AdvertInterval) -> Vec<Bound> {
        let takeover = takeover(interval);
        let bound = |figure, at_most: f64| Bound { figure, at_most };
        let detection = CHECK_INTERVAL * (CHECK_FALL + 1);
        match self {
            Self::PlannedStop => {
                vec![bound(Figure::PingSilence, 5.0), bound(Figure::BadRequests, 1.0)]
            }
            Self::VrrpdKilled => {
                vec![bound(Figure::PingSilence, 50.0), bound(Figure::DualOwner, 50.0)]
            }
            Self::VrrpdHung => {
                vec![bound(Figure::PingSilence, 100.0), bound(Figure::DualOwner, 50.0)]
            }
            Self::NodeKilled | Self::NodeFrozen => vec![
                bound(Figure::ServiceSilence, takeover + 50.0),
                bound(Figure::DualOwner, millis(lease(interval)) + 300.0),
            ],
            Self::NodeCut | Self::LinkDown => vec![bound(Figure::PingSilence, takeover + 20.0)],
            Self::ProxyKilled => vec![bound(Figure::ServiceSilence, 50.0)],
            Self::ProxyHung => vec![bound(Figure::ServiceSilence, 500.0)],
            Self::BackendsLost => vec![bound(Figure::ServiceSilence, millis(detection) + 50.0)],
            // A refused connection is tried elsewhere. Only the request that was under way can fail,
            // which in the middle of several runs none is.
            Self::BackendKilled => vec![bound(Figure::BadRequests, 0.0)],
            Self::SplitAndHeal => vec![bound(Figure::DualOwner, millis(interval.duration()))],
            Self::Failback => {
                vec![bound(Figure::PingSilence, 5.0), bound(Figure::NoOwner, 0.0)]
            }
            Self::Upgrade => {
                vec![bound(Figure::BadRequests, 0.0), bound(Figure::PingSilence, 5.0)]
            }
        }
    }
}

/// Three intervals and the second node's skew, in milliseconds.
fn takeover(interval: AdvertInterval) -> f64 {
    let priority = Priority::try_from(PRIORITIES[1]).unwrap_or_default();
    millis(timing::active_down_interval(Version::V3, priority, interval))
}

/// The lease that covers a peer's down interval, as `lease = "auto"` chooses it.
fn lease(interval: AdvertInterval) -> Duration {
    Duration::from_secs((u64::from(interval.centiseconds()) * 4).div_ceil(100))
}

/// A time in milliseconds.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
