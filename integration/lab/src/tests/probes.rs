//! The probes, on faults of known length.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{PORT, SOON, backend, certificates, ms, small_lab};
use crate::clock::Moment;
use crate::host::Host;
use crate::probe::connection::{Connection, Fate, Habit};
use crate::probe::https::{Endpoint, Failure};
use crate::probe::ping::{Ping, answers};
use crate::probe::service::Service;
use crate::probe::watch::OwnerWatch;
use crate::wait::wait_until;

/// What a busy machine may add to a measured silence.
const NOISE: Duration = Duration::from_millis(60);

#[test]
fn measures_a_cut_of_known_length_by_ping() {
    let (lab, lb1, _, client) = small_lab();
    for address in lb1.addresses() {
        wait_until("the host answers", SOON, || answers(&client, address).unwrap()).unwrap();
        let ping = Ping::start(&client, address).unwrap();
        thread::sleep(ms(200));
        let cutting = Moment::now();
        lab.cut("lb1").unwrap();
        let cut = Moment::now();
        thread::sleep(ms(300));
        let healing = Moment::now();
        lab.heal("lb1").unwrap();
        let healed = Moment::now();
        thread::sleep(ms(200));
        let record = ping.stop();

        let silence = record.silence();
        let least = healing.since(cut) - ms(2);
        let most = healed.since(cutting) + record.blind() + NOISE;
        assert!((least..most).contains(&silence.longest), "{silence:?} for {least:?} to {most:?}");
        assert!(record.echoes.len() > 500, "{} requests in 700 ms", record.echoes.len());
        let after = record.silence_between(healed + NOISE, record.end);
        assert_eq!(after.bad, 0, "after healing: {after:?}");
    }
}

#[test]
fn measures_a_watch_sees_leases_end_and_misses_no_change() {
    let (_lab, lb1, lb2, _) = small_lab();
    for (vip, prefix) in [("10.77.0.200", 32), ("fd77::200", 128)] {
        let vip: IpAddr = vip.parse().unwrap();
        lb2.add_address(vip, prefix, None).unwrap();
        let mut watch = OwnerWatch::start(&[&lb1, &lb2], vip).unwrap();
        assert_eq!(watch.owners(), ["lb2"]);
        // A second and its renewal after half of it: one change, and the end 1.5 s later.
        let leased = Moment::now();
        lb1.add_address(vip, prefix, Some(1)).unwrap();
        watch.wait_for(&["lb1", "lb2"], SOON).unwrap();
        thread::sleep(ms(500));
        lb1.add_address(vip, prefix, Some(1)).unwrap();
        watch.wait_for(&["lb2"], SOON).unwrap();
        let dual = leased.elapsed();
        assert!((ms(1_400)..ms(2_200)).contains(&dual), "the lease was gone after {dual:?}");

        let before = watch.events().len();
        for round in 1..=50 {
            lb2.remove_address(vip, prefix).unwrap();
            lb2.add_address(vip, prefix, None).unwrap();
            // The kernel tells of an IPv6 address a moment later, and never if it is gone by then.
            if vip.is_ipv6() || round == 50 {
                let told = || watch.events().len() == before + 2 * round;
                wait_until("all is told", SOON, told).unwrap();
            }
        }
        lb2.remove_address(vip, prefix).unwrap();
        let record = watch.stop().unwrap();
        assert_eq!(record.events.len(), before + 101);

        let seen = record.ownership_between(leased, leased + dual);
        assert_eq!(seen.none, Duration::ZERO);
        assert!(seen.dual + ms(20) > dual, "two owners for {:?} of {dual:?}", seen.dual);
        assert!(record.ownership_between(record.start, record.end).none > Duration::ZERO);
    }
}

#[test]
fn measures_a_service_that_serves_has_no_bad_request_and_a_cut_one_has() {
    let (lab, web, _, client) = small_lab();
    let certificates = certificates(&lab, &[&web]);
    let (_backend, endpoint) = backend(&web, &certificates);
    assert_eq!(endpoint.get(&client, SOON).unwrap(), Ok("lb1".to_owned()));
    let v6 = Endpoint::new(SocketAddr::new(web.ipv6().into(), PORT), &certificates.ca).unwrap();
    assert_eq!(v6.get(&client, SOON).unwrap(), Ok("lb1".to_owned()));
    let service = Service::start(&client, &endpoint).unwrap();
    thread::sleep(ms(1_000));
    let cut = Moment::now();
    lab.cut("lb1").unwrap();
    thread::sleep(ms(300));
    lab.heal("lb1").unwrap();
    let healed = Moment::now();
    thread::sleep(ms(300));
    let record = service.stop().unwrap();

    assert!(record.requests.len() > 120, "{} requests in 1.6 s", record.requests.len());
    // Those within 100 ms of the cut may have been under way.
    let before = record.silence_between(record.requests[0].start, cut - ms(100));
    assert_eq!(before.bad, 0, "{before:?}");
    let silence = record.silence();
    let (least, most) = (healed.since(cut) - ms(120), healed.since(cut) + NOISE + ms(100));
    assert!((least..most).contains(&silence.longest), "{silence:?} for {least:?} to {most:?}");
    // A lost SYN is sent again after a second, which is all the patience there is.
    assert!(record.failed().all(|request| request.outcome == Err(Failure::Timeout)));
    let answered = record.requests.iter().filter_map(|request| request.outcome.as_ref().ok());
    assert!(answered.into_iter().all(|backend| backend == "lb1"));
}

