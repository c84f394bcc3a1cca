//! The name that a TLS client asks for (SNI), out of the first bytes of its connection.
//!
//! A ClientHello is sent in clear (RFC 8446 §4.1.2): nothing is decrypted, and nothing is judged that
//! only concerns the server that answers it. rustls' own reader refuses hellos that suit no server
//! of its own, such as those of TLS 1.0.

/// A hello that is longer is not waited for: the largest with keys against quantum computers have
/// some 2 kB.
pub const LIMIT: usize = 16 * 1024;

/// Content type of handshake records (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Bytes of a record at most (RFC 8446 §5.1).
const FRAGMENT: usize = 1 << 14;

/// `msg_type` of the message (RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;

/// `extension_type` of the name, and `name_type` of a host's (RFC 6066 §3).
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// Letters of a name at most (RFC 1035 §2.3.4).
const LONGEST: usize = 253;

/// What the beginning of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More of it must come.
    Part,
    /// A ClientHello, and the name that it asks for in lower case, if it asks for one.
    Whole(Option<String>),
    /// Something else, or too long.
    Foreign,
}

impl Hello {
    /// Reads what a client has sent so far.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        match message(bytes).and_then(|message| server_name(&message)) {
            Ok(name) => Self::Whole(name),
            Err(Stop::Short) if bytes.len() < LIMIT => Self::Part,
            Err(Stop::Short | Stop::Foreign) => Self::Foreign,
        }
    }
}

/// Why reading ends.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Short,
    Foreign,
}

/// The body of the first message, put together from the records that it is spread over.
fn message(bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let [kind, high, middle, low, body @ ..] = message.as_slice() {
            let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            if *kind != CLIENT_HELLO || length > LIMIT {
                return Err(Stop::Foreign);
            }
            if let Some(body) = body.get(..length) {
                return Ok(body.to_vec());
            }
        }
        let fragment;
        (fragment, rest) = record(rest)?;
        message.extend_from_slice(fragment);
    }
}

/// The first record's content, and what follows it.
fn record(bytes: &[u8]) -> Result<(&[u8], &[u8]), Stop> {
    match bytes {
        // The major version of all that is TLS is 3.
        [HANDSHAKE, 3, _, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length == 0 || length > FRAGMENT {
                return Err(Stop::Foreign);
            }
            rest.split_at_checked(length).ok_or(Stop::Short)
        }
        [] | [HANDSHAKE] | [HANDSHAKE, 3, ..] => Err(Stop::Short),
        _ => Err(Stop::Foreign),
    }
}

/// The name in the body of a ClientHello (RFC 8446 §4.1.2).
fn server_name(message: &[u8]) -> Result<Option<String>, Stop> {
    let mut hello = Fields(message);
    // legacy_version, random, legacy_session_id, cipher_suites, legacy_compression_methods.
    hello.take(2 + 32)?;
    hello.short_vector()?;
    hello.vector()?;
    hello.short_vector()?;
    if hello.0.is_empty() {
        // RFC 5246 §7.4.1.2: there may be no extensions.
        return Ok(None);
    }
    let mut extensions = Fields(hello.vector()?);
    while !extensions.0.is_empty() {
        let (kind, data) = (extensions.number()?, extensions.vector()?);
        if kind == SERVER_NAME {
            return host_name(data);
        }
    }
    Ok(None)
}

/// The first host's name in a `ServerNameList`. Names of other types have lengths that nobody knows.
fn host_name(data: &[u8]) -> Result<Option<String>, Stop> {
    let mut list = Fields(Fields(data).vector()?);
    let kind = list.take(1)?;
    Ok(if kind == [HOST_NAME] { clean(list.vector()?) } else { None })
}

/// A name as it is compared and told; none where it cannot be one of a host.
fn clean(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST && name.chars().all(known);
    fits.then(|| name.to_ascii_lowercase())
}

/// Fields in a row; the whole is there, so that one that reaches beyond it is a lie.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Stop::Foreign)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    /// Up to 255 bytes, behind their count.
    fn short_vector(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.take(1)?.iter().copied().map(usize::from).sum();
        self.take(length)
    }

    /// Up to 65,535 bytes, behind their count.
    fn vector(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
