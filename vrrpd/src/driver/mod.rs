//! The advert thread: everything that must not wait happens here, and nothing else.
//!
//! ```text
//! commands ─┐
//! deadlines ┼─► Router.event ─► Election ─► adverts (sent inline), wishes (watch), log, status
//! surroundings ┤
//! packets ──┘
//! ```
//! Owns: the ports and the routers. Stops: when every router has ended after [`Handle::stop`], or when
//! its handle is dropped. The deadline of a router that others rely on comes before packets: a flood
//! must not silence us. A Backup's comes after them: it shall not mistake its own lateness for silence.

mod counters;
mod differences;
mod directory;
mod groups;
mod handle;
mod ledger;
mod ports;
mod pulse;
mod record;
mod router;
mod voice;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use process::scheduling;
use tokio::sync::{mpsc, watch};
use tracing::warn;
use vocabulary::{RouterId, Vrid};

use self::counters::{Discards, Lines};
use self::directory::Directory;
use self::handle::{COMMAND_QUEUE, Command};
pub use self::handle::{Handle, NewRouter, Report};
use self::ledger::{Ledgers, Taken};
use self::ports::Ports;
use self::pulse::Pulse;
use self::router::Router;
pub use self::router::{Place, Surroundings};
use crate::clock::{now, pause_until, sleep_until};
use crate::occurrence::Occurrences;
use vrrp::election::Event;
use vrrp::election::group;
use vrrp::wire::{Excerpt, ladder};

/// Above every ordinary process, and below what a host may have set up on purpose.
pub const REALTIME_PRIORITY: u8 = 20;

/// Packets taken from a port before the deadlines are looked at again: under a millisecond of work.
const BATCH: usize = 64;

/// Batches that are taken before a Backup believes in silence: what 255 routers say in three intervals.
const BATCHES: usize = 16;

/// Packets that come thicker than this are taken several at a time.
const GATHER: Duration = Duration::from_micros(500);

/// A port that could not be opened is tried again this often.
const REOPEN: Duration = Duration::from_secs(1);

/// What every router is surrounded by.
pub type AllSurroundings = BTreeMap<RouterId, Surroundings>;

/// What the thread is given at its start.
#[derive(Debug)]
pub struct Setup {
    /// What surrounds the routers.
    pub surroundings: watch::Receiver<Arc<AllSurroundings>>,
    /// Where the signs of life go.
    pub pulse: watch::Sender<Instant>,
    /// The supervisor's watchdog.
    pub watchdog: Option<UnixStream>,
    /// Where changes of state are told.
    pub occurrences: Occurrences,
}

/// Starts the thread.
///
/// # Errors
/// The system gives no thread or no runtime.
pub fn start(setup: Setup) -> io::Result<(Handle, JoinHandle<()>)> {
    let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("adverts".to_owned()).spawn(move || {
        scheduling::real_time("adverts", REALTIME_PRIORITY);
        runtime.block_on(Driver::new(setup, receiver).run());
    })?;
    Ok((Handle { commands }, thread))
}

struct Driver {
    routers: Vec<Router>,
    /// Routers whose predecessor of the same name has not ended yet.
    waiting: Vec<NewRouter>,
    ports: Ports,
    directory: Directory,
    reopen_at: Option<Instant>,
    /// When the last packets were taken.
    heard_at: Option<Instant>,
    commands: mpsc::Receiver<Command>,
    surroundings: watch::Receiver<Arc<AllSurroundings>>,
    pulse: Pulse,
    discards: Discards,
    lines: Lines,
    occurrences: Occurrences,
    rejected: Ledgers,
    stopping: bool,
}

/// What woke the thread.
enum Woken {
    Command(Option<Command>),
    Surroundings,
    Deadline,
    Packets(usize),
}

