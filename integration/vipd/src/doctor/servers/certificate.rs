//! Certificates of the servers: vouched for, naming what clients ask for, and not about to expire.

use std::time::{Duration, SystemTime};

use lbproxy::health::Distrust;
use lbproxy::net::certificate::{Certificate, out_of_time};

use super::super::report::Finding;
use super::Seen;

const ITEM: &str = "certificate";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who has less left should think of renewing it.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks at what the server showed, if it speaks TLS. `names` are what clients know the service by.
pub(super) fn look(seen: &Seen<'_>, names: &[String]) -> Vec<Finding> {
    let Ok(examination) = &seen.examination else { return Vec::new() };
    let Some(certificate) = &examination.certificate else { return Vec::new() };
    let shown = Shown { subject: seen.subject(), host: seen.server.address.host(), certificate };
    let mut found: Vec<Finding> = Vec::new();
    found.extend(examination.vouched.as_ref().and_then(|vouched| shown.distrusted(vouched)));
    found.extend(shown.unnamed(names));
    found.extend(shown.out_of_time(seen.now));
    if found.is_empty() {
        found.push(shown.good(names, examination.vouched.is_some()));
    }
    found
}

struct Shown<'a> {
    subject: String,
    /// The server's address or name.
    host: String,
    certificate: &'a Certificate,
}

impl Shown<'_> {
    fn good(&self, names: &[String], vouched: bool) -> Finding {
        let Certificate { issuer, .. } = self.certificate;
        let vouched = if vouched { "" } else { " (not verified: the check has no `ca`)" };
        let until = date(self.certificate.expires());
        let seen = match names {
            [] => format!("signed by {issuer}{vouched}, until {until}"),
            names => format!(
                "valid for {}, signed by {issuer}{vouched}, until {until}",
                names.join(", ")
            ),
        };
        Finding::ok(ITEM, &self.subject, seen)
    }

    fn distrusted(&self, vouched: &Result<(), Distrust>) -> Option<Finding> {
        let Err(distrust) = vouched else { return None };
        let issuer = &self.certificate.issuer;
        let seen = format!("signed by {issuer}: {distrust}");
        let why = "the check fails, and so do clients that trust the same authorities";
        Some(
            Finding::failure(ITEM, &self.subject, seen, why)
                .remedy("# the authority of the cluster that this server is part of:")
                .remedy(format!("sudo scp root@{}:/etc/kubernetes/pki/ca.crt CA_FILE", self.host))
                .remedy("openssl x509 -noout -subject -enddate -fingerprint -in CA_FILE"),
        )
    }

    /// In Go's words, for that is what people search for.
    fn unnamed(&self, names: &[String]) -> Option<Finding> {
        let (valid, lacking): (Vec<&String>, Vec<&String>) =
            names.iter().partition(|name| self.certificate.is_valid_for(name));
        if lacking.is_empty() {
            return None;
        }
        let list = |names: &[&String]| {
            names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let has = self.certificate.names.join(", ");
        let seen = format!("x509: certificate is valid for {has}, not {}", list(&lacking));
        let is_address = |name: &&String| name.parse::<std::net::IpAddr>().is_ok();
        let finding = if lacking.iter().all(is_address) && !valid.iter().all(is_address) {
            let why = format!("only clients that use {} accept it", list(&valid));
            Finding::warning(ITEM, &self.subject, seen, why)
        } else {
            Finding::failure(ITEM, &self.subject, seen, "clients that connect to that refuse it")
        };
        Some(finding.remedies(self.with_names(&list(&lacking))))
    }

    /// kubeadm's way to a certificate with more names.
    fn with_names(&self, names: &str) -> [String; 7] {
        [
            format!("# on {}:", self.host),
            "kubectl -n kube-system get cm kubeadm-config -o jsonpath='{.data.ClusterConfiguration}' > kubeadm.yaml".to_owned(),
            format!("# in kubeadm.yaml, below `apiServer:`, add to the list `certSANs:` {names}"),
            "sudo mv /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key /root/".to_owned(),
            "sudo kubeadm init phase certs apiserver --config kubeadm.yaml".to_owned(),
            "sudo kubeadm init phase upload-config kubeadm --config kubeadm.yaml && sudo crictl stop $(sudo crictl ps -q --name kube-apiserver)".to_owned(),
            "# kubespray: supplementary_addresses_in_ssl_keys; k0s: spec.api.sans; k3s and rke2: tls-san".to_owned(),
        ]
    }

    fn out_of_time(&self, now: SystemTime) -> Option<Finding> {
        let (begins, expires) = (self.certificate.begins(), self.certificate.expires());
        let fail = |seen| Finding::failure(ITEM, &self.subject, seen, "clients refuse it");
        if now < begins {
            let words = out_of_time(begins, expires, now).unwrap_or_default();
            return Some(fail(format!("it is {words}")).remedy("timedatectl"));
        }
        let finding = match expires.duration_since(now) {
            Ok(left) if left >= SOON => return None,
            Ok(left) => {
                let days = left.as_secs() / DAY.as_secs();
                let seen = format!("it expires in {days} days, on {}", date(expires));
                Finding::warning(ITEM, &self.subject, seen, "then clients refuse it")
            }
            Err(_) => fail(format!("it {}", out_of_time(begins, expires, now).unwrap_or_default())),
        };
        Some(
            finding
                .remedy(format!("# on {}:", self.host))
                .remedy("sudo kubeadm certs renew apiserver && sudo crictl stop $(sudo crictl ps -q --name kube-apiserver)")
                .remedy("sudo kubeadm certs check-expiration"),
        )
    }
}

