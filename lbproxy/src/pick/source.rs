//! Always the same for a client's address: weighted rendezvous hashing, so that a server that leaves
//! moves only its own clients, one whose weight changes moves no others, and every node with the
//! same servers chooses alike.

use std::net::{IpAddr, SocketAddr};

use super::Choice;

pub(super) fn order(choices: &mut [Choice], client: IpAddr) {
    choices.sort_by(|one, other| affinity(client, other).total_cmp(&affinity(client, one)));
}

/// How much a client wants a server: `weight / -ln(h)` with `h` in (0, 1) from the hash.
fn affinity(client: IpAddr, choice: &Choice) -> f64 {
    /// The 53 bits that a float holds exactly.
    const ONE: f64 = 9_007_199_254_740_992.0;
    let drawn = ((hash(client, choice.key) >> 11) as f64 + 0.5) / ONE;
    f64::from(choice.weight) / -drawn.ln()
}

/// Written out, for it must never change with a release.
fn hash(client: IpAddr, server: SocketAddr) -> u64 {
    let mut hash = fnv(0xcbf2_9ce4_8422_2325, client);
    hash = fnv(hash, server.ip());
    for byte in server.port().to_be_bytes() {
        hash = step(hash, byte);
    }
    mix(hash)
}

/// FNV-1a over an address.
fn fnv(hash: u64, address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(ip) => ip.octets().into_iter().fold(hash, step),
        IpAddr::V6(ip) => ip.octets().into_iter().fold(hash, step),
    }
}

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// `MurmurHash3`'s finalizer: FNV alone leaves neighbours alike.
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pick::tests::{choices, indices, weighted};

    fn client(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    fn first_of(count: usize, number: u8) -> usize {
        let mut all = choices(&vec![0; count]);
        order(&mut all, client(number));
        all[0].index
    }

    #[test]
    fn a_client_sticks_and_clients_spread() {
        let mut seen = [0; 3];
        for number in 0..=255 {
            assert_eq!(first_of(3, number), first_of(3, number));
            seen[first_of(3, number)] += 1;
        }
        assert!(seen.iter().all(|count| (60..=110).contains(count)), "{seen:?}");
    }

    #[test]
    fn clients_follow_the_weights_and_only_the_needed_ones_move() {
        let first = |weights: &[u32], number| {
            let mut all = weighted(weights);
            order(&mut all, client(number));
            all[0].index
        };
        let mut seen = [0; 3];
        for number in 0..=255 {
            let (even, heavy) = (first(&[1, 1, 1], number), first(&[1, 2, 1], number));
            seen[heavy] += 1;
            assert!(heavy == even || heavy == 1, "client {number} moved from {even} to {heavy}");
        }
        assert!((110..=146).contains(&seen[1]), "{seen:?}");
    }

    #[test]
    fn the_loss_of_a_server_moves_only_its_clients() {
        for number in 0..=255 {
            let mut all = choices(&[0, 0, 0]);
            order(&mut all, client(number));
            let whole = indices(&all);
            let mut rest: Vec<Choice> =
                choices(&[0, 0, 0]).into_iter().filter(|c| c.index != whole[0]).collect();
            order(&mut rest, client(number));
            assert_eq!(indices(&rest), whole[1..], "client {number}");
        }
    }
}
