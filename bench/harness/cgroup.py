"""Control group, version 2 or 1, with the memory and CPU limits of a container and without swap."""

import itertools
import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")
PERIOD_MICROSECONDS = 100_000
COUNT = itertools.count()


class CgroupUnavailable(Exception):
    """This system does not allow control groups."""


class Cgroup:
    """New control group for one process, so that its counters belong to that process alone; removed at the end."""

    def __init__(self, memory_bytes, cores):
        self.name = f"wasmote-bench-{os.getpid()}-{next(COUNT)}"
        self.is_unified = (ROOT / "cgroup.controllers").exists()
        quota = str(round(cores * PERIOD_MICROSECONDS))
        try:
            if self.is_unified:
                (ROOT / "cgroup.subtree_control").write_text("+cpu +memory")
                self.folders = [ROOT / self.name]
                self.folders[0].mkdir()
                self.set("memory.max", memory_bytes)
                self.set("memory.swap.max", 0, needed=False)
                self.set("cpu.max", f"{quota} {PERIOD_MICROSECONDS}")
            else:
                self.folders = [ROOT / "memory" / self.name, ROOT / "cpu" / self.name]
                for folder in self.folders:
                    folder.mkdir()
                self.set("memory.limit_in_bytes", memory_bytes)
                self.set("memory.memsw.limit_in_bytes", memory_bytes, needed=False)
                self.set("cpu.cfs_period_us", PERIOD_MICROSECONDS)
                self.set("cpu.cfs_quota_us", quota)
        except OSError as problem:
            raise CgroupUnavailable(f"cannot create a control group in {ROOT} ({problem}): run as root, on a Linux with the "
                         "controllers `memory` and `cpu`") from problem

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for folder in self.folders:
            folder.rmdir()

    def set(self, file, value, needed=True):
        path = next((folder / file for folder in self.folders if (folder / file).exists()), None)
        if path or needed:
            (path or self.folders[0] / file).write_text(f"{value}")

    def get(self, file):
        return next(folder / file for folder in self.folders if (folder / file).exists()).read_text()

    def command_within(self, command):
        """Command line that joins the group and then executes `command`."""
        joins = " && ".join(f"echo $$ > {folder}/cgroup.procs" for folder in self.folders)
        return ["sh", "-c", f'{joins} && exec "$@"', "sh", *command]

    def used_bytes(self):
        return int(self.get("memory.current" if self.is_unified else "memory.usage_in_bytes"))

    def peak_bytes(self):
        """Peak memory: of the processes, of the kernel for them, and of files that they were the first to read."""
        return int(self.get("memory.peak" if self.is_unified else "memory.max_usage_in_bytes"))

    def parts_bytes(self):
        """Present memory, split into processes and files."""
        stat = dict(line.split() for line in self.get("memory.stat").splitlines())
        return {"processes": int(stat["anon" if self.is_unified else "rss"]),
                "files": int(stat["file" if self.is_unified else "cache"])}

    def times_full(self):
        """Number of times that memory was reclaimed because the limit was reached."""
        if self.is_unified:
            return int(dict(line.split() for line in self.get("memory.events").splitlines())["max"])
        return int(self.get("memory.failcnt"))

    def throttled_seconds(self):
        stat = dict(line.split() for line in self.get("cpu.stat").splitlines())
        return int(stat["throttled_usec"]) / 1e6 if self.is_unified else int(stat["throttled_time"]) / 1e9
