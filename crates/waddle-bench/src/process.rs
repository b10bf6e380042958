//! CPU time and memory of a process and all its descendants, from `/proc`.

use std::collections::HashMap;
use std::fs;

/// Clock ticks per second of `/proc/<pid>/stat`; fixed at 100 on Linux for user space.
const TICKS: f64 = 100.0;

/// What a process tree has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds, user and system, including children that ended.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss: u64,
}

struct Stat {
    parent: u32,
    ticks: u64,
    rss_pages: u64,
}

/// The usage of `root` and everything below it; zero where it does not exist.
pub fn tree(root: u32) -> Usage {
    let mut stats = HashMap::new();
    if let Ok(entries) = fs::read_dir("/proc") {
        for entry in entries.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            if let Some(stat) = stat(pid) {
                stats.insert(pid, stat);
            }
        }
    }
    let mut usage = Usage::default();
    for (&pid, stat) in &stats {
        if descends(pid, root, &stats) {
            usage.cpu += stat.ticks as f64 / TICKS;
            usage.rss += stat.rss_pages * 4096;
        }
    }
    usage
}

/// CPU seconds of this process.
pub fn own_cpu() -> f64 {
    stat(std::process::id()).map_or(0.0, |stat| stat.ticks as f64 / TICKS)
}

fn descends(mut pid: u32, root: u32, stats: &HashMap<u32, Stat>) -> bool {
    for _ in 0..64 {
        if pid == root {
            return true;
        }
        match stats.get(&pid) {
            Some(stat) if stat.parent > 1 => pid = stat.parent,
            _ => return false,
        }
    }
    false
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(&text)
}

/// Fields are counted from behind the command name, which may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let rest = text.get(text.rfind(')')? + 2..)?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        parent: number(1)? as u32,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        rss_pages: number(21)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 3 4 20 0 1 0 100 1000000 256 18446744073709551615";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.rss_pages), (7, 40, 256));
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn this_process_is_there() {
        let usage = tree(std::process::id());
        assert!(usage.rss > 100_000);
        assert_eq!(tree(u32::MAX).rss, 0);
    }
}
