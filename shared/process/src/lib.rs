//! What every process of `vipd` needs once: the [messages] between them, how they hand open files over
//! ([`passing`]), are [scheduled](scheduling), start without missing a [signal](signals), and
//! [log](telemetry).

pub mod messages;
pub mod passing;
pub mod scheduling;
pub mod signals;
pub mod telemetry;
pub mod throttle;
