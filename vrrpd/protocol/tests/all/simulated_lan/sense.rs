//! What any router must do whatever happens: have the addresses when its state says so, and move them once.

use vrrp::desired::{DesiredState, Ownership};
use vrrp::election::{State, StateName};
use vrrp::router::{Effect, Input};
use vrrp::simulation::Fed;
use vrrp::wire::Claim;

/// The first thing that makes no sense in what a router did.
pub(crate) fn examine(fed: &Fed<'_>) -> Result<(), String> {
    let broken = effects(fed).or_else(|| outcome(fed)).or_else(|| again(fed));
    let state = || fed.core.election().state().name();
    broken.map_or(Ok(()), |promise| Err(format!("{promise}: {} after {:?}", state(), fed.input)))
}

fn holds(desired: DesiredState) -> bool {
    desired.ownership == Ownership::Hold
}

/// Each effect, by what is desired of the addresses at that moment.
fn effects(fed: &Fed<'_>) -> Option<&'static str> {
    let claims = |effect: &Effect| matches!(effect, Effect::Desire(desired) if holds(*desired));
    let mut desired = fed.before;
    for (position, effect) in fed.effects.iter().enumerate() {
        match effect {
            Effect::Desire(new) if new.announcements > desired.announcements => {
                if !holds(desired) {
                    return Some("announces what it has not");
                }
                desired = *new;
            }
            Effect::Desire(new) => {
                if !holds(*new) && !holds(desired) {
                    return Some("releases what it has not");
                }
                desired = *new;
            }
            Effect::Advertise { claim: Claim::Lead(_), .. } => {
                let will = fed.effects[position..].iter().any(claims);
                if !holds(desired) && !will {
                    return Some("leads without the addresses");
                }
            }
            Effect::Advertise { .. }
            | Effect::Changed { .. }
            | Effect::Contested(_)
            | Effect::HandoverRefused { .. } => {}
        }
    }
    None
}

fn outcome(fed: &Fed<'_>) -> Option<&'static str> {
    let state = fed.core.election().state();
    let serves = matches!(state, State::Active(_) | State::Releasing { .. });
    // A successor that has not started yet has its predecessor's addresses, and a deadline for that.
    let inherits =
        holds(fed.before) && state.name() == StateName::Initialize && fed.core.deadline().is_some();
    let has = holds(fed.core.desired());
    (serves != has && !inherits).then_some("does not have what its state says")
}

/// The same input a second time moves no address; but to be told twice to stop means at once.
fn again(fed: &Fed<'_>) -> Option<&'static str> {
    if matches!(fed.input, Input::Stop) {
        return None;
    }
    let has = holds(fed.core.desired());
    let mut twin = fed.core.clone();
    let effects = twin.handle(fed.input.clone(), fed.now);
    let moves =
        |effect: &Effect| matches!(effect, Effect::Desire(desired) if holds(*desired) != has);
    effects.iter().any(moves).then_some("moves its addresses twice")
}
