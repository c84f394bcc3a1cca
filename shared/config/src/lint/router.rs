//! Warnings about a `[[vrrp]]` table.

use std::time::Duration;

use crate::check::Check;
use crate::code::Code;
use crate::raw::RawRouter;
use crate::spanned::Spanned;
use crate::{Preempt, RouterConfig, TrackerConfig, TrackerKind};
use vocabulary::{Name, Priority};

/// The VRID of keepalived's manual, and passwords that stand in guides beside it.
const COPIED_VRID: u8 = 51;
const COPIED_PASSWORDS: [&str; 8] =
    ["42", "1111", "password", "Password", "passw123", "changeme", "secret", "123456"];

/// Bytes of a password that stand in an advert.
const PASSWORD_LEN: usize = 8;

/// A machine that stands still for three of these is taken for dead. Virtual machines do for some tens of
/// milliseconds when their host is busy or they are moved.
const STEADY: Duration = Duration::from_millis(50);

pub(super) fn lint(
    raw: &RawRouter,
    router: &RouterConfig,
    trackers: &[TrackerConfig],
    check: &mut Check<'_>,
) {
    password(raw, router, check);
    light_weights(raw, router, trackers, check);
    tracks_in_vain(raw, router, check);
    other_interface(raw, router, trackers, check);
    hasty(raw, router, check);
}

fn password(raw: &RawRouter, router: &RouterConfig, check: &mut Check<'_>) {
    let Some(given) = &raw.auth_pass else { return };
    let password = given.get_ref().as_str();
    if router.vrid.get() == COPIED_VRID && COPIED_PASSWORDS.contains(&password) {
        let title = format!("vrid {COPIED_VRID} with this password stands in many guides");
        let help = "another pair on this network that copied them takes part in this election; choose another vrid";
        check.problems.tell(Code::CopiedDefaults, given.span(), title, help);
    }
    if password.len() > PASSWORD_LEN {
        let title = format!("only the first {PASSWORD_LEN} bytes of `auth_pass` count");
        let help = "shorten it, so that nobody trusts in the rest";
        check.problems.tell(Code::LongPassword, given.span(), title, help);
    }
}

/// What all weights together can do must bring a router below a peer that has the default priority and the
/// same trackers.
fn light_weights(
    raw: &RawRouter,
    router: &RouterConfig,
    trackers: &[TrackerConfig],
    check: &mut Check<'_>,
) {
    let Some(given) = &raw.track else { return };
    if router.priority.is_owner() && !router.track.is_empty() {
        let title = format!(
            "priority 255 owns the addresses: nothing that {} tracks lowers it",
            router.id.name
        );
        let help = "write 254 at most, and less on the other node";
        return check.problems.tell(Code::LightWeights, given.span(), title, help);
    }
    let is_file = |name: &Name| {
        let tracker = trackers.iter().find(|tracker| tracker.name == *name);
        tracker.is_some_and(|tracker| matches!(tracker.kind, TrackerKind::File(_)))
    };
    // A file may hold any number; what has no weight moves everything.
    if router.track.iter().any(|tracked| tracked.weight.is_none() || is_file(&tracked.name)) {
        return;
    }
    // What is usable adds, and what is not takes away.
    let weights = || router.track.iter().filter_map(|tracked| tracked.weight).map(i32::from);
    let gain: i32 = weights().filter(|weight| *weight > 0).sum();
    let loss: i32 = weights().filter(|weight| *weight < 0).sum();
    let (own, peer) = (i32::from(router.priority.get()), i32::from(Priority::DEFAULT.get()));
    let kept = |priority: i32| priority.clamp(1, 254);
    let (highest, lowest) = (kept(own + gain), kept(own + loss));
    let rival = kept(peer + gain);
    if highest > lowest && own > peer && lowest >= rival {
        let title = format!(
            "all weights together bring {} from {highest} to {lowest}, which is not below {rival}",
            router.id.name
        );
        let help = format!(
            "a peer of priority {peer} never takes the address from it; leave `weight` out, or let it exceed {}",
            own - peer
        );
        check.problems.tell(Code::LightWeights, given.span(), title, &help);
    }
}

fn tracks_in_vain(raw: &RawRouter, router: &RouterConfig, check: &mut Check<'_>) {
    let given = raw.preempt.as_ref().filter(|_| router.preempt == Preempt::Never);
    if let Some(given) = given.filter(|_| !router.track.is_empty()) {
        let title = format!("{} tracks something, and never preempts", router.id.name);
        let help = "with this on both nodes, the address stays on a node that cannot serve: its peer does not preempt it; leave `preempt` out, or write `preempt_delay`";
        check.problems.tell(Code::TracksInVain, given.span(), title, help);
    }
}

fn other_interface(
    raw: &RawRouter,
    router: &RouterConfig,
    trackers: &[TrackerConfig],
    check: &mut Check<'_>,
) {
    for given in raw.address.iter().filter_map(|address| address.get_ref().interface.as_ref()) {
        let (own, name) = (router.interface.as_str(), given.get_ref());
        let watches = |tracker: &TrackerConfig| match &tracker.kind {
            TrackerKind::Interface(interface) => interface.as_str() == name,
            TrackerKind::Process(_)
            | TrackerKind::File(_)
            | TrackerKind::Script(_)
            | TrackerKind::Gateway(_) => false,
        };
        let watched = router.track.iter().any(|tracked| {
            trackers.iter().any(|tracker| tracker.name == tracked.name && watches(tracker))
        });
        if name != own && !watched {
            let title = format!("the adverts are on {own}, and nobody notices when {name} fails");
            let help =
                format!("add a [[track]] table with interface = {name:?}, and name it in `track`");
            check.problems.tell(Code::OtherInterface, Spanned::span(given), title, &help);
        }
    }
}

fn hasty(raw: &RawRouter, router: &RouterConfig, check: &mut Check<'_>) {
    let interval = router.advert_interval.duration();
    if let Some(given) = raw.advert_interval.as_ref().filter(|_| interval < STEADY) {
        let title = format!(
            "a machine that stands still for {} is taken for dead",
            humantime::format_duration(interval * 3)
        );
        let help = "virtual machines do when they are moved, busy ones now and then; \"100ms\" forgives that";
        check.problems.tell(Code::HastyInterval, given.span(), title, help);
    }
}
