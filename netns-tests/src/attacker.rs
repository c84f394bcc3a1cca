//! A neighbour that sends whatever it likes: IPv4 packets of protocol 112 with a header of its own making,
//! and whole frames.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use lab::host::INTERFACE;
use lab::{Host, Moment};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vocabulary::InterfaceName;
use vrrp::wire::checksum::checksum;
use vrrp::wire::{Coverage, PROTOCOL};
use vrrpd::io::frames::Frames;

/// The group of all VRRP routers.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// A packet as it is sent.
#[derive(Clone, Debug)]
pub struct Forged {
    /// Who it claims to be from.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// Its TTL.
    pub ttl: u8,
    /// Flags and fragment offset of the IP header.
    pub fragment: u16,
    /// Options in the IP header: whole words, ten at most.
    pub options: Vec<u8>,
    /// The VRRP message.
    pub message: Vec<u8>,
}

impl Forged {
    /// To the group with TTL 255, as an advert has to be.
    #[must_use]
    pub fn from(source: Ipv4Addr, message: Vec<u8>) -> Self {
        let (ttl, fragment, options) = (255, 0, Vec::new());
        Self { source, destination: GROUP, ttl, fragment, options, message }
    }

    /// With a checksum that fits its message, in the form that both keepalived and FRR send.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        let coverage = match self.message.first() {
            Some(first) if first >> 4 == 2 => Coverage::Message,
            _ => Coverage::PseudoHeader,
        };
        let (source, destination) = (IpAddr::from(self.source), IpAddr::from(self.destination));
        let sum = checksum(&self.message, coverage, source, destination);
        if let Some(field) = self.message.get_mut(6..8) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        self
    }

    /// With its IPv4 header; the kernel adds total length and header checksum.
    fn packet(&self) -> Vec<u8> {
        let [high, low] = self.fragment.to_be_bytes();
        let words = u8::try_from(self.options.len() / 4).unwrap_or_default();
        let mut packet =
            vec![0x45 + words, 0, 0, 0, 0x77, 0x77, high, low, self.ttl, PROTOCOL, 0, 0];
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.options);
        packet.extend(&self.message);
        packet
    }
}

/// A raw socket at a host.
#[derive(Debug)]
pub struct Attacker {
    socket: Socket,
}

impl Attacker {
    /// Opens the socket.
    ///
    /// # Panics
    /// It is not permitted.
    #[must_use]
    pub fn at(host: &Host) -> Self {
        let index = host.interface_index();
        let open = || {
            let protocol = Protocol::from(i32::from(PROTOCOL));
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
            socket.set_header_included_v4(true)?;
            socket.bind_device(Some(INTERFACE.as_bytes()))?;
            socket.set_multicast_loop_v4(false)?;
            socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(socket)
        };
        Self { socket: host.run(open).expect("a namespace").expect("a raw socket") }
    }

    /// Sends a packet; tells whether the interface took it.
    #[must_use]
    pub fn send(&self, forged: &Forged) -> bool {
        let to = SocketAddr::new(forged.destination.into(), 0);
        self.socket.send_to(&forged.packet(), &to.into()).is_ok()
    }

    /// Sends packets in turn for a time, so many a second; returns how many went out.
    pub fn flood(&self, packets: &[Forged], a_second: u32, time: Duration) -> u32 {
        let start = Moment::now();
        let mut sent = 0;
        let mut turn = packets.iter().cycle();
        while start.elapsed() < time {
            let due = start.elapsed().as_micros() * u128::from(a_second) / 1_000_000;
            while u128::from(sent) < due {
                let Some(packet) = turn.next() else { return sent };
                sent += u32::from(self.send(packet));
            }
            sleep(Duration::from_millis(1));
        }
        sent
    }
}

/// Opens a packet socket at a host, for frames from the Ethernet header on.
///
/// # Panics
/// It is not permitted.
#[must_use]
pub fn frames(host: &Host) -> Frames {
    let eth0 = InterfaceName::try_from(INTERFACE).expect("a name");
    host.run(|| Frames::open(&eth0)).expect("a namespace").expect("a packet socket")
}
