//! What every process of `vipd` needs once: the [messages] between them, the supervisor's [control] socket
//! and a program's part in a [reload](transaction), how they hand open files over ([`passing`]), are
//! [scheduled](scheduling), start without missing a [signal](signals), and [log](telemetry).

pub mod control;
pub mod messages;
pub mod passing;
pub mod scheduling;
pub mod signals;
pub mod telemetry;
pub mod throttle;
pub mod transaction;
