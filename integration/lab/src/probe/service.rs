//! A hundred requests a second, each on a new connection: what new clients of a service see.

use std::io;
use std::panic::resume_unwind;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::clock::Moment;
use crate::host::Host;
use crate::probe::https::{Endpoint, Failure};
use crate::probe::silence::{Sample, Silence, silence};
use crate::probe::{ProbeError, join};

/// Time between the starts of two requests.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long the client waits for an answer. It bounds the requests under way to a hundred as well.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer that comes later than this is a bad one.
const GOOD: Duration = Duration::from_millis(100);

/// A running probe. Dropping it stops it.
#[derive(Debug)]
pub struct Service {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<ServiceRecord>>>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRequest {
    /// When the client began to connect.
    pub start: Moment,
    /// When the answer was complete, or it was clear that none would come.
    pub end: Moment,
    /// The name of the backend that answered, or what went wrong.
    pub outcome: Result<String, Failure>,
}

/// What the clients of a service saw.
#[derive(Clone, Debug)]
pub struct ServiceRecord {
    /// All requests in the order of their start.
    pub requests: Vec<ServiceRequest>,
    /// When the last could have started.
    pub end: Moment,
}

impl Service {
    /// Starts to send requests from `client` to `endpoint`, one every 10 ms.
    ///
    /// # Errors
    /// No thread.
    pub fn start(client: &Host, endpoint: &Endpoint) -> Result<Self, ProbeError> {
        let (stop, stopped) = oneshot::channel();
        let endpoint = endpoint.clone();
        let thread = client.namespace().thread("service", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(drive(&endpoint, stopped)))
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Stops, waits for the answers that are still to come (1 s at most), and tells what was seen.
    ///
    /// # Errors
    /// The probe had no runtime.
    pub fn stop(mut self) -> Result<ServiceRecord, ProbeError> {
        if let Some(stop) = self.stop.take() {
            // Where it fails the thread has ended, and its result says why.
            stop.send(()).ok();
        }
        let record = self.thread.take().map(join);
        record
            .unwrap_or_else(|| Err(io::Error::other("the probe was stopped before")))
            .map_err(|source| ProbeError::Thread { probe: "service", source })
    }
}

impl ServiceRequest {
    /// Whether it succeeded within 100 ms.
    #[must_use]
    pub fn good(&self) -> bool {
        self.outcome.is_ok() && self.end.since(self.start) <= GOOD
    }
}

impl ServiceRecord {
    /// The silence of the whole measurement.
    #[must_use]
    pub fn silence(&self) -> Silence {
        match self.requests.first() {
            Some(first) => self.silence_between(first.start, self.end),
            None => Silence::default(),
        }
    }

    /// The silence among the requests that began at `from` or later and before `to`.
    #[must_use]
    pub fn silence_between(&self, from: Moment, to: Moment) -> Silence {
        silence(&self.samples(), from, to)
    }

    /// Each request as a sample.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let sample =
            |request: &ServiceRequest| Sample { start: request.start, good: request.good() };
        self.requests.iter().map(sample).collect()
    }

    /// The requests that got an error instead of an answer; a late answer is none.
    pub fn failed(&self) -> impl Iterator<Item = &ServiceRequest> {
        self.requests.iter().filter(|request| request.outcome.is_err())
    }
}

/// Starts requests until told to stop; when the probe was dropped, does not wait for those under way.
async fn drive(endpoint: &Endpoint, mut stop: oneshot::Receiver<()>) -> ServiceRecord {
    let mut under_way = JoinSet::new();
    let mut requests = Vec::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let finish = loop {
        tokio::select! {
            biased;
            told = &mut stop => break told.is_ok(),
            _ = ticks.tick() => {
                let endpoint = endpoint.clone();
                under_way.spawn(async move { request(&endpoint).await });
            }
            Some(done) = under_way.join_next() => requests.push(finished(done)),
        }
    };
    let end = Moment::now();
    while finish && let Some(done) = under_way.join_next().await {
        requests.push(finished(done));
    }
    requests.sort_by_key(|request| request.start);
    ServiceRecord { requests, end }
}

/// The value of a task of ours, which nobody aborts; its panic goes on here.
fn finished<T>(task: Result<T, JoinError>) -> T {
    task.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

async fn request(endpoint: &Endpoint) -> ServiceRequest {
    let start = Moment::now();
    let outcome = endpoint.request(PATIENCE).await;
    ServiceRequest { start, end: Moment::now(), outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_bad_but_has_not_failed() {
        let request = |start, end, outcome: Result<&str, Failure>| ServiceRequest {
            start: Moment::from_millis(start),
            end: Moment::from_millis(end),
            outcome: outcome.map(str::to_owned),
        };
        let record = ServiceRecord {
            requests: vec![
                request(1_000, 1_100, Ok("web1")),
                request(1_010, 1_111, Ok("web2")),
                request(1_020, 1_021, Err(Failure::Reset)),
                request(1_030, 1_031, Ok("web1")),
            ],
            end: Moment::from_millis(1_040),
        };
        let good: Vec<_> = record.requests.iter().map(ServiceRequest::good).collect();
        assert_eq!(good, [true, false, false, true]);
        assert_eq!(record.failed().count(), 1);
        let expected = Silence {
            longest: Duration::from_millis(20),
            since: Some(Moment::from_millis(1_010)),
            bad: 2,
        };
        assert_eq!(record.silence(), expected);
    }
}