impl Driver {
    fn new(setup: Setup, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            routers: Vec::new(),
            waiting: Vec::new(),
            ports: Ports::default(),
            directory: Directory::default(),
            reopen_at: None,
            heard_at: None,
            commands,
            surroundings: setup.surroundings,
            pulse: Pulse::new(setup.pulse, setup.watchdog),
            discards: Discards::default(),
            lines: Lines::default(),
            occurrences: setup.occurrences,
            rejected: Ledgers::default(),
            stopping: false,
        }
    }

    async fn run(mut self) {
        loop {
            self.tick_those_relied_on();
            let moment = now();
            let changes = self.routers.iter().map(Router::changes).sum();
            let resumable = self.routers.iter().filter_map(|r| r.resumable(moment));
            self.pulse.beat(moment, changes, resumable);
            self.bury();
            if self.stopping && self.routers.is_empty() {
                return;
            }
            match self.wake().await {
                Woken::Command(Some(command)) => self.command(command),
                Woken::Command(None) => return,
                Woken::Surroundings => self.look_around(),
                Woken::Deadline => self.deadline(),
                Woken::Packets(port) => self.listen(port),
            }
            let (moment, ports) = (now(), &self.ports);
            group::settle(&mut self.routers, |router, event| router.event(event, moment, ports));
        }
    }

    async fn wake(&mut self) -> Woken {
        let next = self.next_deadline();
        let ports_open = self.ports.count() > 0;
        tokio::select! {
            biased;
            command = self.commands.recv() => Woken::Command(command),
            () = sleep_until(next) => Woken::Deadline,
            Ok(()) = self.surroundings.changed() => Woken::Surroundings,
            port = self.ports.ready(), if ports_open => Woken::Packets(port),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.routers.iter().filter_map(Router::deadline);
        deadlines.chain([self.pulse.next(now())]).chain(self.reopen_at).min()
    }

    fn command(&mut self, command: Command) {
        let moment = now();
        match command {
            Command::Run(router) => self.waiting.push(*router),
            Command::Change(config) => {
                if let Some(router) = self.routers.iter_mut().find(|r| *r.id() == config.id) {
                    router.reconfigure(*config, moment, &self.ports);
                }
            }
            Command::Remove(id) => {
                let router = self.routers.iter_mut().find(|router| *router.id() == id);
                router.into_iter().for_each(|router| router.stop(moment, &self.ports));
            }
            Command::HandOver(name, to) => {
                let meant = |router: &&mut Router| {
                    name.as_ref().is_none_or(|name| router.id().name == *name)
                };
                let routers = self.routers.iter_mut().filter(meant);
                routers.for_each(|router| router.hand_over(&to, moment, &self.ports));
            }
            Command::Reclaim => {
                let routers = self.routers.iter_mut();
                routers.for_each(|router| router.event(Event::Reclaim, moment, &self.ports));
            }
            Command::Stop => {
                self.stopping = true;
                self.waiting.clear();
                self.routers.iter_mut().for_each(|router| router.stop(moment, &self.ports));
            }
            Command::Report(answer) => {
                let routers = self.routers.iter().map(|router| router.status(moment)).collect();
                let report = Report {
                    routers,
                    discarded: self.discards.totals(),
                    rejected: self.rejected.status(moment),
                };
                // Whoever asked may have left.
                answer.send(report).ok();
            }
        }
        self.bury();
        self.look_around();
    }

    /// Takes away who has ended, and lets those in that waited for it.
    fn bury(&mut self) {
        let before = self.routers.len();
        self.routers.retain(|router| !router.has_ended());
        let running = |id: &RouterId| self.routers.iter().any(|router| router.id() == id);
        let (blocked, free): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|router| running(&router.config.id));
        if free.is_empty() && self.routers.len() == before {
            self.waiting = blocked;
            return;
        }
        let moment = now();
        self.routers.extend(free.into_iter().map(|n| {
            let occurrences = self.occurrences.clone();
            Router::new(n.config, n.wish, n.resume_until, occurrences, moment)
        }));
        self.waiting = blocked;
        self.pulse.follow(self.routers.iter().map(|router| router.config().advert_interval));
        self.look_around();
    }

    /// Gives every router its surroundings as they are now, with its port open.
    fn look_around(&mut self) {
        let all = self.surroundings.borrow_and_update().clone();
        let moment = now();
        self.reopen_at = None;
        let mut known = Vec::with_capacity(self.routers.len());
        for position in 0..self.routers.len() {
            let surroundings = all.get(self.routers[position].id()).copied();
            known.push(surroundings.map(|surroundings| {
                let place = surroundings.place.filter(|place| self.open(position, *place, moment));
                Surroundings { place, ..surroundings }
            }));
        }
        groups::share_faults(&self.routers, &mut known);
        for (router, surroundings) in self.routers.iter_mut().zip(known) {
            if let Some(surroundings) = surroundings {
                router.surrounded_by(surroundings, moment, &self.ports);
            }
        }
        let routers = &self.routers;
        self.ports.close_unless(|port| routers.iter().any(|router| router.is_at(port)));
        self.directory = Directory::new(&self.ports, &self.routers);
    }

    /// Opens the port of a router; tells whether it is open.
    fn open(&mut self, position: usize, place: Place, moment: Instant) -> bool {
        let config = self.routers[position].config();
        let (interface, family) = (&config.interface, config.id.family);
        match self.ports.ensure(interface, place.index, family) {
            Ok(()) => true,
            Err(error) => {
                warn!(router = %config.id, %interface, %error, "cannot open a raw socket for VRRP; trying again in {REOPEN:?}");
                self.reopen_at = Some(moment + REOPEN);
                false
            }
        }
    }

    fn tick_those_relied_on(&mut self) {
        let moment = now();
        let relied_on = self.routers.iter_mut().filter(|router| router.is_relied_on());
        relied_on.for_each(|router| router.tick(moment, &self.ports));
    }

    fn deadline(&mut self) {
        self.tick_those_relied_on();
        let moment = now();
        let due = |router: &Router| router.deadline().is_some_and(|at| moment >= at);
        if self.routers.iter().any(due) {
            // Before a Backup believes in silence it listens to what has arrived.
            (0..self.ports.count()).for_each(|port| self.catch_up(port));
            self.routers.iter_mut().for_each(|router| router.tick(moment, &self.ports));
        }
        if self.reopen_at.is_some_and(|at| moment >= at) {
            self.look_around();
        }
    }

    /// Packets have come. Where they come thick, a moment is waited for more of them: to be woken by
    /// each costs several times what taking it does.
    fn listen(&mut self, port: usize) {
        let moment = now();
        if self.heard_at.is_some_and(|at| moment < at + GATHER) {
            let until = moment + GATHER;
            pause_until(self.next_deadline().map_or(until, |deadline| deadline.min(until)));
            self.tick_those_relied_on();
        }
        self.receive(port);
        self.heard_at = Some(now());
    }

    /// Takes all that has arrived, within limits.
    fn catch_up(&mut self, port: usize) {
        for _ in 0..BATCHES {
            if self.receive(port) < BATCH {
                return;
            }
            self.tick_those_relied_on();
        }
    }

    /// Takes a batch of packets from a port; returns how many there were.
    fn receive(&mut self, position: usize) -> usize {
        for count in 0..BATCH {
            let Some(port) = self.ports.at(position) else { return count };
            let find = |vrid: Vrid| self.directory.find(position, vrid);
            let received = port.receive(|datagram| match datagram {
                Ok(datagram) => {
                    let outcome = ladder::accept(&datagram, |vrid| {
                        Some(self.routers.get(find(vrid)?)?.expectation())
                    });
                    let outcome = outcome
                        .map_err(|discard| (discard, Excerpt::of(datagram.message, port.family())));
                    let vrid = datagram.message.get(1).and_then(|vrid| Vrid::try_from(*vrid).ok());
                    let router = vrid.and_then(find);
                    Taken { outcome, router, source: Some(datagram.source) }
                }
                Err(discard) => {
                    let outcome = Err((discard, Excerpt::default()));
                    Taken { outcome, router: None, source: None }
                }
            });
            match received {
                Ok(Some(taken)) => self.taken(taken, position),
                // An error is such as "network is down": the interface's state comes by netlink.
                Ok(None) | Err(_) => return count,
            }
        }
        BATCH
    }

    fn taken(&mut self, taken: Taken, port: usize) {
        let moment = now();
        let Taken { outcome, router, source } = taken;
        let router = router.and_then(|position| self.routers.get_mut(position));
        let (discard, excerpt) = match outcome {
            Ok(heard) => {
                if let Some(router) = router {
                    router.heard(&heard, &mut self.lines, moment, &self.ports);
                }
                return;
            }
            Err(discarded) => discarded,
        };
        if let (Some(port), Some(source)) = (self.ports.at(port), source) {
            let ledger = self.rejected.of(router.is_some());
            ledger.note(port.interface(), source, discard, excerpt, moment);
        }
        match router {
            Some(router) => router.discarded(discard, source, &mut self.lines, moment),
            // Another pair on the same link is no news.
            None => self.discards.count(discard),
        }
    }
}
