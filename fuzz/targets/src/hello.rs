//! Whatever a client sends first is read without a panic; and where rustls understands it, we read the
//! same name.

use lbproxy::data::hello::{Hello, LIMIT};
use rustls::server::Acceptor;

/// Holds the decoder to that with these bytes.
///
/// # Panics
/// The promise is broken.
pub fn run(bytes: &[u8]) {
    let read = Hello::read(bytes);
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() && matches!(acceptor.read_tls(&mut rest), Ok(1..)) {
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                if let Some(name) = accepted.client_hello().server_name() {
                    let same = Hello::Whole(Some(name.trim_end_matches('.').to_owned()));
                    assert!(read == same || bytes.len() > LIMIT, "{name}: {read:?}");
                }
                return;
            }
            Err(_) => return,
        }
    }
}
