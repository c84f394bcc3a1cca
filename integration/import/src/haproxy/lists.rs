//! `acl` lines and what they compare with: values that stand there, and files of them.

use ipnet::IpNet;

use crate::Files;
use crate::source::Statement;

/// What is said where a file was read.
pub(super) const WRITTEN: &str =
    "the lines of its file are written out here: what changes in the file is not seen";

/// As many ports may one comparison name.
const PORTS_LIMIT: usize = 64;

/// What conditions of a section may refer to.
pub(super) struct Lists<'a> {
    pub(super) acls: &'a [&'a Statement],
    pub(super) files: &'a dyn Files,
}

/// An expression, taken apart.
pub(super) struct Fetched<'a> {
    /// What is looked at, with its converters.
    pub(super) fetch: &'a str,
    /// The `-m METHOD`; empty where there is none.
    pub(super) method: &'a str,
    /// What it is compared with.
    pub(super) values: Vec<String>,
    /// Some of that stood in a file.
    pub(super) from_file: bool,
}

impl<'a> Lists<'a> {
    /// The lines of an `acl`, of which one has to fit.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &'a Statement> {
        self.acls.iter().copied().filter(move |acl| acl.text(1) == name)
    }

    /// Takes `FETCH [FLAG…] VALUE…` apart; it stands in `line`.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn fetched<'w>(
        &self,
        words: &[&'w str],
        line: &Statement,
    ) -> Result<Fetched<'w>, String> {
        let [fetch, rest @ ..] = words else { return Err("it is empty".to_owned()) };
        let mut fetched = Fetched { fetch, method: "", values: Vec::new(), from_file: false };
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            let first = fetched.values.is_empty() || fetched.from_file;
            match *word {
                // Names and addresses have no case, and none is looked up.
                "-i" | "-n" | "-u" if first => {}
                "--" if first => fetched.values.extend(rest.by_ref().map(|w| (*w).to_owned())),
                "-m" if first => fetched.method = rest.next().copied().unwrap_or_default(),
                "-f" if first => {
                    let path = rest.next().copied().unwrap_or_default();
                    fetched.values.extend(self.lines(path, line)?);
                    fetched.from_file = true;
                }
                "-M" if first => return Err("it is a map, not a list".to_owned()),
                value => fetched.values.push(value.to_owned()),
            }
        }
        Ok(fetched)
    }

    /// The patterns in a file: one a line, comments and empty lines left out.
    fn lines(&self, path: &str, line: &Statement) -> Result<Vec<String>, String> {
        let found = self.files.matching(&line.place().source, path);
        let found = found.map_err(|error| format!("it reads {path:?}: {error}"))?;
        let text = found.iter().flat_map(|file| file.text.lines()).map(str::trim);
        let lines = text.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(str::to_owned).collect())
    }
}

/// Networks, each an address or one with a prefix; none where a value is something else.
pub(super) fn networks(values: &[&str]) -> Option<Vec<IpNet>> {
    let network = |text: &&str| {
        let host = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().or_else(masked(text)).or_else(host).map(|net| net.trunc())
    };
    let networks: Option<Vec<IpNet>> = values.iter().map(network).collect();
    networks.filter(|networks| !networks.is_empty())
}

/// `10.0.0.0/255.0.0.0`.
fn masked(text: &str) -> impl FnOnce() -> Option<IpNet> {
    move || {
        let (address, mask) = text.split_once('/')?;
        IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()
    }
}

/// Ports and ranges of them; none where a value is something else.
pub(super) fn ports(values: &[&str]) -> Option<Vec<u16>> {
    let values = values.strip_prefix(&["eq"]).unwrap_or(values);
    let mut ports = Vec::new();
    for value in values {
        let (first, last) = value.split_once(':').unwrap_or((value, value));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        if first == 0 || last < first || usize::from(last - first) >= PORTS_LIMIT {
            return None;
        }
        ports.extend(first..=last);
    }
    (1..=PORTS_LIMIT).contains(&ports.len()).then_some(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_ports_as_haproxy_writes_them() {
        let of = |values: &[&str]| {
            networks(values).map(|nets| nets.iter().map(IpNet::to_string).collect::<Vec<_>>())
        };
        let expected = ["10.1.0.0/16", "10.0.0.1/32", "fd00::/8", "10.0.0.0/8"];
        let given = ["10.1.2.3/16", "10.0.0.1", "fd00::1/8", "10.1.1.1/255.0.0.0"];
        assert_eq!(of(&given), Some(expected.map(str::to_owned).to_vec()));
        assert_eq!(of(&["example.com"]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(ports(&["443", "8000:8002"]), Some(vec![443, 8000, 8001, 8002]));
        assert_eq!(ports(&["eq", "443"]), Some(vec![443]));
        for wrong in [&["ge", "443"][..], &["0"], &["9:8"], &["1:65535"], &[]] {
            assert_eq!(ports(wrong), None, "{wrong:?}");
        }
    }
}
