//! Virtual addresses that another program left on a node that is not Active.

use lab::wait_until;
use netns_tests::interop::{ForeignRouter, Keepalived};
use netns_tests::{Duel, LIMIT};
use vipd::status;
use vrrpd::status::StaleStatus;

const VIP: &str = "10.77.0.200";
const VIP6: &str = "fd77::200";

fn node(priority: u8) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\", \"fe80::200:5eff:fe00:233\", \"{VIP6}\"]\n\
         advert_interval = \"100ms\"\n"
    )
}

fn stale(duel: &Duel) -> Vec<String> {
    let Ok(status) = status::vrrpd(&duel.runtime_dir(1)) else { return vec![] };
    let all = status.routers.into_iter().flat_map(|router| router.stale);
    all.map(|StaleStatus { address, interface }| format!("{address} on {interface}")).collect()
}

/// A keepalived that was killed leaves its addresses where no peer hears of it.
#[test]
fn of_a_killed_keepalived_are_removed_and_what_is_on_another_interface_is_said() {
    let mut duel = Duel::new(VIP);
    let mut keepalived = Keepalived::start(
        &duel,
        1,
        "vrrp_instance VI_1 {\nstate MASTER\ninterface eth0\nvirtual_router_id 51\npriority 200\n\
         version 3\nadvert_int 0.1\nvirtual_ipaddress {\n10.77.0.200\n}\n\
         virtual_ipaddress_excluded {\nfd77::200\n}\n}\n",
    );
    duel.wait_for(&[1]);
    let there = || duel.ip(1, "-6 address show dev eth0").contains(VIP6);
    wait_until("keepalived had the IPv6 address", LIMIT, there).unwrap();
    keepalived.die();
    let _active = duel.vipd(0, &node(150));
    duel.wait_for(&[0, 1]);
    let backup = duel.vipd(1, &node(100));
    duel.wait_for(&[0]);
    let gone = || !duel.ip(1, "-6 address show dev eth0").contains(VIP6);
    wait_until("the IPv6 address was removed", LIMIT, gone).unwrap();
    let removed = "removed a virtual address that another program left here";
    assert_eq!(backup.log().matches(removed).count(), 2, "{}", backup.log());
    // On the loopback interface it has been put on purpose.
    assert_eq!(duel.ip(1, &format!("address add {VIP}/32 dev lo")), "");
    let told = || stale(&duel) == [format!("{VIP} on lo")];
    wait_until("the status tells of it", LIMIT, told).unwrap();
    assert_eq!(backup.log().matches("it is not ours to remove").count(), 1, "{}", backup.log());
    assert_eq!(duel.ip(1, &format!("address del {VIP}/32 dev lo")), "");
    wait_until("the status tells of none", LIMIT, || stale(&duel).is_empty()).unwrap();
}
