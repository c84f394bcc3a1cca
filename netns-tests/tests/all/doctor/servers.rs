//! What concerns the servers behind a proxy.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::{Certificates, Host, Lab, Running, wait_until};
use netns_tests::{LIMIT, binary};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use vipd::clock;

use super::{Told, doctor, doctor_as};

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 200));

const SUBJECT: &str = "apiserver/web1";

struct Farm {
    lab: Lab,
    lb1: Host,
    web: Host,
}

impl Farm {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let (lb1, web) = (lab.host("lb1", 11).unwrap(), lab.host("web1", 21).unwrap());
        Self { lab, lb1, web }
    }

    fn certificates(&self, names: &[IpAddr]) -> Certificates {
        Certificates::write(self.lab.directory(), names).unwrap()
    }

    fn serve(&self, certificate: &Path, key: &Path) -> Running {
        let mut command = Command::new(binary("vipd"));
        command.args(["lab-backend", "10.77.0.21:6443"]).arg(certificate).arg(key).arg("web1");
        let running = self.web.start("backend", &mut command).unwrap();
        let listens = || {
            let mut look = Command::new("ss");
            let output = self.web.output(look.args(["-Hltn"]), LIMIT).unwrap();
            String::from_utf8_lossy(&output.stdout).contains(":6443")
        };
        wait_until("the backend listened", LIMIT, listens).unwrap();
        running
    }

    fn doctor(&self, check: &str) -> Told {
        doctor(&self.lb1, &self.lab, &proxy(check))
    }
}

fn proxy(check: &str) -> String {
    format!(
        "[[proxy]]\nname = \"apiserver\"\nlisten = [\"10.77.0.200:6443\"]\ncheck = {{ {check} }}\n\
         [[proxy.server]]\nname = \"web1\"\naddress = \"10.77.0.21:6443\"\n"
    )
}

fn https(ca: &Path) -> String {
    format!("https = \"/readyz\", ca = \"{}\"", ca.display())
}

/// A certificate of its own authority that ends in so many days.
fn ends_in(lab: &Lab, days: i64) -> (PathBuf, PathBuf) {
    let end = if days < 0 {
        clock::wall() - Duration::from_secs(days.unsigned_abs() * 86_400)
    } else {
        clock::wall() + Duration::from_secs(days.unsigned_abs() * 86_400)
    };
    let text = humantime::format_rfc3339_seconds(end).to_string();
    let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap();
    let (month, day) = (u8::try_from(number(5..7)).unwrap(), u8::try_from(number(8..10)).unwrap());
    let key = KeyPair::generate().unwrap();
    let names = vec!["10.77.0.21".to_owned(), VIP.to_string()];
    let mut params = CertificateParams::new(names).unwrap();
    params.not_after = date_time_ymd(i32::from(number(0..4)), month, day);
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = lab.write("other.pem", &pem).unwrap();
    (certificate, lab.write("other-key.pem", &key.serialize_pem()).unwrap())
}

#[test]
fn a_good_server_is_told_to_be_good() {
    let farm = Farm::new();
    let files = farm.certificates(&[farm.web.ipv4().into(), VIP]);
    let _server = farm.serve(&files.certificate, &files.key);
    let told = farm.doctor(&https(&files.ca));
    assert_eq!(told.code, Some(0), "{:#}", told.report);
    told.assert("server", SUBJECT, "ok", "10.77.0.21:6443: GET /readyz answered 200");
    told.assert("certificate", SUBJECT, "ok", "valid for 10.77.0.200, signed by lab authority");
    told.assert("clock", SUBJECT, "ok", "within 5 s");
}

#[test]
fn nobody_listening_and_a_page_that_is_not_there_are_told() {
    let farm = Farm::new();
    let files = farm.certificates(&[farm.web.ipv4().into(), VIP]);
    let told = farm.doctor(&https(&files.ca));
    assert_eq!(told.code, Some(1));
    told.assert("server", SUBJECT, "failure", "connect: Connection refused");
    let _server = farm.serve(&files.certificate, &files.key);
    let told = farm.doctor(&https(&files.ca).replace("readyz", "livez"));
    told.assert("server", SUBJECT, "failure", "GET /livez answered 404");
}

