//! The service itself, asked as by a client.

use netns_tests::web::Web;
use netns_tests::{Duel, LIMIT};

use super::{apply, doctor};

const VIP: &str = "10.77.0.200";
const ENDPOINT: &str = "10.77.0.200:6443";

/// From either node; then with a typing error in `listen` on the one that has the address; then the network
/// drops what is for it.
#[test]
fn a_virtual_address_is_asked_at_its_ports() {
    let mut duel = Duel::new(VIP);
    let web = Web::new(&duel, &[6443]);
    let [first, second] = [150, 100].map(|priority| web.node(priority, ""));
    let nodes = [duel.vipd(0, &first), duel.vipd(1, &second)];
    duel.wait_for(&[0]);
    web.wait_for(&duel.client, ENDPOINT, "6443");
    nodes[1].wait_for_log("ready to take part", LIMIT).unwrap();
    let told = doctor(&duel.hosts[0], &duel.lab, &first);
    told.assert("service", ENDPOINT, "warning", "from elsewhere it could not be asked");
    let told = doctor(&duel.hosts[1], &duel.lab, &second);
    told.assert("service", ENDPOINT, "ok", "over the network");

    apply(&duel.hosts[1], "nft add table ip t");
    apply(&duel.hosts[1], "nft add chain ip t o { type filter hook output priority 0 \\; }");
    apply(&duel.hosts[1], "nft add rule ip t o ip daddr 10.77.0.200 drop");
    let told = doctor(&duel.hosts[1], &duel.lab, &second);
    told.assert("service", ENDPOINT, "failure", "the network does not bring packets to it");
    apply(&duel.hosts[1], "nft delete table ip t");

    let misspelt = first.replace("\"10.77.0.200:6443\"", "\"10.77.0.20:6443\"");
    duel.reload(0, &nodes[0], &misspelt);
    nodes[0].wait_for_log("nothing listens on 10.77.0.200", LIMIT).unwrap();
    lab::wait_until("nobody serves", LIMIT, || web.ask(&duel.client, ENDPOINT).is_none()).unwrap();
    let told = doctor(&duel.hosts[0], &duel.lab, &misspelt);
    told.assert("service", ENDPOINT, "failure", "nothing listens there");
    let told = doctor(&duel.hosts[1], &duel.lab, &second);
    told.assert("service", ENDPOINT, "failure", "does not listen there");
}
