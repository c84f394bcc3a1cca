//! Runs the checks that the registry wants, on their thread.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::agent::AgentCheck;
use super::check_loop::CheckLoop;
use super::outcome::{CheckId, Report};
use super::registry::effect::{Command, Settings, Start};
use super::thread::CheckThread;

/// The checks that go on. Owns: a task for each server, and one for its agent.
#[derive(Debug)]
pub(crate) struct CheckRunner {
    thread: CheckThread,
    reports: mpsc::Sender<Report>,
    running: HashMap<CheckId, Running>,
}

/// The tasks of one server; they end with this value.
#[derive(Debug)]
struct Running {
    settings: watch::Sender<Settings>,
    check: JoinHandle<()>,
    agent: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.check.abort();
        self.agent.iter().for_each(JoinHandle::abort);
    }
}

impl CheckRunner {
    /// Runs nothing yet; what is found comes out by `reports`.
    pub(crate) fn new(thread: CheckThread, reports: mpsc::Sender<Report>) -> Self {
        Self { thread, reports, running: HashMap::new() }
    }

    /// Does what the registry wants.
    pub(crate) fn execute(&mut self, command: Command) {
        match command {
            Command::Start(start) => {
                let id = start.id;
                let running = self.start(*start);
                self.running.insert(id, running);
            }
            Command::Update(id, settings) => {
                if let Some(running) = self.running.get(&id) {
                    running.settings.send_replace(settings);
                }
            }
            Command::Stop(id) => drop(self.running.remove(&id)),
        }
    }

    fn start(&self, start: Start) -> Running {
        let Start { id, server, settings, agent, follows, delay } = start;
        let agent = agent.map(|config| {
            let agent = AgentCheck {
                id,
                config,
                server: Arc::clone(&server),
                reports: self.reports.clone(),
            };
            self.spawn(agent.run(delay))
        });
        let (settings, watched) = watch::channel(settings);
        let check = if follows {
            self.spawn(async move { match server.located.keep().await {} })
        } else {
            self.spawn(CheckLoop::new(id, server, watched, self.reports.clone()).run(delay))
        };
        Running { settings, check, agent }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.thread.handle().spawn(task)
    }
}
