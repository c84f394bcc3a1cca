//! What operators and fate do to a node, and how its daemon starts.

use std::sync::Arc;
use std::time::Duration;

use config::RouterConfig;
use vocabulary::Name;

use super::lan::{Happening, Lan, Packet};
use super::node::{Node, Router};
use crate::reconciler::Event;
use crate::router::{Core, Input, Surroundings, share_faults};
use crate::tracking::PROOF_LIMIT;

impl Lan {
    /// An operator ends a node's daemon in order.
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].stopping = true;
        self.command(node, &Input::Stop);
    }

    /// An operator has a node hand its addresses over.
    pub fn hand_over(&mut self, node: usize) {
        self.command(node, &Input::HandOver(&[]));
    }

    /// An operator lets a node have its addresses again.
    pub fn reclaim(&mut self, node: usize) {
        self.command(node, &Input::Reclaim);
    }

    /// A node's daemon starts, with nothing known; leftovers of its predecessor are removed first.
    pub fn boot(&mut self, node: usize) {
        let routers = self.routers();
        self.start_daemon(node, &vec![None; routers]);
    }

    /// A node's daemon is frozen or killed without a word; its addresses live on until the lease ends.
    pub fn freeze(&mut self, node: usize) {
        self.nodes[node].runs = false;
    }

    /// A node's daemon dies, and its supervisor starts a successor after a while.
    pub fn replace(&mut self, node: usize, after: Duration) {
        self.freeze(node);
        let start = self.nodes[node].start;
        self.schedule(after, Happening::Succeeds { node, start });
    }

    /// A frozen daemon goes on; adverts that it slept through wait in its sockets.
    pub fn thaw(&mut self, node: usize) {
        self.nodes[node].runs = true;
        self.nodes[node].routers.iter_mut().for_each(|router| router.wake = None);
        // As the driver does: who has the addresses comes first, a Backup listens first.
        for router in 0..self.routers() {
            if self.nodes[node].routers[router].core.is_relied_on() {
                self.feed(node, router, &Input::Tick);
            }
        }
        for (router, Packet { advert, coverage }) in std::mem::take(&mut self.nodes[node].waiting) {
            self.feed(node, router, &Input::Received { advert, coverage });
        }
        // What is desired comes before anything else that waits.
        (0..self.routers()).for_each(|router| self.reconcile_desired(node, router));
        (0..self.nodes[node].usable.len()).for_each(|tracker| self.nodes[node].told(tracker));
        self.reconfigure(node);
        self.command(node, &Input::Tick);
        let now = self.instant();
        for router in 0..self.routers() {
            self.reconcile_desired(node, router);
            if Arc::make_mut(&mut self.nodes[node].routers[router].kernel).expire(now) {
                self.reconcile(node, router, Event::AnythingGone);
            }
        }
    }

    /// A node's interface goes away, or comes back.
    pub fn plug(&mut self, node: usize, plugged: bool) {
        self.nodes[node].plugged = plugged;
        if self.nodes[node].runs {
            self.look_around(node);
        }
    }

    /// What a node tracks is usable now, or not. A tracker that it does not have is nothing to it.
    pub fn health(&mut self, node: usize, tracker: &Name, usable: bool) {
        let trackers = self.nodes[node].trackers.iter();
        let Some(position) = trackers.into_iter().position(|name| name == tracker) else { return };
        self.nodes[node].usable[position] = usable;
        if self.nodes[node].runs {
            self.nodes[node].told(position);
            self.look_around(node);
        }
    }

    /// An operator changes a node's configuration; a daemon that does not run reads it later.
    pub fn reload(&mut self, node: usize, change: impl Fn(&mut RouterConfig)) {
        for router in &mut self.nodes[node].routers {
            change(Arc::make_mut(&mut router.config));
        }
        if self.nodes[node].runs {
            self.reconfigure(node);
        }
    }

    /// Cuts or mends both ways between two nodes.
    pub fn connect(&mut self, one: usize, other: usize, up: bool) {
        self.cut(one, other, !up);
        self.cut(other, one, !up);
    }

    /// Cuts or mends the way from one node to another, for all routers.
    pub fn cut(&mut self, from: usize, to: usize, cut: bool) {
        let routers = if cut { self.routers() } else { 0 };
        self.ways[from][to].cut = (0..routers).collect();
    }

    /// A daemon starts; routers with a time go on where their predecessors stopped, within it.
    fn start_daemon(&mut self, node: usize, resumable: &[Option<Duration>]) {
        let now = self.instant();
        let daemon = &mut self.nodes[node];
        (daemon.runs, daemon.stopping) = (true, false);
        (daemon.start, daemon.started_at) = (daemon.start + 1, self.now);
        daemon.waiting.clear();
        daemon.tracking = Arc::default();
        for (router, resumable) in daemon.routers.iter_mut().zip(resumable) {
            router.core = Core::new(router.config.clone(), resumable.map(|within| now + within));
            let (config, inherits) = (&router.config, resumable.is_some());
            let desired = router.core.desired();
            Arc::make_mut(&mut router.kernel).start(config, desired, inherits, now);
            router.wake = None;
        }
        if resumable.iter().any(Option::is_some) {
            let tracking = Arc::make_mut(&mut daemon.tracking);
            daemon.trackers.iter().for_each(|tracker| tracking.presume(tracker));
        }
        let start = daemon.start;
        for tracker in 0..self.nodes[node].usable.len() {
            let after = self.random.between(Duration::ZERO, self.conditions.proof);
            if after.is_zero() {
                self.nodes[node].told(tracker);
            } else {
                self.schedule(after, Happening::Tells { node, tracker, start });
            }
        }
        if !self.conditions.proof.is_zero() {
            self.schedule(PROOF_LIMIT, Happening::EndsDoubt { node, start });
        }
        (0..self.routers()).for_each(|router| self.reconcile_desired(node, router));
        self.look_around(node);
    }

    pub(super) fn succeed(&mut self, node: usize) {
        let now = self.instant();
        let routers = self.nodes[node].routers.iter();
        let within = |within: &Duration| !within.is_zero();
        let resumable: Vec<_> = routers.map(|r| r.core.resumable(now).filter(within)).collect();
        self.start_daemon(node, &resumable);
    }

    fn reconfigure(&mut self, node: usize) {
        for router in 0..self.routers() {
            let config = self.nodes[node].routers[router].config.clone();
            let kernel = Arc::make_mut(&mut self.nodes[node].routers[router].kernel);
            let plan = kernel.plan(&config);
            self.feed(node, router, &Input::Configuration(config));
            self.reconcile(node, router, plan);
        }
        self.look_around(node);
    }

    /// As the daemon does: tracking decides the priority, and when a router may take part.
    pub(super) fn look_around(&mut self, node: usize) {
        let in_doubt = self.now < self.nodes[node].started_at + PROOF_LIMIT;
        let Node { routers, tracking, plugged, .. } = &self.nodes[node];
        let around = |router: &Router| {
            let verdict = tracking.verdict(router.config.priority, &router.config.track);
            let place = plugged.then_some(router.place);
            Some(Surroundings::of(place, verdict, in_doubt, false))
        };
        let mut surroundings: Vec<_> = routers.iter().map(around).collect();
        share_faults(routers, &mut surroundings);
        for (router, around) in surroundings.into_iter().enumerate() {
            let Some(around) = around else { continue };
            self.feed(node, router, &Input::Surroundings(around));
        }
        self.settle(node);
    }
}
