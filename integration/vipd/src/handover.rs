//! What an operator orders of a running node: `vipd handover`, `pause`, `resume`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use process::messages::VrrpdRequest;
use vocabulary::{Family, Name, RouterId};
use vrrp::election::StateName;
use vrrpd::status::{RouterStatus, Status};

use crate::clock::now;
use crate::status::{self, StatusError};

/// How often to look whether a peer has taken over.
const LOOK: Duration = Duration::from_millis(20);

/// Longer than any router waits for a peer: that is a skew of at most 41 s and a little.
const LIMIT: Duration = Duration::from_secs(45);

/// Hands the addresses of the routers called `name`, or of all, over to a peer: to one of `to`, if that
/// names any.
///
/// Exit codes: 0 that peer has them; 1 none took them, or another did, or nothing was to be handed over.
#[must_use]
pub fn hand_over(runtime_dir: &Path, name: Option<Name>, to: &[IpAddr]) -> ExitCode {
    let order = VrrpdRequest::HandOver { router: name.clone(), to: to.to_owned() };
    answer(give_away(runtime_dir, &order, name.as_ref(), to, true))
}

/// Hands everything over, and takes nothing that another can serve until [`resume`].
///
/// Exit codes: 0 paused; 1 no peer took what this node has, or `vrrpd` could not be told.
#[must_use]
pub fn pause(runtime_dir: &Path) -> ExitCode {
    answer(give_away(runtime_dir, &VrrpdRequest::Pause, None, &[], false))
}

/// Takes part as before a pause or a handover.
///
/// Exit codes: 0 done; 1 `vrrpd` could not be told.
#[must_use]
#[expect(clippy::print_stdout, reason = "this is the command's answer")]
pub fn resume(runtime_dir: &Path) -> ExitCode {
    answer(status::order(runtime_dir, VrrpdRequest::Resume).map(|_| {
        println!("takes part as before");
        true
    }))
}

#[expect(clippy::print_stderr, reason = "this is the command's answer")]
fn answer(done: Result<bool, StatusError>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let code = error.exit_code();
            eprintln!("error: {:#}", anyhow::Error::from(error));
            ExitCode::from(code)
        }
    }
}

/// Gives an order that empties this node, and tells what became of each router; whether it is empty.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's answer")]
fn give_away(
    runtime_dir: &Path,
    order: &VrrpdRequest,
    name: Option<&Name>,
    to: &[IpAddr],
    must_have: bool,
) -> Result<bool, StatusError> {
    let meant = |router: &RouterStatus| name.is_none_or(|name| router.id.name == *name);
    let before = status::vrrpd(runtime_dir)?;
    let ours: BTreeMap<RouterId, u64> = before
        .routers
        .iter()
        .filter(|router| meant(router) && router.state == StateName::Active)
        .map(|router| (router.id.clone(), router.transitions))
        .collect();
    if ours.is_empty() && must_have {
        let what = name.map_or_else(|| "no router".to_owned(), |name| format!("no router {name}"));
        eprintln!("error: {what} is Active here: there is nothing to hand over");
        return Ok(false);
    }
    status::order(runtime_dir, order.clone())?;
    let after = settled(runtime_dir, &ours)?;
    let mut empty = true;
    for router in &after.routers {
        let Some(transitions) = ours.get(&router.id) else { continue };
        if router.transitions == *transitions {
            eprintln!("error: {} stays here; vrrpd's log says why", router.id);
            empty = false;
            continue;
        }
        let cause = router.history.first().map_or("", |change| change.cause.as_str());
        println!("{}: {cause}", router.id);
        empty &= router.state != StateName::Active;
        let is_v4 = router.id.family == Family::Ipv4;
        if let Some(heir) = to.iter().find(|peer| peer.is_ipv4() == is_v4)
            && router.active.is_none_or(|active| active.address != *heir)
        {
            eprintln!("error: {} is not with {heir}", router.id);
            empty = false;
        }
    }
    Ok(empty)
}

/// The status once none of `routers` waits for a peer any more.
fn settled(runtime_dir: &Path, routers: &BTreeMap<RouterId, u64>) -> Result<Status, StatusError> {
    let end = now() + LIMIT;
    loop {
        let status = status::vrrpd(runtime_dir)?;
        let waits = |router: &RouterStatus| {
            routers.contains_key(&router.id) && router.state == StateName::Releasing
        };
        if now() >= end || !status.routers.iter().any(waits) {
            return Ok(status);
        }
        sleep(LOOK);
    }
}
