//! `vipd doctor`: every item provoked, and cleared by what it says.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod host;
mod lan;
mod node;
mod servers;
mod service;

use std::path::Path;
use std::process::Command;

use lab::{Host, Lab};
use netns_tests::{LIMIT, binary};
use serde_json::Value;

/// What a doctor said.
struct Told {
    code: Option<i32>,
    report: Value,
}

impl Told {
    /// All findings of an item about this subject: verdict and what was seen.
    fn all(&self, item: &str, subject: &str) -> Vec<(&str, &str)> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let meant = findings.filter(|f| f["item"] == item && f["subject"] == subject);
        meant.map(|f| (f["verdict"].as_str().unwrap(), f["seen"].as_str().unwrap())).collect()
    }

    /// The only finding of an item about this subject.
    fn one(&self, item: &str, subject: &str) -> (&str, &str) {
        let all = self.all(item, subject);
        assert_eq!(all.len(), 1, "{item} {subject} in {:#}", self.report);
        all[0]
    }

    /// The commands that mend it, as far as they can be run here.
    fn remedy(&self, item: &str, subject: &str) -> Vec<String> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let mut meant = findings.filter(|f| f["item"] == item && f["subject"] == subject);
        let commands = meant.next().unwrap()["remedy"].as_array().unwrap();
        commands.iter().map(|command| command.as_str().unwrap().to_owned()).collect()
    }

    fn assert(&self, item: &str, subject: &str, verdict: &str, words: &str) {
        let (found, seen) = self.one(item, subject);
        assert!(found == verdict && seen.contains(words), "{item} {subject}: {found}: {seen}");
    }
}

/// Runs the doctor on a host with these arguments, behind the words of `before`, such as `prlimit …`.
fn doctor_as(before: &[&str], host: &Host, lab: &Lab, config: &str, arguments: &[&str]) -> Told {
    let name = host.name();
    let path = lab.write(&format!("{name}.toml"), config).unwrap();
    let vipd = binary("vipd");
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(&vipd);
            command
        }
        None => Command::new(&vipd),
    };
    command.args(["doctor", "--json", "--config"]).arg(path).args(arguments);
    command.arg("--runtime-dir").arg(runtime_dir(lab, name));
    let output = host.output(&mut command, LIMIT).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_str(&text);
    let report = report.unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
    Told { code: output.status.code(), report }
}

fn doctor(host: &Host, lab: &Lab, config: &str) -> Told {
    doctor_as(&[], host, lab, config, &[])
}

fn runtime_dir(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.directory().join(name)
}

/// Runs what a remedy says, without `sudo`.
fn apply(host: &Host, command: &str) {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command.trim_start_matches("sudo "));
    let output = host.output(&mut shell, LIMIT).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
}

/// A router with one address, and further lines.
fn router(address: &str, lines: &str) -> String {
    format!(
        "[[vrrp]]\nname = \"api\"\ninterface = \"eth0\"\nvrid = 51\npriority = 150\n\
         addresses = [\"{address}\"]\nadvert_interval = \"100ms\"\n{lines}"
    )
}

/// A program on this machine that a test wraps around the doctor.
fn has(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|d| Path::new(d).join(program).is_file())
}
