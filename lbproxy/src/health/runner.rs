//! Runs the checks that the registry wants, on their thread.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vocabulary::Endpoint;

use super::agent::AgentCheck;
use super::check_loop::CheckLoop;
use super::look_up::LookUp;
use super::outcome::{CheckId, Report};
use super::registry::effect::{Command, Settings, Start};
use super::thread::CheckThread;

/// The checks that go on. Owns: a task for each server, and one for its agent.
#[derive(Debug)]
pub(crate) struct CheckRunner {
    thread: CheckThread,
    reports: mpsc::Sender<Report>,
    running: HashMap<CheckId, Running>,
    look_ups: HashMap<CheckId, AbortOnDrop>,
}

/// A task that ends with this value.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The tasks of one server; they end with this value.
#[derive(Debug)]
struct Running {
    settings: watch::Sender<Settings>,
    _tasks: Vec<AbortOnDrop>,
}

impl CheckRunner {
    /// Runs nothing yet; what is found comes out by `reports`.
    pub(crate) fn new(thread: CheckThread, reports: mpsc::Sender<Report>) -> Self {
        Self { thread, reports, running: HashMap::new(), look_ups: HashMap::new() }
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
            Command::LookUp(id, endpoint) => {
                if let Endpoint::Name { host, port } = endpoint {
                    let look_up = LookUp { id, host, port, reports: self.reports.clone() };
                    self.look_ups.insert(id, self.spawn(look_up.run()));
                }
            }
            Command::Stop(id) => {
                drop(self.running.remove(&id));
                drop(self.look_ups.remove(&id));
            }
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
        let check = (!follows).then(|| {
            self.spawn(CheckLoop::new(id, server, watched, self.reports.clone()).run(delay))
        });
        Running { settings, _tasks: agent.into_iter().chain(check).collect() }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortOnDrop {
        AbortOnDrop(self.thread.handle().spawn(task))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::clock;
    use crate::health::check::Check;
    use crate::health::outcome::{Reported, Verdict};
    use crate::health::registry::Registry;
    use crate::health::registry::effect::Effect;

    #[test]
    fn checks_run_until_they_are_stopped() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let text = format!(
            "[[proxy]]\nname = \"p\"\nlisten = [\"127.0.0.1:7000\"]\nservers = [\"{server}\"]\n\
             check = {{ tcp = true, interval = \"20ms\", timeout = \"5s\" }}\n"
        );
        let Ok(loaded) = config::parse("vipd.toml", &text) else { panic!("{text}") };
        let check = Check::new(&loaded.config.proxies[0], &config::Files::default()).unwrap();
        let effects =
            Registry::default().replace(&loaded.config.proxies, vec![check], clock::now());
        let (sender, mut reports) = mpsc::channel(1);
        let mut runner = CheckRunner::new(CheckThread::start().unwrap(), sender);
        for effect in effects {
            if let Effect::Check(command) = effect {
                runner.execute(command);
            }
        }
        for _ in 0..2 {
            let Report { id, what } = reports.blocking_recv().unwrap();
            assert_eq!(id, CheckId(1));
            let Reported::Checked { outcome, .. } = what else { panic!("there is no agent") };
            assert_eq!(outcome.verdict, Verdict::Pass, "{}", outcome.words);
        }
        runner.execute(Command::Stop(CheckId(1)));
        assert!(runner.running.is_empty());
        // Nobody is left who could report.
        drop(runner);
        while reports.blocking_recv().is_some() {}
    }
}
