//! Connections that have been used once and then stay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;
use lab::Host;

/// A request on a connection that is kept.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Opens so many connections, asks once on each, and keeps them.
pub(crate) fn hold(
    client: &Host,
    address: SocketAddr,
    count: u32,
) -> anyhow::Result<Vec<TcpStream>> {
    client.run(|| (0..count).map(|_| used(address)).collect::<anyhow::Result<Vec<_>>>())?
}

fn used(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("connect")?;
    stream.write_all(REQUEST).context("ask")?;
    let read = stream.read(&mut [0; 1_024]).context("read the answer")?;
    anyhow::ensure!(read > 0, "the connection ended without an answer");
    Ok(stream)
}
