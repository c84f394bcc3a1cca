//! What the commands say to the console on `RUNTIME_DIR/vipd.sock`, and what it answers: a JSON line each.

use lbproxy::control::status::Request as LbproxyRequest;
use process::messages::VrrpdRequest;
use serde::{Deserialize, Serialize};

/// The socket's name in the runtime directory.
pub const SOCKET: &str = "vipd.sock";

/// A request is shorter, in bytes.
pub(crate) const REQUEST_LIMIT: usize = 4096;

/// What is asked; one a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// How the whole node is: a [`Status`](crate::status::Status).
    Status,
    /// What happens from now on: not an [`Answer`], but an occurrence a line, until `vrrpd` ends.
    Events,
    /// Passed on to `vrrpd`.
    Vrrpd {
        /// What it is asked.
        request: VrrpdRequest,
    },
    /// Passed on to `lbproxy`.
    Lbproxy {
        /// What it is asked.
        request: LbproxyRequest,
    },
}

impl Request {
    /// Whether only root may say it.
    #[must_use]
    pub fn is_order(&self) -> bool {
        match self {
            Self::Status | Self::Events => false,
            Self::Vrrpd { request } => request.is_order(),
            Self::Lbproxy { request } => request.is_order(),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// What was asked for.
    Answer(T),
    /// Nothing, and why, in words.
    Refused(String),
    /// Nothing: this program does not run, or does not answer.
    Silent(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_like_this_and_orders_are_known() {
        let server = r#"{"type":"server","proxy":"p","server":"s","order":"drain"}"#;
        let shutdown = r#"{"type":"shutdown_sessions","proxy":"p","server":null}"#;
        let hand_over = r#"{"type":"hand_over","router":null,"to":[]}"#;
        for (to, request, order) in [
            ("vrrpd", r#"{"type":"status"}"#, false),
            ("vrrpd", hand_over, true),
            ("vrrpd", r#"{"type":"pause"}"#, true),
            ("vrrpd", r#"{"type":"resume"}"#, true),
            ("lbproxy", r#"{"type":"status"}"#, false),
            ("lbproxy", server, true),
            ("lbproxy", shutdown, true),
        ] {
            let text = format!(r#"{{"type":"{to}","request":{request}}}"#);
            let read: Request = serde_json::from_str(&text).unwrap();
            assert_eq!(read.is_order(), order, "{text}");
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for text in [r#"{"type":"status"}"#, r#"{"type":"events"}"#] {
            assert!(!serde_json::from_str::<Request>(text).unwrap().is_order());
        }
        for wrong in ["retire", "take_over", "health", "hello"] {
            for to in ["vrrpd", "lbproxy"] {
                let text = format!(r#"{{"type":"{to}","request":{{"type":"{wrong}"}}}}"#);
                assert!(serde_json::from_str::<Request>(&text).is_err(), "{text}");
            }
        }
    }
}
