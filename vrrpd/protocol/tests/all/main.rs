//! The shipped code put to every story and to random ones, in one binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod exhaustive;
mod simulated_lan;

use std::sync::OnceLock;

use config::{RouterConfig, parse};

/// A router without peculiarities: version 3, 1 s, priority 100, one address, and what a node tracks here:
/// without `api` it cannot serve, `uplink` weighs. `family` 0 is IPv4, 1 is IPv6.
fn template(family: usize) -> RouterConfig {
    static TEMPLATES: OnceLock<Vec<RouterConfig>> = OnceLock::new();
    let parsed = || {
        let text = "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nvrid = 7\n\
                    addresses = [\"192.0.2.100\", \"fe80::64\"]\ntrack = [\"api\", \"uplink\"]\n\
                    [[track]]\nname = \"api\"\ninterface = \"eth1\"\n\
                    [[track]]\nname = \"uplink\"\ninterface = \"eth2\"\nweight = -30\n";
        parse("a.toml", text).unwrap().config.routers
    };
    let template = TEMPLATES.get_or_init(parsed)[family].clone();
    RouterConfig { sync_group: None, decides_ties: true, ..template }
}
