//! The advert thread: everything that must not wait happens here, and nothing else.
//!
//! ```text
//! commands ─────┐
//! deadlines ────┼─► router::Core ─► effects: adverts (sent inline), desired state (watch), log, history
//! surroundings ─┤
//! packets ──────┘
//! ```
//! Owns: the ports and the routers. Stops: when every router has ended after [`Handle::stop`], or when
//! its handle is dropped. The deadline of a router that others rely on comes before packets: a flood
//! must not silence us. A Backup's comes after them: it shall not mistake its own lateness for silence.

mod counters;
mod differences;
mod directory;
mod handle;
mod history;
mod ports;
mod pulse;
mod receive;
mod rejected;
mod router;
mod sender;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use process::alarm::Alarm;
use process::scheduling;
use process::throttle::{MINUTE, Throttle, Throttles};
use tokio::sync::{mpsc, watch};
use tracing::warn;
use vocabulary::{Family, InterfaceName, RouterId};

use self::counters::{Discards, Lines};
use self::directory::Directory;
use self::handle::{COMMAND_QUEUE, Command};
pub use self::handle::{Handle, NewRouter, Report, RouterReport};
use self::ports::Ports;
use self::pulse::Pulse;
use self::rejected::RejectedLogs;
use self::router::Router;
use crate::clock::now;
use crate::occurrence::Occurrences;
use vrrp::election::group;
use vrrp::router::{Input, Place, Surroundings, share_faults};

/// Above every ordinary process, and below what a host may have set up on purpose.
pub const REALTIME_PRIORITY: u8 = 20;

/// A port that could not be opened is tried again this often.
const REOPEN: Duration = Duration::from_secs(1);

