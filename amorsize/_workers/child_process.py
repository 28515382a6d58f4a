"""A worker process as its caller knows it: by a descriptor, because its number may be another's.

A process that has ended leaves its number to others as soon as it is collected. The program may see
to that itself, where it ignores SIGCHLD or waits for all its children: so the number alone is never
sent a signal, nor waited for.
"""

from __future__ import annotations

import errno
import os
import select
from time import sleep

from amorsize._host.clocks import perf_counter
from amorsize._host.signals import signals
from amorsize._workers import subprocess_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL = 9  # on every POSIX system; importing `signal` for its name costs 5 ms
SIGCONT = 18  # of Linux, as waiting for stopped processes is
_NO_PIDFDS = (errno.ENOSYS, errno.EPERM, errno.EINVAL)  # an old kernel, or a sandbox
_POLL_S = 1e-3  # how often it is looked where a process has no descriptor
_UNKNOWN = "unknown: someone else collected its exit status"


class Child:
    """One child process, from its start until it is collected.

    Raises:
        OSError: No descriptor is left for it; it has been ended.
    """

    __slots__ = ("_is", "pid", "pidfd")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd: int | None = None  # where the system has no such thing, its number has to do
        self._is: object = None
        try:
            self.pidfd = _descriptor_of(pid)
            self._is = None if self.pidfd is None else os.fstat(self.pidfd)[:3]
        except OSError:
            self.kill()
            self.collect()
            raise

    def kill(self) -> None:
        """End it at once, if it is still there."""
        self.send(SIGKILL)

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there.

        Raises:
            PermissionError: This process has given up the right to.
        """
        try:
            if (pidfd := self._known_for_sure()) is not None:
                signals().pidfd_send_signal(pidfd, number)
            elif self._is_there():
                os.kill(self.pid, number)
        except ProcessLookupError:
            return  # it has ended by itself

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped, by SIGSTOP or a terminal; one under a debugger is not."""
        try:
            return self._wait_for(os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
        except (ChildProcessError, AttributeError):
            return False

    def ended_by(self, deadline: float) -> bool:
        """Wait until it has ended; False when the deadline came first."""
        if (pidfd := self._known()) is not None:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            return bool(poll.poll(max(0.0, deadline - perf_counter()) * 1000))
        while self._is_there():
            if perf_counter() >= deadline:
                return False
            sleep(_POLL_S)
        return True

    def collect(self) -> str:
        """Wait for its end and say how it ended."""
        before_s = subprocess_time.cpu_s()
        try:
            found = self._wait_for(os.WEXITED)
        except ChildProcessError:
            return _UNKNOWN
        subprocess_time.leave_out(subprocess_time.cpu_s() - before_s)
        if found.si_code == os.CLD_EXITED:
            return f"exit code {found.si_status}"
        import signal

        return f"signal {found.si_status} ({signal.Signals(found.si_status).name})"

    def close(self) -> None:
        """Let go of the descriptor."""
        if (pidfd := self._known()) is not None:
            os.close(pidfd)
        self.pidfd = None

    def _known(self) -> int | None:
        """The descriptor, unless an item has closed it, and perhaps opened its own with its number.

        Takes a microsecond.
        """
        try:
            found = None if self.pidfd is None else os.fstat(self.pidfd)[:3]
        except OSError:
            found = None
        return self.pidfd if found == self._is else None

    def _known_for_sure(self) -> int | None:
        """The same, told from the descriptors of other processes as well, which may look alike."""
        if (pidfd := self._known()) is None:
            return None
        told = _told_of(pidfd)
        tells_another = "\nPid:" in told and f"\nPid:\t{self.pid}\n" not in told
        if tells_another and "\nPid:\t-1\n" in told:
            raise ProcessLookupError  # collected already
        return None if tells_another else pidfd

    def _is_there(self) -> bool:
        """Whether a child with its number runs; one that nobody has collected keeps its number."""
        try:
            options = os.WEXITED | os.WNOWAIT | os.WNOHANG
            return os.waitid(os.P_PID, self.pid, options) is None
        except ChildProcessError:
            return False

    def _wait_for(self, options: int) -> Any:
        if (pidfd := self._known()) is not None:
            try:
                return os.waitid(os.P_PIDFD, pidfd, options)
            except OSError as error:
                if error.errno != errno.EINVAL:  # Linux 5.3 has such descriptors, and no such wait
                    raise
        return os.waitid(os.P_PID, self.pid, options)


def _descriptor_of(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in _NO_PIDFDS:
            return None
        raise


def _told_of(pidfd: int) -> str:
    """What the kernel tells about a descriptor; "" where nobody asks it."""
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as told:
            return told.read()
    except OSError:
        return ""
