//! Opens connections, to servers and for checks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::net::listen::tune;

/// Opens a connection, from `source` where that is given.
///
/// # Errors
/// Those of the socket.
pub(crate) async fn dial(
    address: SocketAddr,
    source: Option<IpAddr>,
    user_timeout: Duration,
) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    tune(&SockRef::from(&socket), user_timeout)?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}
