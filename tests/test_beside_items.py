"""What others do while an item is watched is not blamed on the item."""

import os
import signal
import socket
import subprocess
import sys
import warnings

import pytest
from conftest import another_thread

from amorsize._engine.data.output_order import Printed
from amorsize._host.signals import no_interrupts
from amorsize._watching import Around, descriptors, process_state
from amorsize._watching import snapshot as around_module


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """On a busy host each look may take longer than it is allowed to."""
    monkeypatch.setattr(around_module, "BUDGET_S", 1.0)


def changed(around):
    return [finding.why for finding in around.end()]


# -- what amorsize does itself --------------------------------------------------------------


def test_the_program_has_its_streams_while_the_caller_holds_its_output():
    """A thread of the call may begin an item before the caller's own ends, or the other way."""
    printed, before = Printed(), sys.stdout
    printed.hold(3)
    try:
        assert sys.stdout is before
        ends_within, still_held = Around.begin(parts=["process"]), Around.begin(parts=["process"])
        assert changed(still_held) == []
    finally:
        printed.let_go()
    assert changed(ends_within) == []

    begins_within = Around.begin(parts=["process"])
    printed.hold(4)
    try:
        assert changed(begins_within) == []
    finally:
        printed.let_go()


def test_a_stream_of_an_items_own_is_found_beside_held_output(monkeypatch, tmp_path):
    """It takes the place of the caller's stand-in as it would that of the program's stream."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    printed = Printed()
    printed.hold(3)
    try:
        around = Around.begin(parts=["process"])
        with (tmp_path / "out").open("w") as sys.stdout:
            assert "standard streams" in changed(around)[0]
    finally:
        printed.let_go()


@pytest.fixture
def handled():
    """SIGUSR2 has a handler."""
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    yield
    signal.signal(signal.SIGUSR2, before)


def test_handlers_that_amorsize_holds_back_are_still_the_programs(handled):
    """The caller starts a second thread, or ends a worker, while the first runs a watched item."""
    with another_thread():
        ends_within = Around.begin(parts=["process"])
        with no_interrupts():
            assert changed(ends_within) == []
            begins_within = Around.begin(parts=["process"])
        assert changed(begins_within) == []

        around = Around.begin(parts=["process"])
        with no_interrupts():
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            assert changed(around) == ["an item changed a signal handler"]


# -- what time does by itself ---------------------------------------------------------------


@pytest.fixture
def clocks(monkeypatch):
    """Clocks and timers that stand still until they are moved."""

    class Clocks:
        wall_s = cpu_s = 100.0
        timers: dict[int, tuple[float, float]] = {}  # noqa: RUF012

        def getitimer(self, which):
            return self.timers.get(which, (0.0, 0.0))

    found = Clocks()
    monkeypatch.setattr(process_state, "monotonic", lambda: found.wall_s)
    monkeypatch.setattr(process_state, "process_time", lambda: found.cpu_s)
    monkeypatch.setattr(process_state._signal, "getitimer", found.getitimer)
    return found


WALL, CPU = signal.ITIMER_REAL, signal.ITIMER_PROF
STANDS = {  # a timer before and after an item; whether the item has set it
    "it runs": (WALL, (30.0, 0.0), (25.0, 0.0), False),
    "it has rung": (WALL, (3.0, 0.0), (0.0, 0.0), False),
    "it has rung and begun again": (WALL, (0.25, 1.0), (0.5, 1.0), False),
    "it was put off": (WALL, (30.0, 0.0), (30.0, 0.0), True),
    "it was set": (WALL, (0.0, 0.0), (30.0, 0.0), True),
    "it was ended": (WALL, (30.0, 0.0), (0.0, 0.0), True),
    "it rings more often": (WALL, (30.0, 5.0), (25.0, 1.0), True),
    "it counts what is computed": (CPU, (30.0, 0.0), (29.5, 0.0), False),
    "it has not counted yet": (CPU, (30.0, 0.0), (30.0, 0.0), False),
    "a timer of CPU time was set to less": (CPU, (30.0, 0.0), (20.0, 0.0), True),
    "a timer of CPU time was put off": (CPU, (30.0, 0.0), (90.0, 0.0), True),
}


@pytest.mark.parametrize("how", STANDS)
def test_a_timer_goes_on_by_itself(clocks, how):
    """An item of 5 s, in which the process computes for half a second."""
    which, before, after, is_set = STANDS[how]
    clocks.timers = {which: before}
    around = Around.begin(parts=["process"])
    clocks.wall_s, clocks.cpu_s = clocks.wall_s + 5.0, clocks.cpu_s + 0.5
    clocks.timers = {which: after}

    assert bool(changed(around)) is is_set


def test_others_may_have_the_core_between_the_clock_and_the_timer(clocks, monkeypatch):
    """For longer than a timer may differ."""
    clocks.timers, begun_s = {WALL: (30.0, 0.0)}, clocks.wall_s
    around = Around.begin(parts=["process"])

    def late(which):
        clocks.wall_s += 2.0
        return (30.0 - (clocks.wall_s - begun_s), 0.0) if which == WALL else (0.0, 0.0)

    monkeypatch.setattr(process_state._signal, "getitimer", late)

    assert changed(around) == []


# -- what other threads of the program do ---------------------------------------------------


@pytest.mark.parametrize("fails_first", [True, False])
def test_a_look_that_fails_beside_a_change_is_told_as_no_change(monkeypatch, fails_first):
    """Another thread adds to what is being read: that was not seen, whichever look it was."""

    class Environ(dict):
        """Fails in one of two looks, as a dict does that grows while it is read."""

        n_looks = 0

        def __iter__(self):
            self.n_looks += 1
            if (self.n_looks == 1) is fails_first:
                raise RuntimeError("dictionary changed size during iteration")
            return super().__iter__()

    monkeypatch.setattr(process_state.os, "environ", Environ(os.environ))
    around = Around.begin(parts=["process"])

    assert changed(around) == []
    assert any(one.startswith("os.environ (RuntimeError") for one in around.cut)


def test_what_the_system_refuses_to_tell_is_a_change(tmp_path, monkeypatch):
    """An item has removed the current folder."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    around = Around.begin(parts=["process"])
    gone.rmdir()

    assert changed(around) == ["an item changed the current folder"]


@pytest.mark.parametrize("module", [os, subprocess, socket])
def test_what_was_warned_of_in_a_module_is_no_change_of_it(module, monkeypatch):
    """Python notes it there: that a file was not closed, for one, whoever runs when it is found."""
    monkeypatch.setattr(module, "__warningregistry__", {}, raising=False)
    monkeypatch.delattr(module, "__warningregistry__")
    around = Around.begin(parts=["process"])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn_explicit(
            "left open",
            ResourceWarning,
            module.__file__,
            1,
            registry=vars(module).setdefault("__warningregistry__", {}),
        )

    assert len(seen) == 1
    assert changed(around) == []


def test_a_connection_that_never_stands_still_is_told_as_not_seen(monkeypatch):
    """Something comes in during each try to read how far it is."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        around = Around.begin([client], parts=["descriptor"])
        n_waiting = iter(range(1000))
        monkeypatch.setattr(descriptors, "_waiting", lambda _: (next(n_waiting), 0))

        assert changed(around) == []
        assert any("did not tell" in one for one in around.cut)
