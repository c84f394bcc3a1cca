//! `announce = { … }`.

use std::time::Duration;

use super::Check;
use crate::check::{count_in, duration_in};
use crate::code::Code;
use crate::raw::{Given, RawAnnounce};
use crate::vrrp::{Announce, Refresh};

/// Rounds of announcements in a row.
const MOST_ROUNDS: u32 = 32;

/// Reads the table; none of it has to be there.
pub(super) fn announce(given: &Given<RawAnnounce>, check: &mut Check<'_>) -> Option<Announce> {
    let default = Announce::default();
    let Some(raw) = given.as_ref().map(|given| given.get_ref()) else { return Some(default) };
    let limits = Duration::ZERO..=Duration::from_secs(3600);
    let help = "times after taking over, such as [\"0s\", \"1s\", \"5s\"]";
    let times =
        check.each("at", &raw.at, help, |text| duration_in(limits.clone())(&text.to_owned()));
    let at: Vec<Duration> = times.iter().map(|time| *time.get_ref()).collect();
    if let Some(list) = &raw.at {
        let whole = at.len() == list.get_ref().len();
        let title = if at.len() > MOST_ROUNDS as usize {
            Some(format!("`at` has more than {MOST_ROUNDS} times"))
        } else if whole && (at.first() != Some(&Duration::ZERO) || !at.is_sorted()) {
            // RFC 9568 §6.4.2: the addresses are announced when the router becomes Active.
            Some("`at` must begin with \"0s\" and ascend".to_owned())
        } else {
            None
        };
        if let Some(title) = title {
            check.problems.tell(Code::AnnounceTimes, list.span(), title, help);
        }
    }
    let help = "\"advert\": as often as adverts; \"off\": only when the addresses are taken over";
    let refresh = check.optional("refresh", &raw.refresh, help, default.refresh, |text| match text
        .as_str()
    {
        "advert" => Ok(Refresh::WithAdverts),
        "off" => Ok(Refresh::Never),
        _ => duration_in(Duration::from_secs(1)..=Duration::from_secs(86_400))(text)
            .map(Refresh::Every),
    });
    let repeat = count_in(1..=MOST_ROUNDS);
    let refresh_repeat =
        check.optional("refresh_repeat", &raw.refresh_repeat, "", default.refresh_repeat, repeat);
    let pauses = duration_in(Duration::ZERO..=Duration::from_secs(1));
    let help = "the pause between two frames";
    let interval = check.optional("interval", &raw.interval, help, default.interval, pauses);
    Some(Announce {
        at: if raw.at.is_some() { at } else { default.at },
        refresh: refresh?,
        refresh_repeat: refresh_repeat?,
        interval: interval?,
    })
}
