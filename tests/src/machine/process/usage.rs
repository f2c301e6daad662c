//! What a process costs and holds, from `/proc` (Linux).

use std::{fs, time::Duration};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The most memory that was resident at once, bytes.
    pub peak_memory: u64,
    /// CPU time, its own and the system's for it.
    pub cpu: Duration,
}

/// What a process holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Resident memory, bytes.
    pub memory: u64,
    /// Open files and sockets.
    pub descriptors: u64,
    /// Its threads.
    pub threads: u64,
}

/// `None` where there is no `/proc`, or the process has ended.
pub(super) fn of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let cpu = ticks(&stat)?.max(scheduled(pid));
    Some(Usage { peak_memory: status(pid, "VmHWM:")? * 1024, cpu })
}

/// `None` where there is no `/proc`, or the process has ended.
pub(super) fn held(pid: u32) -> Option<Held> {
    Some(Held {
        memory: status(pid, "VmRSS:")? * 1024,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count().try_into().ok()?,
        threads: status(pid, "Threads:")?,
    })
}

/// A number of proc(5)'s `status`; of memory, in KiB.
fn status(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// All processes of a group together; `None` where there is none.
pub(super) fn of_group(group: u32) -> Option<Usage> {
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let members = pids.filter(|pid| group_of(*pid) == Some(group));
    members.filter_map(of).reduce(|all, one| Usage {
        peak_memory: all.peak_memory.max(one.peak_memory),
        cpu: all.cpu + one.cpu,
    })
}

/// Field 5 of proc(5)'s `stat`.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

/// Nanoseconds that the living threads have run, where the kernel counts them
/// (Documentation/scheduler/sched-stats.rst); a tick is 10 ms, which is more
/// than many a program uses.
fn scheduled(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let ran = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(Result::ok).filter_map(ran).sum())
}

/// Fields 14 and 15 (utime, stime; proc(5)), counted after the program's name,
/// which may hold anything but ends at the last bracket.
fn ticks(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks * 1000 / per_second))
}
