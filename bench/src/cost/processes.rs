//! Processor time and memory of processes, as Linux counts them in `/proc`.

use std::{collections::BTreeMap, fs};

use crate::{figures::per, report::Process};

/// `/proc` counts processor time in these, on every machine that Linux runs on today.
const TICKS_PER_S: u64 = 100;
/// Of a number in MiB, the KiB.
pub(crate) const KIB_PER_MIB: u64 = 1_024;

/// A process to be watched.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// What it is called in the report.
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Whether what it started counts as part of it.
    pub(crate) with_children: bool,
}

/// Processes from one moment on.
pub(crate) struct Meter {
    watched: Vec<Watched>,
}

struct Watched {
    root: Root,
    /// What it had used when it was first seen.
    ticks_before: u64,
    /// What earlier processes of this name used.
    ticks_of_dead: u64,
    peak_kib: u64,
}

impl Meter {
    pub(crate) fn start(roots: Vec<Root>) -> Self {
        let all = processes();
        roots.iter().flat_map(|root| family(&all, root)).for_each(forget_peak);
        let watch = |root: Root| Watched {
            ticks_before: ticks(&all, &root),
            ticks_of_dead: 0,
            peak_kib: 0,
            root,
        };
        Self { watched: roots.into_iter().map(watch).collect() }
    }

    /// To be said just before a process is killed: what it used would be forgotten.
    pub(crate) fn dies(&mut self, pid: u32) {
        let all = processes();
        for watched in self.watched.iter_mut().filter(|watched| watched.root.pid == pid) {
            watched.look(&all);
            let used = ticks(&all, &watched.root);
            watched.ticks_of_dead += used.saturating_sub(watched.ticks_before);
        }
    }

    /// Another process takes the place of one that died.
    pub(crate) fn is_replaced(&mut self, dead: u32, by: u32) {
        for watched in self.watched.iter_mut().filter(|watched| watched.root.pid == dead) {
            watched.root.pid = by;
            watched.ticks_before = 0;
        }
    }

    /// What each has used since the beginning.
    pub(crate) fn finish(mut self, sagas: u32) -> Vec<Process> {
        let all = processes();
        let report = |watched: &mut Watched| {
            watched.look(&all);
            let now = ticks(&all, &watched.root).saturating_sub(watched.ticks_before);
            let cpu_s = per(watched.ticks_of_dead + now, TICKS_PER_S);
            Process {
                name: watched.root.name.clone(),
                cpu_s,
                cpu_s_per_1000_sagas: cpu_s * 1_000.0 / f64::from(sagas),
                peak_mib: per(watched.peak_kib, KIB_PER_MIB),
            }
        };
        self.watched.iter_mut().map(report).collect()
    }
}

impl Watched {
    /// Takes the peak of the largest of its processes: they share memory, which a sum would count
    /// again and again.
    fn look(&mut self, all: &BTreeMap<u32, Stat>) {
        let peaks = family(all, &self.root).into_iter().filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            peak_kib(&status)
        });
        self.peak_kib = peaks.fold(self.peak_kib, u64::max);
    }
}

/// Has the kernel take the peak of a process's memory from now on. It allows that for our own
/// processes; of others the peak stays that since their start.
fn forget_peak(pid: u32) {
    /// The kernel's word for it.
    const FORGET_PEAK: &str = "5";
    fs::write(format!("/proc/{pid}/clear_refs"), FORGET_PEAK).ok();
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own processor time.
    own: u64,
    /// That of its children that have ended.
    of_dead_children: u64,
}

/// All processes of the machine.
fn processes() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process may end while we look at it.
    let stat =
        |pid| Some((pid, parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?));
    pids.filter_map(stat).collect()
}

/// The processor time of a process, and of what it started where that counts.
fn ticks(all: &BTreeMap<u32, Stat>, root: &Root) -> u64 {
    let of = |pid: &u32| {
        let stat = all.get(pid)?;
        let of_dead_children = if root.with_children { stat.of_dead_children } else { 0 };
        Some(stat.own + of_dead_children)
    };
    family(all, root).iter().filter_map(of).sum()
}

/// A process, and what it started where that counts.
fn family(all: &BTreeMap<u32, Stat>, root: &Root) -> Vec<u32> {
    let mut family = vec![root.pid];
    let mut seen = 0;
    while root.with_children && seen < family.len() {
        let parent = family[seen];
        family.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        seen += 1;
    }
    family
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name, in brackets, may hold anything. After it: the state, the parent, and from the
    // twelfth on the times.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        of_dead_children: number(13)? + number(14)?,
    })
}

/// The most memory that a process ever had in RAM, as `/proc/PID/status` says.
fn peak_kib(status: &str) -> Option<u64> {
    status_kib(status, "VmHWM:")
}

/// A line of `/proc/PID/status`.
pub(crate) fn status_kib(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "17 (a) b) R 1 17 17 0 -1 4194560 1 2 3 4 50 6 700 80 20 0 9 0 1 2 3";

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let expected = Stat { parent: 1, own: 56, of_dead_children: 780 };
        assert_eq!(parse_stat(STAT), Some(expected));
        assert_eq!(parse_stat("17 (a) R 1 17"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_peak_of_memory_is_read() {
        let status = "Name:\tsaga\nVmPeak:\t  99 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!(peak_kib(status), Some(2_048));
        assert_eq!(status_kib(status, "VmRSS:"), Some(1_024));
        assert_eq!(peak_kib("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn children_count_where_they_are_to() {
        let stat = |parent, own| Stat { parent, own, of_dead_children: 1 };
        let all = [(1, stat(0, 1_000)), (2, stat(1, 10)), (3, stat(2, 20)), (4, stat(3, 40))];
        let all = all.into();
        let root = |with_children| Root { name: "a".to_owned(), pid: 2, with_children };
        assert_eq!(ticks(&all, &root(false)), 10);
        assert_eq!(ticks(&all, &root(true)), 73);
        let gone = Root { pid: 9, ..root(true) };
        assert_eq!(ticks(&all, &gone), 0);
    }

    #[test]
    fn what_a_dead_process_used_is_kept() {
        let own = Root { name: "us".to_owned(), pid: std::process::id(), with_children: false };
        let mut meter = Meter::start(vec![own]);
        meter.watched[0].ticks_before = 0;
        meter.dies(std::process::id());
        let used = meter.watched[0].ticks_of_dead;
        meter.is_replaced(std::process::id(), u32::MAX);
        let report = meter.finish(1_000);
        assert_eq!(report[0].cpu_s, per(used, TICKS_PER_S));
        assert!(report[0].peak_mib > 0.0);
    }
}