#[test]
fn a_service_tells_what_went_wrong() {
    let (lab, web, other, client) = small_lab();
    let certificates = certificates(&lab, &[&web]);
    let (mut backend, endpoint) = backend(&web, &certificates);
    backend.kill().unwrap();
    assert_eq!(endpoint.get(&client, SOON).unwrap(), Err(Failure::Refused));
    let service = Service::start(&client, &endpoint).unwrap();
    thread::sleep(ms(300));
    let record = service.stop().unwrap();
    assert_eq!(record.silence().bad, record.requests.len());
    assert!(record.silence().longest > ms(250));

    let refusing = Relay::start(&other, endpoint.address(), Reset::AtOnce);
    let through = Endpoint::new(refusing.address, &certificates.ca).unwrap();
    assert_eq!(through.get(&client, SOON).unwrap(), Err(Failure::Reset));
    // The path is there, and the certificate is for another address.
    let (_backend, _) = self::backend(&web, &certificates);
    let relay = Relay::start(&other, endpoint.address(), Reset::WhenTold);
    let strange = Endpoint::new(relay.address, &certificates.ca).unwrap();
    let answer = strange.get(&client, SOON).unwrap();
    assert!(matches!(answer, Err(Failure::Other(_))), "{answer:?}");
}

#[test]
fn a_connected_client_sees_resets_closes_and_hangs_and_else_goes_on() {
    let (lab, web, lb, client) = small_lab();
    let certificates = certificates(&lab, &[&web, &lb]);
    let (mut backend, endpoint) = backend(&web, &certificates);
    let patience = ms(1_500);
    let connect =
        |endpoint: &Endpoint, habit| Connection::start(&client, endpoint, habit, patience).unwrap();
    for habit in [Habit::Busy, Habit::Idle] {
        let record = connect(&endpoint, habit).stop().unwrap();
        assert_eq!(record.fate, Fate::WentOn, "{habit:?}");
        assert_eq!(record.backend, "lb1");

        let relay = Relay::start(&lb, endpoint.address(), Reset::WhenTold);
        let through = Endpoint::new(relay.address, &certificates.ca).unwrap();
        let connection = connect(&through, habit);
        thread::sleep(ms(200));
        let told = Moment::now();
        relay.reset();
        wait_until("the client knows", SOON, || connection.ended()).unwrap();
        let record = connection.stop().unwrap();
        let Fate::Reset(at) = record.fate else { panic!("{habit:?}: {record:?}") };
        assert!(at.since(told) < ms(500) && at > record.opened, "{record:?}");
        assert!((habit == Habit::Idle) == (record.answers == 1), "{habit:?}: {record:?}");
    }

    let (busy, idle) = (connect(&endpoint, Habit::Busy), connect(&endpoint, Habit::Idle));
    backend.signal(Signal::SIGSTOP).unwrap();
    thread::sleep(ms(100));
    assert!(!idle.ended());
    assert!(matches!(busy.stop().unwrap().fate, Fate::Hung(_)));
    assert!(matches!(idle.stop().unwrap().fate, Fate::Hung(_)));
    backend.signal(Signal::SIGCONT).unwrap();

    let idle = connect(&endpoint, Habit::Idle);
    backend.kill().unwrap();
    wait_until("the client knows", SOON, || idle.ended()).unwrap();
    assert!(matches!(idle.stop().unwrap().fate, Fate::Closed(_)));
    let refused = Connection::start(&client, &endpoint, Habit::Idle, patience).unwrap_err();
    assert_eq!(refused.to_string(), "connect to the service: refused");
}

/// A proxy of the simplest kind, that resets its client.
struct Relay {
    address: SocketAddr,
    reset: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reset {
    AtOnce,
    WhenTold,
}

impl Relay {
    fn start(host: &Host, backend: SocketAddr, reset: Reset) -> Self {
        let address = SocketAddr::new(host.ipv4().into(), PORT);
        let (sender, told) = oneshot::channel();
        let (ready, listening) = std::sync::mpsc::channel();
        let work = async move {
            let listener = TcpListener::bind(address).await?;
            ready.send(()).unwrap();
            let (mut client, _) = listener.accept().await?;
            SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
            if reset == Reset::AtOnce {
                return Ok(());
            }
            let mut backend = TcpStream::connect(backend).await?;
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut backend) => {}
                _ = told => {}
            }
            Ok(())
        };
        let run = move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
        };
        let thread = host.namespace().thread("relay", run).unwrap();
        listening.recv().unwrap();
        Self { address, reset: Some(sender), thread: Some(thread) }
    }

    fn reset(mut self) {
        self.reset.take().unwrap().send(()).unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}
