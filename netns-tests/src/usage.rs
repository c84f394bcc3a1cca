//! What processes used, as the kernel counts it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use lab::Running;

/// A program's processes: all of its process group.
///
/// # Errors
/// The kernel's list of processes cannot be read.
pub fn family(program: &Running) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("read /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended since.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in parentheses may hold anything; after it: state, parent, group.
        let group = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2));
        if group.and_then(|group| group.parse().ok()) == Some(program.pid()) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// A thread, and what it has used since it began.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its own name, of 15 bytes at most.
    pub name: String,
    /// Processor time, to the nanosecond.
    pub time: Duration,
    /// How often the processor went from it to another.
    pub switches: u64,
}

/// All threads that live.
///
/// # Errors
/// A process has ended.
pub fn threads(processes: &[u32]) -> anyhow::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for pid in processes {
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| tasks.clone())?.flatten() {
            threads.push(thread(&task.path())?);
        }
    }
    Ok(threads)
}

fn thread(directory: &Path) -> anyhow::Result<Thread> {
    let read = |file: &str| {
        let path = directory.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let (schedstat, status) = (read("schedstat")?, read("status")?);
    let nanos = schedstat.split_whitespace().next().and_then(|first| first.parse().ok());
    let time = Duration::from_nanos(nanos.context("schedstat has no number")?);
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mut switches = 0;
    for name in ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"] {
        switches += field(name).with_context(|| format!("no {name}"))?.parse::<u64>()?;
    }
    Ok(Thread { name: field("Name:").unwrap_or_default().to_owned(), time, switches })
}

/// Processor time of all these threads together.
#[must_use]
pub fn time(threads: &[Thread]) -> Duration {
    threads.iter().map(|thread| thread.time).sum()
}

/// Context switches of all these threads together.
#[must_use]
pub fn switches(threads: &[Thread]) -> u64 {
    threads.iter().map(|thread| thread.switches).sum()
}

/// Processor time of all threads that live, to the nanosecond.
///
/// # Errors
/// A process has ended.
pub fn cpu(processes: &[u32]) -> anyhow::Result<Duration> {
    Ok(time(&threads(processes)?))
}

/// Proportional memory in kB: what is shared counts in parts.
///
/// # Errors
/// A process has ended.
pub fn pss_kb(processes: &[u32]) -> anyhow::Result<f64> {
    rollup_kb(processes, "Pss:")
}

/// Resident memory in kB: what is shared counts in full, for each process.
///
/// # Errors
/// A process has ended.
pub fn rss_kb(processes: &[u32]) -> anyhow::Result<f64> {
    rollup_kb(processes, "Rss:")
}

fn rollup_kb(processes: &[u32], field: &str) -> anyhow::Result<f64> {
    let mut total = 0.0;
    for pid in processes {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        // The kernel's kB are KiB.
        let kib: f64 = number.with_context(|| format!("no {field}"))?.parse()?;
        total += kib * 1.024;
    }
    Ok(total)
}
