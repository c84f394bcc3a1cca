//! The little of HTTP/1.1 (RFC 9112) that a client needs for an answer with a length.
//!
//! Read by hand, because a library that shares a connection between requests tells of its end in its
//! own time and words, and what becomes of a connection is just what the lab measures.

/// An answer longer than this is none of ours, in bytes.
const LIMIT: usize = 64 * 1024;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Bytes that are no answer with a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("answered in another protocol than HTTP/1.1")]
    StatusLine,
    #[error("answered without a length")]
    NoLength,
    #[error("answered with more than {LIMIT} bytes")]
    TooLong,
}

/// The request for `/`; the server shall close the connection after it, or keep it.
pub(crate) fn request(host: &str, close: bool) -> String {
    let connection = if close { "close" } else { "keep-alive" };
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n")
}

/// The answer that `bytes` begin with, once all of it is there.
pub(crate) fn answer(bytes: &[u8]) -> Result<Option<Answer>, NoAnswer> {
    if bytes.len() > LIMIT {
        return Err(NoAnswer::TooLong);
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or(NoAnswer::StatusLine)?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or(NoAnswer::NoLength)?;
    if length > LIMIT {
        return Err(NoAnswer::TooLong);
    }
    let body = bytes.get(end + 4..end + 4 + length);
    Ok(body.map(|body| Answer { status, body: String::from_utf8_lossy(body).into_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ndate: now\r\n\r\nweb1";
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut]), Ok(None), "{cut} bytes");
        }
        let expected = Answer { status: 200, body: "web1".to_owned() };
        assert_eq!(answer(whole), Ok(Some(expected)));
        let empty = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length:0\r\n\r\n";
        assert_eq!(answer(empty), Ok(Some(Answer { status: 503, body: String::new() })));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (bytes, expected) in [
            (&b"SSH-2.0-OpenSSH\r\n\r\n"[..], NoAnswer::StatusLine),
            (b"HTTP/1.1 2\r\n\r\n", NoAnswer::StatusLine),
            (b"HTTP/1.1 200 OK\r\n\r\n", NoAnswer::NoLength),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", NoAnswer::NoLength),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n", NoAnswer::TooLong),
            (&[b'x'; LIMIT + 1], NoAnswer::TooLong),
        ] {
            assert_eq!(answer(bytes), Err(expected));
        }
    }
}
