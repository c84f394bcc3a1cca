//! Reports never show a secret, whichever line and program it stands in.

use import::Given;

use super::{imported, of_haproxy, of_keepalived};

/// Everything that is printed, and everything that is kept.
fn printed(given: &Given) -> String {
    let report = imported(given).report;
    format!("{}{report:?}", report.shown(true))
}

#[test]
fn no_report_shows_a_secret_of_haproxy() {
    for line in [
        "http-check send hdr Authorization \"Basic geheim\"",
        "http-check send meth GET uri /h hdr X-Vault-Token geheim",
        "http-check send meth POST uri /h body geheim",
        "tcp-check send AUTH\\ geheim\\r\\n",
        "tcp-check send-binary geheim",
        "option httpchk GET / HTTP/1.1\\r\\nAuthorization:\\ Basic\\ geheim",
        "option httpchk GET /health?token=geheim",
        "stats auth admin:geheim",
        "server b 10.0.0.6:6443 check agent-check agent-port 1 agent-send geheim",
        "wibble password geheim",
        "dynamic-cookie-key geheim",
        "timeout password=geheim geheim",
    ] {
        let text = format!("listen a\n bind :1\n server s 10.0.0.1:1 check\n {line}\n");
        let shown = printed(&of_haproxy(&text));
        let path = line.contains("?token");
        assert!(!shown.contains("geheim"), "{line}: {shown}");
        assert!(shown.contains("******") || path, "{line}: {shown}");
    }
}

#[test]
fn no_report_shows_a_secret_of_keepalived() {
    let instance = |lines: &str| {
        of_keepalived(&format!(
            "{lines}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 7\n authentication {{\n auth_type PASS\n auth_pass $SHARED\n }}\n virtual_ipaddress {{\n 10.0.0.1\n }}\n track_script {{\n s\n }}\n}}\n"
        ))
    };
    for line in [
        // What it is for shows only where it is used.
        "$SHARED=geheim",
        "$SHARED=x\nvrrp_script s {\n script \"/usr/bin/curl -u admin:geheim https://localhost/\"\n}",
        "$SHARED=x\nvrrp_script s {\n script \"/usr/bin/mysql -uroot -pgeheim -e x\"\n wibble\n}",
        "$SHARED=x\nvrrp_script s {\n script \"/x.sh --token geheim\n}",
        "$SHARED=x\nvrrp_script s {\n script '/usr/bin/curl -H \"Authorization: Bearer geheim\" h'\n}",
    ] {
        let shown = printed(&instance(line));
        assert!(!shown.contains("geheim"), "{line}: {shown}");
        assert!(shown.contains("******"), "{line}: {shown}");
    }
}

#[test]
fn a_mistake_shows_its_line_without_the_secret_in_it() {
    let given = of_keepalived("vrrp_instance A {\n authentication {\n auth_pass \"geheim\n }\n}\n");
    let shown = printed(&given);
    assert!(!shown.contains("geheim") && shown.contains("this quote is not closed"), "{shown}");
}