/// The most frequent mistake in the guides.
#[test]
fn a_certificate_that_does_not_name_the_address_is_told_as_clients_see_it() {
    let farm = Farm::new();
    let files = farm.certificates(&[farm.web.ipv4().into()]);
    let server = farm.serve(&files.certificate, &files.key);
    let words = "x509: certificate is valid for service.lab, 10.77.0.21, not 10.77.0.200";
    let told = farm.doctor(&https(&files.ca));
    assert_eq!(told.code, Some(1));
    told.assert("certificate", SUBJECT, "failure", words);
    let remedy = told.remedy("certificate", SUBJECT).join("\n");
    assert!(
        remedy.contains("kubeadm init phase certs apiserver --config kubeadm.yaml"),
        "{remedy}"
    );
    // Whatever the check is.
    farm.doctor("tcp = true").assert("certificate", SUBJECT, "failure", words);
    // Where clients use a name that it has, the address matters less.
    let path = &["--endpoint", "service.lab"];
    let told = doctor_as(&[], &farm.lb1, &farm.lab, &proxy(&https(&files.ca)), path);
    told.assert("certificate", SUBJECT, "warning", words);
    drop(server);
    let files = farm.certificates(&[farm.web.ipv4().into(), VIP]);
    let _server = farm.serve(&files.certificate, &files.key);
    farm.doctor(&https(&files.ca)).assert("certificate", SUBJECT, "ok", "10.77.0.200");
    // And another name, that it lacks.
    let path = &["--endpoint", "api.example"];
    let told = doctor_as(&[], &farm.lb1, &farm.lab, &proxy(&https(&files.ca)), path);
    told.assert("certificate", SUBJECT, "failure", "10.77.0.200, not api.example");
}

#[test]
fn a_certificate_of_another_authority_and_its_end_are_told() {
    let farm = Farm::new();
    let files = farm.certificates(&[farm.web.ipv4().into(), VIP]);
    let (certificate, key) = ends_in(&farm.lab, 10);
    let server = farm.serve(&certificate, &key);
    let told = farm.doctor(&https(&files.ca));
    let found = told.all("certificate", SUBJECT);
    let verdicts: Vec<&str> = found.iter().map(|(verdict, _)| *verdict).collect();
    assert_eq!(verdicts, ["failure", "warning"], "{found:?}");
    assert!(found[0].1.contains("none of the authorities signed it"), "{found:?}");
    assert!(found[1].1.starts_with("it expires in 9 days"), "{found:?}");
    drop(server);
    let (certificate, key) = ends_in(&farm.lab, -3);
    let _server = farm.serve(&certificate, &key);
    let told = farm.doctor("tls = true, verify = false");
    told.assert("certificate", SUBJECT, "failure", "it expired at");
    told.assert("server", SUBJECT, "ok", "the TLS handshake succeeded");
}

/// The status tells what the checks saw.
#[test]
fn the_status_tells_of_a_servers_certificate() {
    let farm = Farm::new();
    let files = farm.certificates(&[farm.web.ipv4().into(), VIP]);
    let _server = farm.serve(&files.certificate, &files.key);
    let config = farm.lab.write("run.toml", &proxy(&https(&files.ca))).unwrap();
    let directory = super::runtime_dir(&farm.lab, "lb1");
    let vipd = |word: &str| {
        let mut command = Command::new(binary("vipd"));
        command.arg(word).arg("--runtime-dir").arg(&directory);
        command
    };
    let mut run = vipd("run");
    let _running = farm.lb1.start("vipd", run.arg("--config").arg(config)).unwrap();
    let told = || {
        let output = farm.lb1.output(&mut vipd("status"), LIMIT).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("certificate by lab authority, until ")
            && text.contains("for service.lab, 10.77.0.21, 10.77.0.200")
    };
    wait_until("the status told of the certificate", LIMIT, told).unwrap();
}

/// A server whose clock stands still, and that is not ready.
#[test]
fn another_clock_is_told() {
    let farm = Farm::new();
    let answer = |date: &'static str| {
        let listener = farm.web.run(|| TcpListener::bind("10.77.0.21:6443")).unwrap().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let read = stream.read(&mut [0; 1024]).unwrap();
                assert!(read > 0);
                let text = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(text.as_bytes()).unwrap();
            }
        })
    };
    let server = answer("Sat, 03 Jan 2026 12:00:00 GMT");
    let told = farm.doctor("http = \"/readyz\"");
    told.assert("clock", SUBJECT, "warning", "behind this node's");
    server.join().unwrap();
}
