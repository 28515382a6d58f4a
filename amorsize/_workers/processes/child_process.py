"""A child process, identified by a pidfd: its process id may be reused.

The id of a process is free as soon as it is reaped. The program may reap our children itself, by
ignoring SIGCHLD or by waiting for all of its children. So no signal is sent to the id alone, and
nobody waits for it.
"""

from __future__ import annotations

import errno
import select

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler, signals
from amorsize._host.unpatched import kernel, perf_counter, sleep
from amorsize._workers import subprocess_time
from amorsize._workers.messages.pipe_ends import StandardNumbersTaken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The same on every POSIX system; importing `signal` takes 5 ms.
SIGKILL = 9
#: The number in Linux, the only system where stopped processes are looked for.
SIGCONT = 18
#: Errors of an old kernel or a sandbox, which has no pidfds.
_NO_PIDFDS = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
#: Seconds between two looks for the end of a process without a pidfd.
_POLL_S = 1e-3


class Child:
    """One child process, from its start until it is reaped.

    Raises:
        OSError: No descriptor is left for it; the process was killed.
    """

    __slots__ = ("_is", "pid", "pidfd")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd: int | None = None  # None: the system has none
        self._is: object = None
        try:
            self.pidfd = _descriptor_of(pid)
            self._is = None if self.pidfd is None else kernel.fstat(self.pidfd)[:3]
        except OSError:
            self.kill()
            self.collect()
            raise

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send(SIGKILL)

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended.

        Raises:
            PermissionError: This process has dropped the right to.
        """
        try:
            if (pidfd := self._known_for_sure()) is not None:
                signals().pidfd_send_signal(pidfd, number)
            elif self._is_there():
                kernel.kill(self.pid, number)
        except ProcessLookupError:
            return  # it has ended

    @property
    def is_known(self) -> bool:
        """Whether its descriptor is still its own, or the system has none."""
        return self.pidfd is None or self._known() is not None

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped by SIGSTOP or a terminal, not by a debugger."""
        try:
            return self._wait_for(kernel.WSTOPPED | kernel.WNOHANG | kernel.WNOWAIT) is not None
        except (ChildProcessError, AttributeError):
            return False

    def ended_by(self, deadline: float) -> bool:
        """Wait for its end; False: the deadline came first."""
        if (pidfd := self._known()) is not None:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            return bool(poll.poll(max(0.0, deadline - perf_counter()) * 1000))
        while self._is_there():
            if perf_counter() >= deadline:
                return False
            sleep(_POLL_S)
        return True

    def reap(self) -> Any:
        """Wait for its end; gives what the system tells of it, or None: somebody else has asked."""
        before_s = subprocess_time.cpu_s()
        try:
            found = self._wait_for(kernel.WEXITED)
        except ChildProcessError:
            return None
        subprocess_time.leave_out(subprocess_time.cpu_s() - before_s)
        return found

    def collect(self) -> int | None:
        """Reap it; gives its exit code, or minus the signal that ended it; None: unknown."""
        if (found := self.reap()) is None:
            return None
        status: int = found.si_status
        return status if found.si_code == kernel.CLD_EXITED else -status

    def close(self) -> None:
        """Close the descriptor."""
        if (pidfd := self._known()) is not None:
            kernel.close(pidfd)
        self.pidfd = None

    def _known(self) -> int | None:
        """The pidfd, unless an item has closed it and perhaps reused its number.

        Takes a microsecond.
        """
        try:
            found = None if self.pidfd is None else kernel.fstat(self.pidfd)[:3]
        except OSError as error:
            reraise_from_handler(error)
            found = None
        return self.pidfd if found == self._is else None

    def _known_for_sure(self) -> int | None:
        """The same, also distinguished from the pidfd of another process."""
        if (pidfd := self._known()) is None:
            return None
        told = _told_of(pidfd)
        tells_another = "\nPid:" in told and f"\nPid:\t{self.pid}\n" not in told
        if tells_another and "\nPid:\t-1\n" in told:
            raise ProcessLookupError  # somebody has reaped it
        return None if tells_another else pidfd

    def _is_there(self) -> bool:
        """Whether a child with this id runs. The id is not reused before the child is reaped."""
        try:
            options = kernel.WEXITED | kernel.WNOWAIT | kernel.WNOHANG
            return kernel.waitid(kernel.P_PID, self.pid, options) is None
        except ChildProcessError:
            return False

    def _wait_for(self, options: int) -> Any:
        if (pidfd := self._known()) is not None:
            try:
                return kernel.waitid(kernel.P_PIDFD, pidfd, options)
            except OSError as error:
                reraise_from_handler(error)
                if error.errno != errno.EINVAL:  # Linux 5.3 has pidfds but cannot wait for them
                    raise
        return kernel.waitid(kernel.P_PID, self.pid, options)


def how_it_ended(code: int | None) -> str:
    """What `Child.collect` gives, in words."""
    if code is None:
        return "unknown: someone else collected its exit status"
    if code >= 0:
        return f"exit code {code}"
    import signal

    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:  # most real-time signals have no name
        return f"signal {-code}"


def _descriptor_of(pid: int) -> int | None:
    if not hasattr(kernel, "pidfd_open"):
        return None
    try:
        with StandardNumbersTaken():
            return kernel.pidfd_open(pid)
    except OSError as error:
        if error.errno in _NO_PIDFDS:
            return None
        raise


def _told_of(pidfd: int) -> str:
    """What the kernel tells about a descriptor; "": nothing."""
    return procfs.read(f"/proc/self/fdinfo/{pidfd}")
