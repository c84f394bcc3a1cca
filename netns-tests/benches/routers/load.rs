//! A proxy on the Active node that keeps every processor busy.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::{Running, wait_until};
use netns_tests::LIMIT;

use crate::pair::Bench;

const PORT: u16 = 9_000;

/// Connections that stream at once, and bytes of one write.
const STREAMS: usize = 8;
const CHUNK: usize = 64 * 1024;

/// A load that lasts until it is dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<io::Result<()>>>,
    _proxy: Running,
}

impl Load {
    /// Streams from a backend to clients on the neighbour, through lbproxy on the first node.
    pub(crate) fn start(bench: &Bench) -> anyhow::Result<Self> {
        let [node, _] = &bench.nodes;
        let address = SocketAddr::from((bench.neighbour.ipv4(), 0));
        let listener = bench.neighbour.run(|| TcpListener::bind(address))??;
        let backend = listener.local_addr()?;
        thread::spawn(move || serve(&listener));
        let text = format!(
            "[[proxy]]\nname = \"load\"\nlisten = [\"0.0.0.0:{PORT}\"]\nservers = [\"{backend}\"]\n\
             check = {{ tcp = true }}\n"
        );
        let config = bench.lab.write("load.toml", &text)?;
        let runtime = bench.lab.directory().join("load");
        fs::create_dir_all(&runtime)?;
        let mut command = Command::new(&bench.ours);
        command.arg("lbproxy").arg("--config").arg(config).arg("--runtime-dir").arg(runtime);
        let proxy = node.start("lbproxy", &mut command)?;
        let entrance = SocketAddr::from((node.ipv4(), PORT));
        bench.neighbour.run(|| {
            wait_until("the proxy takes connections", LIMIT, || {
                thread::sleep(Duration::from_millis(20));
                TcpStream::connect(entrance).is_ok()
            })
        })??;
        let stop = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        for _ in 0..STREAMS {
            let stop = Arc::clone(&stop);
            let read = move || read(entrance, &stop);
            readers.push(bench.neighbour.namespace().thread("stream", read)?);
        }
        Ok(Self { stop, readers, _proxy: proxy })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            // What it met no longer matters.
            drop(reader.join());
        }
    }
}

/// Sends without end to whoever has sent a byte; a health check sends none.
fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        thread::spawn(move || -> io::Result<()> {
            stream.read_exact(&mut [0])?;
            let chunk = vec![7; CHUNK];
            loop {
                stream.write_all(&chunk)?;
            }
        });
    }
}

fn read(address: SocketAddr, stop: &AtomicBool) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(&[1])?;
    let mut chunk = vec![0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        // A stream that stalls goes on later.
        let Ok(length) = stream.read(&mut chunk) else { continue };
        if length == 0 {
            break;
        }
    }
    Ok(())
}

/// Where the second node speaks from: an advert of its own is a failover.
pub(crate) fn other_node(bench: &Bench) -> Ipv4Addr {
    bench.nodes[1].ipv4()
}
