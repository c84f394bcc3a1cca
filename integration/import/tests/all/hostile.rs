//! Arbitrary text gives a report, never a panic.

use import::{Given, Source};
use proptest::prelude::*;

use super::imported;

const WORDS: &str = "vrrp_instance VI_1 { } interface eth0 virtual_router_id 51 priority advert_int 1e400 \
    -1 0.001 virtual_ipaddress 10.0.0.1/24 fe80::1 dev \" ' \\ # ! $A=$A ${A} $ @x vrrp_script script \
    track_script virtual_server real_server 80 weight global defaults from listen frontend backend \
    default_backend bind :::80 *:80-90 :1-65535 server 10.0.0.5:80 check port inter 99999999999999d \
    timeout client option httpchk http-check expect stream upstream proxy_pass ; proxy_timeout include \
    é \u{0} \r auth_pass authentication auth_type PASS use_backend ssl-hello-chk tcp-check connect \
    ~SEQ(A,1,3) ~LST(B,x) $B= \\ @a @^a vrrp_sync_group group track_interface notify stick on src acl \
    stick-table use_backend if stats http location return monitor-uri web:80 \
    18446744073709551615 preempt_delay delay_loop interval fall";

/// Text that is nearly a configuration.
fn nearly() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split(' ').chain(["\n", "\n", "\n"]).collect();
    proptest::collection::vec(proptest::sample::select(words), 0..60)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![nearly(), any::<String>()]) {
        let source = Some(Source::new("x", &text));
        for given in [
            Given { keepalived: source.clone(), ..Given::default() },
            Given { haproxy: source.clone(), ..Given::default() },
            Given { nginx: source, ..Given::default() },
        ] {
            let shown = imported(&given);
            // Showing it walks over every place.
            prop_assert!(!shown.report.to_string().is_empty());
            if let Some(toml) = shown.toml {
                prop_assert!(config::parse("x", &toml).is_ok());
            }
        }
    }
}
