//! Limits of the process that compiles, and the memory that the container of this process has left.

use std::fs;
use std::path::Path;
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

/// The memory that a process which compiles may use, and who limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// Bytes that it may use.
    pub(crate) bytes: u64,
    /// Memory of the container, if it sets the limit.
    pub(crate) container: Option<u64>,
}

impl CompileLimits {
    /// The memory limit, lowered to what the container has left.
    pub(crate) fn memory(&self) -> MemoryLimit {
        self.memory_in(ContainerMemory::read(Path::new("/sys/fs/cgroup")))
    }

    /// The memory limit in a container. The process that compiles gets three quarters of what is left. This process needs the
    /// rest for the machine code, which both have while it is sent.
    fn memory_in(&self, container: Option<ContainerMemory>) -> MemoryLimit {
        let available = container.map(|memory| (memory.left / 4 * 3, memory.all));
        match available.filter(|(bytes, _)| *bytes < self.memory_bytes) {
            Some((bytes, all)) => MemoryLimit { bytes, container: Some(all) },
            None => MemoryLimit { bytes: self.memory_bytes, container: None },
        }
    }

    /// The processor time in whole seconds, at least one.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        self.cpu.as_secs().max(1)
    }
}

/// Memory of the control group of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContainerMemory {
    /// Bytes that it may have.
    all: u64,
    /// Bytes that it has left.
    left: u64,
}

impl ContainerMemory {
    /// Reads the files of the control group, of version 2 or 1; `None` without a limit.
    fn read(folder: &Path) -> Option<Self> {
        let number = |path: &str| fs::read_to_string(folder.join(path)).ok()?.trim().parse::<u64>().ok();
        let (all, used, stat, key) = match number("memory.max") {
            Some(all) => (all, number("memory.current")?, "memory.stat", "inactive_file"),
            None => {
                let all = number("memory/memory.limit_in_bytes")?;
                (all, number("memory/memory.usage_in_bytes")?, "memory/memory.stat", "total_inactive_file")
            }
        };
        // Pages of files that are not in use make room for others.
        let stat = fs::read_to_string(folder.join(stat)).unwrap_or_default();
        let reclaimable = stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
        let left = all.saturating_sub(used.saturating_sub(reclaimable.unwrap_or(0)));
        Some(Self { all, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A folder like that of a control group with these files.
    fn control_group(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_container_limits_the_memory_to_what_it_has_left() {
        let v2 = control_group(&[
            ("memory.max", format!("{}\n", 64 * MIB)),
            ("memory.current", format!("{}\n", 34 * MIB)),
            ("memory.stat", format!("anon 1\ninactive_file {}\n", 10 * MIB)),
        ]);
        let v1 = control_group(&[
            ("memory/memory.limit_in_bytes", (64 * MIB).to_string()),
            ("memory/memory.usage_in_bytes", (24 * MIB).to_string()),
        ]);
        for folder in [&v2, &v1] {
            let memory = ContainerMemory::read(folder.path());
            assert_eq!(memory, Some(ContainerMemory { all: 64 * MIB, left: 40 * MIB }));
            let limit = CompileLimits::default().memory_in(memory);
            assert_eq!(limit, MemoryLimit { bytes: 30 * MIB, container: Some(64 * MIB) });
            // The flag asks for less.
            let flag = CompileLimits { memory_bytes: 20 * MIB, ..CompileLimits::default() };
            assert_eq!(flag.memory_in(memory), MemoryLimit { bytes: 20 * MIB, container: None });
        }
    }

    #[test]
    fn without_a_limit_of_the_container_the_flag_holds() {
        let unlimited =
            control_group(&[("memory.max", "max\n".to_owned()), ("memory.current", "1".to_owned())]);
        assert_eq!(ContainerMemory::read(unlimited.path()), None);
        let limits = CompileLimits { memory_bytes: 20 * MIB, cpu: Duration::from_millis(5) };
        assert_eq!(limits.memory_in(None), MemoryLimit { bytes: 20 * MIB, container: None });
        assert!(limits.memory().bytes <= 20 * MIB);
        assert_eq!(limits.cpu_seconds(), 1);
    }
}
