//! Network namespaces that last as long as a value does.
//!
//! The kernel keeps a network namespace while a thread lives in it or a descriptor names it. Nothing
//! is written below `/run/netns`: when the process ends, however it ends, its namespaces are gone.
//!
//! Each [`Namespace`] has a *home* thread, which made it and stays in it until the value is
//! dropped. Programs are started by that thread, because the signal which a program may ask for at
//! its parent's death (`PR_SET_PDEATHSIG`) comes when the *thread* that started it ends. All other
//! work is done by short-lived threads that enter through the descriptor, so that closures may
//! borrow from their caller and a slow one holds up nobody.
//!
//! A socket keeps the namespace it was opened in: probes open theirs inside and use them outside.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::resume_unwind;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::LinkUnspec;

/// Index of `lo`: the kernel gives it the first one of every namespace.
const LOOPBACK: u32 = 1;

/// A network namespace of its own, with `lo` up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
    jobs: Option<Sender<Job>>,
    home: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why something did not happen in a namespace.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The kernel made none.
    #[error(
        "make the network namespace `{name}` (needs CAP_SYS_ADMIN: run it as root, or in a user \
         namespace of its own)"
    )]
    Create {
        /// What it was to be called.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A thread could not be started or could not go there.
    #[error("enter the network namespace `{name}`")]
    Enter {
        /// Which namespace.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No netlink socket or no runtime for it.
    #[error("open netlink in the network namespace `{name}`")]
    Open {
        /// Which namespace.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a change.
    #[error("{tried} in the network namespace `{name}`")]
    Netlink {
        /// Which namespace.
        name: String,
        /// What was to be done.
        tried: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
    /// A kernel setting could not be written.
    #[error("set {key} to {value} in the network namespace `{name}`")]
    Sysctl {
        /// Which namespace.
        name: String,
        /// The setting, as a path below `/proc/sys`.
        key: String,
        /// What it was to be.
        value: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("start {program} in the network namespace `{name}`")]
    Start {
        /// Which namespace.
        name: String,
        /// The program.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Namespace {
    /// Makes a namespace; `name` stands for it in errors and in thread names only.
    ///
    /// # Errors
    /// The kernel or the caller's privileges do not allow it.
    pub fn new(name: &str) -> Result<Self, NamespaceError> {
        let create = |source| NamespaceError::Create { name: name.to_owned(), source };
        let (ready, made) = mpsc::channel();
        let (jobs, waiting) = mpsc::channel();
        let home = thread::Builder::new()
            .name(format!("{name}/home"))
            .spawn(move || {
                let file = unshare(CloneFlags::CLONE_NEWNET)
                    .map_err(io::Error::from)
                    .and_then(|()| File::open("/proc/thread-self/ns/net"));
                let usable = file.is_ok();
                if ready.send(file).is_ok() && usable {
                    keep(waiting);
                }
            })
            .map_err(create)?;
        let file = made.recv().unwrap_or_else(|_| Err(gone())).map_err(create)?;
        let namespace = Self { name: name.to_owned(), file, jobs: Some(jobs), home: Some(home) };
        namespace.netlink("bring `lo` up", async |handle| {
            handle.link().set(LinkUnspec::new_with_index(LOOPBACK).up().build()).execute().await
        })?;
        Ok(namespace)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread in the namespace and waits for its value. A panic in `work` goes on
    /// in the caller.
    ///
    /// # Errors
    /// No thread could be started there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let enter = |source| NamespaceError::Enter { name: self.name.clone(), source };
        thread::scope(|scope| {
            let worker = thread::Builder::new()
                .name(format!("{}/run", self.name))
                .spawn_scoped(scope, || self.enter().map(|()| work()))
                .map_err(enter)?;
            worker.join().unwrap_or_else(|panic| resume_unwind(panic)).map_err(enter)
        })
    }

    /// Starts a thread that lives in the namespace.
    ///
    /// # Errors
    /// No thread could be started there.
    pub fn thread<T: Send + 'static>(
        &self,
        role: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, NamespaceError> {
        let enter = |source| NamespaceError::Enter { name: self.name.clone(), source };
        let builder = thread::Builder::new().name(format!("{}/{role}", self.name));
        // A thread inherits the namespace of the one that starts it.
        self.run(move || builder.spawn(work))?.map_err(enter)
    }

    /// Starts a program in the namespace. Its parent thread lives as long as this value.
    ///
    /// # Errors
    /// The program could not be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child, NamespaceError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let (started, child) = mpsc::channel();
        let job: Job = Box::new(move || {
            // The caller waits below.
            drop(started.send(command.spawn()));
        });
        let posted = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        let child = if posted { child.recv().unwrap_or_else(|_| Err(gone())) } else { Err(gone()) };
        child.map_err(|source| NamespaceError::Start { name: self.name.clone(), program, source })
    }

    /// Runs `work` with a netlink connection of the namespace; `tried` says in errors what for.
    ///
    /// # Errors
    /// Netlink could not be opened, or `work` failed.
    pub fn netlink<T: Send>(
        &self,
        tried: &str,
        work: impl AsyncFnOnce(rtnetlink::Handle) -> Result<T, rtnetlink::Error> + Send,
    ) -> Result<T, NamespaceError> {
        let open = |source| NamespaceError::Open { name: self.name.clone(), source };
        let done = self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection()?;
                tokio::spawn(connection);
                Ok(work(handle).await)
            })
        })?;
        done.map_err(open)?.map_err(|source| NamespaceError::Netlink {
            name: self.name.clone(),
            tried: tried.to_owned(),
            source,
        })
    }

    /// Writes a kernel setting of the namespace; `key` is its path below `/proc/sys`, such as
    /// `net/ipv6/conf/all/accept_dad`.
    ///
    /// # Errors
    /// The kernel has no such setting, or does not let it be written.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), NamespaceError> {
        let written = self.run(|| fs::write(format!("/proc/sys/{key}"), value))?;
        written.map_err(|source| NamespaceError::Sysctl {
            name: self.name.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
            source,
        })
    }

    fn enter(&self) -> io::Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
    }
}

/// The descriptor names the namespace, as `setns` and `IFLA_NET_NS_FD` take it.
impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The home thread ends when no more jobs can come.
        self.jobs = None;
        if let Some(home) = self.home.take() {
            drop(home.join());
        }
    }
}

/// Does what is asked for until nobody can ask any more.
fn keep(jobs: Receiver<Job>) {
    for job in jobs {
        job();
    }
}

fn gone() -> io::Error {
    io::Error::other("the namespace's thread has ended")
}