/// The day, as certificates count them.
fn date(time: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate("2027-01-01".len());
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::*;

    fn certificate() -> Certificate {
        Certificate {
            names: ["kubernetes", "10.96.0.1", "192.168.56.31"].map(str::to_owned).to_vec(),
            issuer: "kubernetes".to_owned(),
            // 2026-01-01 and 2027-01-01.
            not_before: 1_767_225_600,
            not_after: 1_798_761_600,
        }
    }

    fn shown(certificate: &Certificate) -> Shown<'_> {
        let host = "192.168.56.31".to_owned();
        Shown { subject: "apiserver/m1".to_owned(), host, certificate }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_it_does_not_name_is_told_in_the_words_that_clients_see() {
        let certificate = certificate();
        let shown = shown(&certificate);
        let found = shown.unnamed(&names(&["192.168.56.42"])).unwrap();
        assert_eq!(found.verdict, Verdict::Failure);
        assert_eq!(
            found.seen,
            "x509: certificate is valid for kubernetes, 10.96.0.1, 192.168.56.31, not 192.168.56.42"
        );
        assert_eq!(
            found.remedy[2],
            "# in kubeadm.yaml, below `apiServer:`, add to the list `certSANs:` 192.168.56.42"
        );
        let both = shown.unnamed(&names(&["192.168.56.42", "kubernetes"])).unwrap();
        assert_eq!(both.verdict, Verdict::Warning);
        let neither = shown.unnamed(&names(&["192.168.56.42", "api.example"])).unwrap();
        assert_eq!(neither.verdict, Verdict::Failure);
        assert!(neither.seen.ends_with("not 192.168.56.42, api.example"));
        assert_eq!(shown.unnamed(&names(&["10.96.0.1", "Kubernetes"])), None);
    }

    #[test]
    fn a_certificate_has_its_time() {
        let certificate = certificate();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let table = [
            (
                1_767_225_599,
                Some((Verdict::Failure, "it is valid from 2026-01-01 00:00 UTC, in 1 s")),
            ),
            (1_767_225_600, None),
            // 30 days before its end, and a second later.
            (1_798_761_600 - 2_592_000, None),
            (
                1_798_761_600 - 2_591_999,
                Some((Verdict::Warning, "it expires in 29 days, on 2027-01-01")),
            ),
            (1_798_761_601, Some((Verdict::Failure, "it expired at 00:00 UTC, 1 s ago"))),
        ];
        for (now, expected) in table {
            let found = shown(&certificate).out_of_time(at(now));
            let found = found.as_ref().map(|found| (found.verdict, found.seen.as_str()));
            assert_eq!(found, expected, "{now}");
        }
    }
}
