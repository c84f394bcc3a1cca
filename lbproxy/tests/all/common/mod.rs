//! A proxy under test, the servers behind it, and patience.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use config::{Files, Snapshot};
use lbproxy::control::status::Status;
use process::channels::{Channel, hand_over};
use process::control::{self, Order};
use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "tests measure")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A loopback address that no other test of this machine uses.
pub(crate) fn own_ip() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, high.wrapping_add(64).max(1), low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until `done`.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "still not: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A running `lbproxy`.
pub(crate) struct Proxy {
    pub(crate) child: Child,
    /// Our end of its standard input, as the supervisor has it.
    pub(crate) supervisor: Option<UnixStream>,
    pub(crate) dir: Arc<TempDir>,
    /// What it was told last to go over to.
    config: Mutex<String>,
    console: Mutex<BufReader<UnixStream>>,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Proxy {
    /// Starts it with this configuration, as the supervisor does.
    pub(crate) fn start(config: &str) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        Self::spawn(program, TempDir::new().unwrap(), &[], config)
    }

    /// Starts another one that takes over from this one.
    pub(crate) fn successor(&self, config: &str) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        let next = Self::spawn(program, Arc::clone(&self.dir), &["--take-over"], config);
        let (ours, theirs) = UnixStream::pair().unwrap();
        // The one that runs may be dead.
        drop(hand_over(self.supervisor.as_ref().unwrap(), Channel::Handoff, ours.as_fd()));
        next.give(Channel::Handoff, &theirs);
        next
    }

    /// Gives it the end of a channel.
    pub(crate) fn give(&self, channel: Channel, end: &UnixStream) {
        hand_over(self.supervisor.as_ref().unwrap(), channel, end.as_fd()).unwrap();
    }

    /// The other end of a channel that it has.
    pub(crate) fn channel(&self, channel: Channel) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.give(channel, &theirs);
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        ours
    }

    /// Starts it with a file of hosts of its own, which the test may write anew.
    pub(crate) fn start_with_hosts(config: &str, hosts: &str) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("hosts"), hosts).unwrap();
        let mut unshare = Command::new("unshare");
        let own = "mount --bind \"$1\" /etc/hosts; shift; exec \"$@\"";
        unshare.args(["--map-root-user", "--mount", "sh", "-c", own, "sh"]);
        unshare.arg(dir.path().join("hosts")).arg(env!("CARGO_BIN_EXE_lbproxy"));
        Self::spawn(unshare, dir, &[], config)
    }

    /// Kills it, and starts it anew in the same place.
    pub(crate) fn restarted(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        let config = self.config.lock().unwrap().clone();
        Self::spawn(program, Arc::clone(&self.dir), &[], &config)
    }

    /// Starts it with so many files to open.
    pub(crate) fn start_with_files(config: &str, files: u32) -> Self {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_lbproxy")]);
        Self::spawn(shell, TempDir::new().unwrap(), &[], config)
    }

    pub(crate) fn spawn(
        mut command: Command,
        dir: impl Into<Arc<TempDir>>,
        flags: &[&str],
        config: &str,
    ) -> Self {
        let dir = dir.into();
        let (ours, theirs) = control::pair().unwrap();
        ours.set_nonblocking(false).unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let start = Order::Start { generation: 1 };
        control::order(&ours, start, Some(handed_down(config).as_fd())).unwrap();
        let mut child = command
            .arg("--runtime-dir")
            .arg(dir.path())
            .args(flags)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("JOURNAL_STREAM")
            .spawn()
            .unwrap();
        let lines = follow(child.stdout.take().unwrap());
        let errors = follow(child.stderr.take().unwrap());
        let supervisor = ours;
        let (console, end) = UnixStream::pair().unwrap();
        console.set_read_timeout(Some(PATIENCE)).unwrap();
        // One that finds its configuration wrong has ended.
        drop(hand_over(&supervisor, Channel::AskLbproxy, end.as_fd()));
        let console = Mutex::new(BufReader::new(console));
        let config = Mutex::new(config.to_owned());
        Self { dir, config, child, supervisor: Some(supervisor), console, lines, errors }
    }

    /// Starts it and waits until the first proxy's servers are in these states.
    pub(crate) fn ready(config: &str, states: &[&str]) -> Self {
        let proxy = Self::start(config);
        proxy.wait_for(states);
        proxy
    }

    pub(crate) fn wait_for(&self, states: &[&str]) {
        let mut seen = Vec::new();
        eventually(&format!("servers {states:?}"), || {
            seen = self.status().map(|status| status_words(&status)).unwrap_or_default();
            seen == states
        });
    }

    pub(crate) fn status(&self) -> Option<Status> {
        serde_json::from_str(&self.answer("{\"type\":\"status\"}")?).ok()
    }

    /// Asks it for something, a line of JSON; returns its answer.
    pub(crate) fn ask(&self, request: &str) -> String {
        self.answer(request).unwrap()
    }

    fn answer(&self, request: &str) -> Option<String> {
        let mut console = self.console.lock().unwrap();
        console.get_mut().write_all(format!("{request}\n").as_bytes()).ok()?;
        let mut answer = String::new();
        console.read_line(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    }

    /// The next access line that holds `part`.
    pub(crate) fn line(&self, part: &str) -> String {
        wait_line(&self.lines, part)
    }

    /// The next log line that holds `part`.
    pub(crate) fn log(&self, part: &str) -> String {
        wait_line(&self.errors, part)
    }

    /// What is left of the log of one that has ended.
    pub(crate) fn log_to_its_end(&self) -> String {
        self.errors.iter().collect::<Vec<_>>().join("\n")
    }

    /// Pipes it has made: both ends are there. Its output is not among them, nor copies of that.
    pub(crate) fn pipes(&self) -> usize {
        let files = format!("/proc/{}/fd", self.child.id());
        let target = |file: &str| std::fs::read_link(format!("{files}/{file}")).ok();
        let given = ["0", "1", "2"].map(target);
        let open = std::fs::read_dir(&files).unwrap();
        let made = open
            .filter_map(|file| target(file.ok()?.file_name().to_str()?))
            .filter(|target| target.to_string_lossy().starts_with("pipe:"))
            .filter(|target| !given.iter().flatten().any(|given| given == target));
        made.count() / 2
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Has it go over to this configuration, if it can; returns what it says to that.
    pub(crate) fn reload(&self, config: &str) -> String {
        static GENERATIONS: AtomicU64 = AtomicU64::new(100);
        let ours = self.supervisor.as_ref().unwrap();
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let content = handed_down(config);
        control::order(ours, Order::Prepare { generation }, Some(content.as_fd())).unwrap();
        let verdict = said(ours);
        if verdict.contains("prepared") {
            control::order(ours, Order::Commit { generation }, None).unwrap();
            config.clone_into(&mut self.config.lock().unwrap());
            assert!(said(ours).contains("committed"));
        }
        verdict
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the proxy ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A configuration as the supervisor hands it down, with what its checks name; also one that is wrong.
pub(crate) fn handed_down(config: &str) -> OwnedFd {
    let threads = if config.starts_with("threads") { "" } else { "threads = 2\n" };
    let text = format!("[lbproxy]\n{threads}{config}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    let content = match Snapshot::read(file.path(), &[]) {
        Ok((snapshot, loaded)) => snapshot.with_files(Files::of(&loaded.config)).to_bytes(),
        Err(_) => serde_json::to_vec(&serde_json::json!({
            "name": "vipd.toml", "text": text, "variables": {}, "included": {}, "own": [], "files": {},
        }))
        .unwrap(),
    };
    control::sealed(&content).unwrap()
}

/// What a program says next to the supervisor, past the ticks.
pub(crate) fn said(mut ours: &UnixStream) -> String {
    loop {
        let mut buffer = [0; 4096];
        let length = ours.read(&mut buffer).unwrap();
        let packet = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if !packet.starts_with("{\"patience_ms\"") {
            return packet;
        }
    }
}

fn status_words(status: &Status) -> Vec<String> {
    let servers = status.proxies.first().map(|proxy| proxy.servers.as_slice()).unwrap_or_default();
    servers.iter().map(|server| server.state.to_string()).collect()
}

fn follow(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn wait_line(lines: &Receiver<String>, part: &str) -> String {
    let start = now();
    let mut seen = Vec::new();
    while start.elapsed() < PATIENCE {
        let Ok(line) = lines.recv_timeout(Duration::from_millis(100)) else { continue };
        if line.contains(part) {
            return line;
        }
        seen.push(line);
    }
    panic!("no line with {part:?}, but {seen:#?}");
}

/// A `[[proxy]]` table.
pub(crate) fn table(listen: SocketAddr, servers: &[SocketAddr], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "[[proxy]]\nname = \"p\"\nlisten = [\"{listen}\"]\nservers = [{}]\n{more}\n",
        servers.join(", ")
    )
}

/// The same with servers `s0`, `s1` … in full, each with keys of its own.
pub(crate) fn full_table(listen: SocketAddr, servers: &[(SocketAddr, &str)], more: &str) -> String {
    let mut table = format!("[[proxy]]\nname = \"p\"\nlisten = [\"{listen}\"]\n{more}\n");
    for (index, (address, keys)) in servers.iter().enumerate() {
        let server = format!("name = \"s{index}\"\naddress = \"{address}\"\n{keys}\n");
        table = format!("{table}[[proxy.server]]\n{server}");
    }
    table
}

/// A check that runs soon and often.
pub(crate) const QUICK: &str =
    "check = { tcp = true, interval = \"50ms\", timeout = \"5s\", rise = 1, fall = 1 }";

/// A check that runs once.
pub(crate) const ONCE: &str = "check = { tcp = true, interval = \"1h\", timeout = \"5s\" }";

/// A server on its own thread that does `serve` with every connection.
pub(crate) fn server(
    listener: TcpListener,
    serve: impl Fn(TcpStream) + Clone + Send + 'static,
) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A server that sends back what it gets.
pub(crate) fn echo(ip: Ipv4Addr) -> SocketAddr {
    server(TcpListener::bind((ip, 0)).unwrap(), |mut stream| {
        let mut reader = stream.try_clone().unwrap();
        drop(std::io::copy(&mut reader, &mut stream));
        drop(stream.shutdown(Shutdown::Write));
    })
}

/// A server that says its name and ends.
pub(crate) fn named(ip: Ipv4Addr, name: &'static str) -> SocketAddr {
    server(TcpListener::bind((ip, 0)).unwrap(), move |mut stream| {
        drop(stream.write_all(name.as_bytes()));
        drop(stream.shutdown(Shutdown::Write));
        drop(stream.read_to_end(&mut Vec::new()));
    })
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything a new connection reads to its end.
pub(crate) fn fetch(address: SocketAddr) -> std::io::Result<String> {
    let mut text = String::new();
    let mut stream = connect(address);
    drop(stream.shutdown(Shutdown::Write));
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Asserts that the connection ends with a reset.
pub(crate) fn assert_reset(stream: &mut TcpStream) {
    let outcome = stream.read(&mut [0; 16]);
    let kind = outcome.as_ref().map_err(std::io::Error::kind);
    assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset), "{outcome:?}");
}

/// The same on each, all at once; who has it back leaves.
pub(crate) fn ping_all(streams: Vec<TcpStream>) {
    let pings = streams.into_iter().map(|mut stream| thread::spawn(move || ping(&mut stream)));
    for ping in pings.collect::<Vec<_>>() {
        ping.join().unwrap();
    }
}

/// Sends a byte and reads it back.
pub(crate) fn ping(stream: &mut TcpStream) {
    stream.write_all(b"!").unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"!");
}
