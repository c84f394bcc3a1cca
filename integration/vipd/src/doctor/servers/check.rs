//! Whether a server passes its check.

use config::{CheckKind, Verify};
use lbproxy::health::Examination;

use super::super::report::Finding;
use super::Seen;

const ITEM: &str = "server";

/// What the configured check finds, at this moment.
pub(super) fn look(seen: &Seen<'_>) -> Finding {
    let subject = seen.subject();
    let examination = match &seen.examination {
        Ok(examination) => examination,
        Err(words) => {
            let why = "the proxy does not start with a check that cannot be made";
            return Finding::failure(ITEM, subject, words, why);
        }
    };
    let address = &seen.server.address;
    let Examination { passed, denied, words, status, .. } = examination;
    let named_so = seen.server.name.as_str() == address.to_string();
    let words = if named_so { words.clone() } else { format!("{address}: {words}") };
    if !passed {
        return failed(subject, words, seen, examination);
    }
    if *denied {
        let why = "it counts as alive, but whether it is ready nobody knows";
        return Finding::warning(ITEM, subject, words, why)
            .remedy("# show a token with the check: token_file = \"/etc/vipd/token\"")
            .remedy("kubectl create clusterrolebinding vipd --clusterrole=system:public-info-viewer --group=system:unauthenticated");
    }
    let proves_little = matches!(seen.proxy.check.kind, CheckKind::Tcp | CheckKind::Tls(_));
    match status {
        Some(status @ 500..) if proves_little => {
            let words = format!("{words}, while GET /readyz is answered with {status}");
            let why = "the check passes a server that is not ready";
            Finding::warning(ITEM, subject, words, why)
                .remedy("# check = { https = \"/readyz\", ca = \"/etc/kubernetes/pki/ca.crt\" }")
        }
        _ => Finding::ok(ITEM, subject, words),
    }
}

fn failed(subject: String, words: String, seen: &Seen<'_>, examination: &Examination) -> Finding {
    let (address, kind) = (&seen.server.address, &seen.proxy.check.kind);
    let finding = Finding::failure(ITEM, subject, words, "it gets no connections");
    let own_name = address.host();
    let unnamed = examination.certificate.as_ref().filter(|certificate| {
        let by_address = matches!(
            kind,
            CheckKind::Tls(Verify::Authority { server_name: None, .. })
                | CheckKind::Https(_, Verify::Authority { server_name: None, .. })
        );
        by_address && !certificate.is_valid_for(&own_name)
    });
    if let Some(certificate) = unnamed {
        let name = certificate.names.first().map_or("NAME", String::as_str);
        return finding
            .remedy(format!(
                "# its certificate does not name {own_name}; tell the check another name:"
            ))
            .remedy(format!("# check = {{ …, server_name = \"{name}\" }}"));
    }
    let curl = |scheme: &str, path: &str| format!("curl -k -i {scheme}://{address}{path}");
    match kind {
        CheckKind::Http(http) => finding.remedy(curl("http", &http.path)),
        CheckKind::Https(http, _) => finding.remedy(curl("https", &http.path)),
        CheckKind::Tls(_) => {
            finding.remedy(format!("openssl s_client -connect {address} </dev/null"))
        }
        CheckKind::Tcp => finding.remedy(format!("nc -vz {} {}", address.host(), address.port())),
    }
    .remedy(format!("# there: sudo ss -ltnp 'sport = :{}'", address.port()))
}
