//! One run of a fault, measured by the client.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use vocabulary::AdvertInterval;

use super::fault::{Fault, Figure, millis};
use super::pair::{Pair, VIP};
use lab::{Connection, Fate, Habit, Ping, Service};

/// How long everything is watched before the fault: what fails then is the lab's fault.
const CALM: Duration = Duration::from_millis(300);

/// After this time without an answer a connection hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// What one run showed.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) ping_silence: Duration,
    pub(super) service_silence: Duration,
    pub(super) dual_owner: Duration,
    pub(super) no_owner: Duration,
    pub(super) bad_requests: usize,
    pub(super) client: Client,
    /// The last that the two nodes said.
    pub(super) log: String,
}

/// What a client that was connected saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// Its connection goes on.
    GoesOn,
    /// It was closed or reset: the client knows, and connects anew.
    Told,
    /// It waits for an answer that does not come.
    Hangs,
}

impl Measured {
    /// A figure: milliseconds, or a count.
    pub(super) fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::PingSilence => millis(self.ping_silence),
            Figure::ServiceSilence => millis(self.service_silence),
            Figure::DualOwner => millis(self.dual_owner),
            Figure::NoOwner => millis(self.no_owner),
            Figure::BadRequests => f64::from(u32::try_from(self.bad_requests).unwrap_or(u32::MAX)),
        }
    }
}

/// Builds a pair, lets `fault` happen to it, and tells what a client saw.
pub(super) fn measure(fault: Fault, interval: AdvertInterval) -> anyhow::Result<Measured> {
    let mut pair = Pair::build(interval)?;
    fault.prepare(&mut pair)?;

    let owners = pair.watch_owners()?;
    let ping = Ping::start(&pair.client, IpAddr::V4(VIP))?;
    let service = Service::start(&pair.client, &pair.endpoint)?;
    let client = Connection::start(&pair.client, &pair.endpoint, Habit::Busy, PATIENCE)?;
    thread::sleep(CALM);
    let at = fault.inject(&mut pair)?;
    thread::sleep(fault.aftermath(interval));
    fault.confirm(&pair)?;

    let ping = ping.stop();
    let service = service.stop()?;
    let owners = owners.stop()?;
    let client = client.stop()?;
    let end = owners.end;
    let service_silence = service.silence_between(at, service.end);
    let ownership = owners.ownership_between(at, end);
    Ok(Measured {
        ping_silence: ping.silence_between(at, ping.end).longest,
        service_silence: service_silence.longest,
        dual_owner: ownership.dual,
        no_owner: ownership.none,
        bad_requests: service_silence.bad,
        client: match client.fate {
            Fate::WentOn => Client::GoesOn,
            Fate::Reset(_) | Fate::Closed(_) => Client::Told,
            Fate::Hung(_) | Fate::Failed(..) => Client::Hangs,
        },
        log: pair.log(),
    })
}
