//! What went over a cable, judged by other people's decoders.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use lab::host::INTERFACE;
use lab::{Host, Running};
use nix::sys::signal::Signal;

use crate::{Duel, LIMIT, peer};

/// Words by which tcpdump complains of an advert, an ARP or a Neighbor Advertisement.
const COMPLAINTS: [&str; 8] =
    ["bad ", "incorrect", "invalid", "malformed", "wrong", "[|", "unknown", "corrupt"];

/// A running capture of adverts, ARP and neighbour discovery at a host.
pub struct Capture {
    tcpdump: Running,
    file: PathBuf,
    host: Host,
}

/// What was captured.
pub struct Recorded {
    file: PathBuf,
    host: Host,
}

impl Capture {
    /// Starts to capture at a host.
    ///
    /// # Panics
    /// tcpdump is not installed or does not start.
    #[must_use]
    pub fn start(duel: &Duel, host: &Host) -> Self {
        let file = duel.lab.directory().join(format!("{}.pcap", host.name()));
        let mut command = Command::new(peer("tcpdump"));
        command.args(["-i", INTERFACE, "-n", "-U", "--immediate-mode", "-Z", "root", "-w"]);
        command.arg(&file).arg("proto 112 or ip6 proto 112 or arp or icmp6");
        let tcpdump = host.start("tcpdump", &mut command).expect("tcpdump");
        tcpdump.wait_for_log("listening on", LIMIT).expect("a capture");
        Self { tcpdump, file, host: host.clone() }
    }

    /// Ends the capture.
    ///
    /// # Panics
    /// tcpdump does not end.
    #[must_use]
    pub fn stop(self) -> Recorded {
        self.tcpdump.signal(Signal::SIGINT).expect("a signal");
        self.tcpdump.wait(LIMIT).expect("an end");
        Recorded { file: self.file, host: self.host }
    }
}

impl Recorded {
    /// What tshark says of the packets that `filter` chooses: one row for each, with these fields.
    ///
    /// # Panics
    /// tshark is not installed or does not understand the filter.
    #[must_use]
    pub fn tshark(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut command = Command::new(peer("tshark"));
        // Whether checksums are right is asked for, where it is not the default.
        command.args(["-n", "-o", "ip.check_checksum:TRUE", "-r"]).arg(&self.file);
        command.args(["-Y", filter, "-T", "fields", "-E", "separator=;"]);
        fields.iter().for_each(|field| {
            command.arg("-e").arg(field);
        });
        let text = self.run(command);
        text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect()
    }

    /// Fails unless adverts from `source` were captured and neither tshark nor tcpdump has any
    /// complaint about them; returns how many there were.
    ///
    /// # Panics
    /// As said.
    pub fn adverts_are_valid(&self, source: &str) -> usize {
        let family = if source.contains(':') { "ipv6" } else { "ip" };
        let filter = format!("vrrp && {family}.src == {source}");
        let hops = if family == "ip" { "ip.ttl" } else { "ipv6.hlim" };
        let fields = ["vrrp.checksum.status", hops, "_ws.malformed", "_ws.expert.message"];
        let rows = self.tshark(&filter, &fields);
        assert!(!rows.is_empty(), "no advert from {source} was captured");
        // Status 1 is "good".
        let verdicts: BTreeSet<Vec<String>> = rows.iter().cloned().collect();
        let good = ["1", "255", "", ""].map(str::to_owned).to_vec();
        assert_eq!(verdicts, BTreeSet::from([good]), "tshark complains of adverts from {source}");
        let complaints = self.tcpdump_complaints(&format!("src host {source} and proto 112"));
        assert_eq!(complaints, [] as [String; 0], "tcpdump complains of adverts from {source}");
        rows.len()
    }

    /// Lines in which tcpdump complains of the packets that `filter` chooses.
    ///
    /// # Panics
    /// tcpdump does not understand the filter.
    #[must_use]
    pub fn tcpdump_complaints(&self, filter: &str) -> Vec<String> {
        let mut command = Command::new(peer("tcpdump"));
        command.args(["-n", "-vvv", "-r"]).arg(&self.file).arg(filter);
        let text = self.run(command);
        let complains = |line: &&str| COMPLAINTS.iter().any(|word| line.contains(word));
        text.lines().filter(complains).map(str::to_owned).collect()
    }

    fn run(&self, mut command: Command) -> String {
        let output = self.host.output(&mut command, LIMIT).expect("a decoder");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