/// Ports that cannot be opened: so many are told apart, with so many lines a minute.
const PORTS_LOGGED: usize = 64;
const PORT_LINES: u32 = 20;

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
    let alarm = {
        let _on = runtime.enter();
        Alarm::new()?
    };
    let thread = std::thread::Builder::new().name("adverts".to_owned()).spawn(move || {
        scheduling::real_time("adverts", REALTIME_PRIORITY);
        runtime.block_on(Driver::new(setup, receiver, alarm).run());
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
    /// Ports that cannot be opened, in the log.
    log: Throttles<(InterfaceName, Family)>,
    /// When the last packets were taken.
    heard_at: Option<Instant>,
    commands: mpsc::Receiver<Command>,
    /// For the next deadline.
    alarm: Alarm,
    surroundings: watch::Receiver<Arc<AllSurroundings>>,
    pulse: Pulse,
    discards: Discards,
    lines: Lines,
    occurrences: Occurrences,
    rejected: RejectedLogs,
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
    fn new(setup: Setup, commands: mpsc::Receiver<Command>, alarm: Alarm) -> Self {
        Self {
            routers: Vec::new(),
            waiting: Vec::new(),
            ports: Ports::default(),
            directory: Directory::default(),
            reopen_at: None,
            log: Throttles::new(Throttle::new(MINUTE), PORTS_LOGGED, PORT_LINES),
            heard_at: None,
            commands,
            alarm,
            surroundings: setup.surroundings,
            pulse: Pulse::new(setup.pulse, setup.watchdog),
            discards: Discards::default(),
            lines: Lines::default(),
            occurrences: setup.occurrences,
            rejected: RejectedLogs::default(),
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
            self.reap();
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
            group::settle(&mut self.routers, |router, event| {
                router.handle(Input::Sibling(event), moment, ports);
            });
        }
    }

    async fn wake(&mut self) -> Woken {
        let next = self.next_deadline();
        let ports_open = self.ports.count() > 0;
        tokio::select! {
            biased;
            command = self.commands.recv() => Woken::Command(command),
            () = self.alarm.until(next, now()) => Woken::Deadline,
            Ok(()) = self.surroundings.changed() => Woken::Surroundings,
            port = self.ports.ready(), if ports_open => Woken::Packets(port),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.routers.iter().filter_map(|router| router.core().deadline());
        let log = self.routers.iter().filter_map(Router::log_due);
        deadlines.chain(log).chain([self.pulse.next(now())]).chain(self.reopen_at).min()
    }

    fn command(&mut self, command: Command) {
        let moment = now();
        match command {
            Command::Run(router) => self.waiting.push(*router),
            Command::Change(config) => {
                let changed = self.routers.iter_mut().find(|router| *router.id() == config.id);
                if let Some(router) = changed {
                    router.handle(Input::Configuration(Arc::new(*config)), moment, &self.ports);
                    // It may have joined or left a sync group, whose faults it shares.
                    self.look_around();
                    self.follow_routers();
                }
            }
            Command::Remove(id) => {
                let router = self.routers.iter_mut().find(|router| *router.id() == id);
                router.into_iter().for_each(|r| r.handle(Input::Stop, moment, &self.ports));
            }
            Command::HandOver(name, to) => {
                let meant = |router: &&mut Router| {
                    name.as_ref().is_none_or(|name| router.id().name == *name)
                };
                let routers = self.routers.iter_mut().filter(meant);
                routers.for_each(|r| r.handle(Input::HandOver(&to), moment, &self.ports));
            }
            Command::Reclaim => {
                let routers = self.routers.iter_mut();
                routers.for_each(|r| r.handle(Input::Reclaim, moment, &self.ports));
            }
            Command::Stop => {
                self.stopping = true;
                self.waiting.clear();
                let routers = self.routers.iter_mut();
                routers.for_each(|r| r.handle(Input::Stop, moment, &self.ports));
            }
            // Whoever asked may have left.
            Command::Report(answer) => drop(answer.send(self.report(moment))),
        }
        self.reap();
    }

    /// Has the pulse beat as these routers need.
    fn follow_routers(&mut self) {
        let configs = self.routers.iter().map(Router::config);
        self.pulse.follow(configs.map(|config| (config.advert_interval, config.lease)));
    }

    fn report(&self, moment: Instant) -> Report {
        Report {
            routers: self.routers.iter().map(|router| router.report(moment)).collect(),
            discarded: self.discards.totals(),
            rejected: self.rejected.status(moment),
        }
    }

    /// Takes away who has ended, and lets those in that waited for it.
    fn reap(&mut self) {
        let before = self.routers.len();
        self.routers.retain(|router| !router.core().has_ended());
        let running = |id: &RouterId| self.routers.iter().any(|router| router.id() == id);
        let (blocked, free): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|router| running(&router.config.id));
        if free.is_empty() && self.routers.len() == before {
            self.waiting = blocked;
            return;
        }
        let moment = now();
        let occurrences = &self.occurrences;
        let new = free.into_iter().map(|new| Router::new(new, occurrences.clone(), moment));
        self.routers.extend(new);
        self.waiting = blocked;
        self.follow_routers();
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
        share_faults(&self.routers, &mut known);
        for (router, surroundings) in self.routers.iter_mut().zip(known) {
            if let Some(surroundings) = surroundings {
                router.handle(Input::Surroundings(surroundings), moment, &self.ports);
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
                if let Some(times) = self.log.take((interface.clone(), family), moment) {
                    warn!(%interface, %family, %error, times, "cannot open a raw socket for VRRP: tries again every second");
                }
                self.reopen_at = Some(moment + REOPEN);
                false
            }
        }
    }

    fn tick_those_relied_on(&mut self) {
        let moment = now();
        let relied_on = self.routers.iter_mut().filter(|router| router.core().is_relied_on());
        relied_on.for_each(|router| router.handle(Input::Tick, moment, &self.ports));
    }

    fn deadline(&mut self) {
        self.tick_those_relied_on();
        let moment = now();
        let due = |router: &Router| router.core().deadline().is_some_and(|at| moment >= at);
        if self.routers.iter().any(due) {
            // Before a Backup believes in silence it listens to what has arrived.
            (0..self.ports.count()).for_each(|port| self.catch_up(port));
            let routers = self.routers.iter_mut();
            routers.for_each(|router| router.handle(Input::Tick, moment, &self.ports));
        }
        self.routers.iter_mut().for_each(|router| router.log_left_out(moment));
        if self.reopen_at.is_some_and(|at| moment >= at) {
            self.look_around();
        }
    }
}
