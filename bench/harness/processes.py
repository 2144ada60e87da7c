"""Measured processes, and their use of resources as reported by the system."""

import os
import pathlib
import resource
import signal
import subprocess
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def descriptors_raised():
    """Raises the limit of file descriptors to its maximum in a child process, before it executes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Group:
    """Group of processes that are measured together, and their children."""

    def __init__(self, commands, log, environment=None):
        self.log = open(log, "ab")
        self.processes = []
        for command in commands:
            self.processes.append(subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                env=dict(os.environ, **(environment or {})), preexec_fn=descriptors_raised, start_new_session=True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def ended(self):
        """Exit codes of the processes that have ended."""
        return [process.returncode for process in self.processes if process.poll() is not None]

    def pids(self):
        found = [process.pid for process in self.processes if process.poll() is None]
        for pid in found:
            found.extend(children(pid))
        return found

    def cpu_seconds(self):
        return sum(cpu_seconds(pid) for pid in self.pids())

    def memory_bytes(self):
        """Proportional set size, in which shared pages are divided, so that processes can be added up."""
        return sum(memory_bytes(pid) for pid in self.pids())

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def stop(self, timeout=20):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        end = time.monotonic() + timeout
        for process in self.processes:
            try:
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.log.close()


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    direct = [int(word) for word in text.split()]
    return direct + [grandchild for child in direct for grandchild in children(child)]


def cpu_seconds(pid):
    """Processor time in user and kernel mode, see proc(5)."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def memory_bytes(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
