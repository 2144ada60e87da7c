//! Limits of the process that compiles, and the memory that the container of this process has left.

use std::fs;
use std::time::Duration;

/// Limits of the process that compiles a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of memory. In a container, the process gets at most three quarters of what the container has left.
    pub memory_bytes: u64,
    /// Processor time. Ten times as much real time is the limit as well.
    pub cpu: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, cpu: Duration::from_secs(120) }
    }
}

/// Least memory for a process that compiles: what the compilers need for a small component.
const MIN_MEMORY_BYTES: u64 = 16 << 20;

impl CompileLimits {
    /// The memory limit, lowered to what the container has left.
    pub(crate) fn effective_memory_bytes(&self) -> u64 {
        match container_memory_left() {
            Some(left) => self.memory_bytes.min((left / 4 * 3).max(MIN_MEMORY_BYTES)),
            None => self.memory_bytes,
        }
    }

    /// The processor time in whole seconds, at least one.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        self.cpu.as_secs().max(1)
    }
}

/// Memory that the control group of this process has left; `None` without a limit.
fn container_memory_left() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let v2 = "/sys/fs/cgroup";
    let (limit, used, stat, key) = match number(&format!("{v2}/memory.max")) {
        Some(limit) => {
            (limit, number(&format!("{v2}/memory.current"))?, format!("{v2}/memory.stat"), "inactive_file")
        }
        None => {
            let v1 = "/sys/fs/cgroup/memory";
            let limit = number(&format!("{v1}/memory.limit_in_bytes"))?;
            let used = number(&format!("{v1}/memory.usage_in_bytes"))?;
            (limit, used, format!("{v1}/memory.stat"), "total_inactive_file")
        }
    };
    // Pages of files that are not in use make room for others.
    let stat = fs::read_to_string(stat).unwrap_or_default();
    let reclaimable = stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(reclaimable.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_raised_and_time_is_at_least_a_second() {
        let limits = CompileLimits { memory_bytes: 20 << 20, cpu: Duration::from_millis(5) };
        assert!(limits.effective_memory_bytes() <= 20 << 20);
        assert_eq!(limits.cpu_seconds(), 1);
        let unlimited = CompileLimits { memory_bytes: u64::MAX, ..CompileLimits::default() };
        if let Some(left) = container_memory_left() {
            assert!(unlimited.effective_memory_bytes() <= left.max(MIN_MEMORY_BYTES));
        }
    }
}
