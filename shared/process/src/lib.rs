//! What every process of `vipd` needs once: its [command line](arguments), the supervisor's [control] socket,
//! a program's part in a [reload](transaction), the [channels] and the [messages] between them, how they hand
//! open files over ([`passing`]), [as whom](identity) they run, give up [privileges], are
//! [scheduled](scheduling), start without missing a [signal](signals), do what may wait
//! [elsewhere](blocking), [remember](recent) strangers within bounds, and [log](telemetry)
//! [no more than is read](throttle).

pub mod alarm;
pub mod arguments;
pub mod blocking;
pub mod channels;
pub mod clock;
pub mod control;
pub mod identity;
pub mod messages;
pub mod output;
pub mod passing;
pub mod privileges;
pub mod recent;
pub mod scheduling;
pub mod signals;
pub mod telemetry;
pub mod throttle;
pub mod transaction;
