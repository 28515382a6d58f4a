"""`setup=` makes a worker ready: it never changes the program, unless that is the only worker."""

import logging
import os
import signal
import sys

import pytest

from amorsize import autotune, tuned_map
from amorsize._workers import nesting

PID = os.getpid()
READY_IN: list[int] = []


def be_quiet_and_nice():
    """What initializers of workers do to the process they run in."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.nice(1)
    os.environ["DEVICE"] = "0"
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as people do it


def note_process():
    """Remember where it ran."""
    READY_IN.append(os.getpid())


def forget_process():
    """Undo what `note_process` did."""
    READY_IN.remove(os.getpid())


def where_ready(_):
    """The process of an item, and where setup has run by then."""
    return os.getpid(), list(READY_IN)


@pytest.fixture(autouse=True)
def not_ready():
    """Every test begins without a setup."""
    READY_IN.clear()


@pytest.fixture(params=["fork", "clean"])
def start(request, monkeypatch):
    """Both ways to start workers."""
    monkeypatch.setenv("AMORSIZE_START", request.param)
    return request.param


class TestWhere:
    """Items of a call with hooks run in workers alone, except where the caller is the worker."""

    @pytest.mark.parametrize("n_items", [1, 3, 200])
    def test_auto_leaves_the_program_as_it_was(self, start, n_items):
        """However few items there are, none runs in the process that setup must not change."""
        assert start
        before = signal.getsignal(signal.SIGUSR1), os.nice(0), sys.stdout, "DEVICE" in os.environ

        pids = tuned_map(lambda _: os.getpid(), range(n_items), setup=be_quiet_and_nice)

        after = signal.getsignal(signal.SIGUSR1), os.nice(0), sys.stdout, "DEVICE" in os.environ
        assert after == before
        assert os.getpid() not in pids

    def test_a_stream_does_neither(self, start):
        """A stream hands its items to workers from the first one on."""
        assert start

        @autotune(setup=note_process)
        def work(x):
            return os.getpid(), x

        found = list(work.stream(iter(range(40))))

        assert [x for _, x in found] == list(range(40))
        assert os.getpid() not in {pid for pid, _ in found}
        assert READY_IN == []

    def test_teardown_alone_counts_as_well(self, start):
        """A process that nobody has set up is not torn down either."""
        assert start
        closed = []

        pids = tuned_map(lambda _: os.getpid(), range(5), teardown=lambda: closed.append(1))

        assert os.getpid() not in pids
        assert not closed

    @pytest.mark.parametrize("options", [{"backend": "serial"}, {"n_jobs": 1}])
    def test_the_only_worker_is_the_caller(self, options):
        """Where the caller was asked to run all items it is set up once and torn down after."""
        found = tuned_map(
            where_ready, range(4), setup=note_process, teardown=forget_process, **options
        )

        assert found == [(PID, [PID])] * 4
        assert READY_IN == []

    def test_the_environment_makes_it_the_caller_too(self, monkeypatch):
        """AMORSIZE_BACKEND=serial runs the hooks where the items are."""
        monkeypatch.setenv("AMORSIZE_BACKEND", "serial")

        found = tuned_map(where_ready, range(4), setup=note_process, teardown=forget_process)

        assert found == [(PID, [PID])] * 4
        assert READY_IN == []

    def test_inside_an_item_it_is_that_items_process(self):
        """A map of a map has no workers of its own."""
        nesting.enter()
        try:
            found = tuned_map(where_ready, range(3), setup=note_process, teardown=forget_process)
        finally:
            nesting.leave()

        assert found == [(PID, [PID])] * 3

    def test_what_it_raises_in_a_worker_ends_the_call(self, start):
        """Workers without a licence are no reason to go on in the program."""
        assert start

        def setup():
            if os.getpid() != PID:
                raise RuntimeError("no licence left")

        with pytest.raises(RuntimeError, match="no licence left"):
            tuned_map(lambda x: x, range(8), setup=setup)


class TestLogging:
    """Handlers that a worker adds run there; those of the caller run in the caller."""

    def test_each_item_logs_into_its_own_file(self, start, tmp_path, caplog):
        """A handler added for one item gets that item's records, and the caller's gets them too."""
        assert start

        def job(k):
            log = logging.getLogger("pipeline.of.items")
            handler = logging.FileHandler(tmp_path / f"{k}.log")
            log.addHandler(handler)
            try:
                log.warning("did %d", k)
            finally:
                log.removeHandler(handler)
                handler.close()

        tuned_map(job, range(6), backend="process", n_jobs=2)

        assert [(tmp_path / f"{k}.log").read_text() for k in range(6)] == [
            f"did {k}\n" for k in range(6)
        ]
        assert sorted(record.getMessage() for record in caplog.records) == [
            f"did {k}" for k in range(6)
        ]

    def test_setup_gives_each_worker_a_file(self, start, tmp_path, capfd):
        """Nothing is told as if nobody had handled it."""
        assert start

        def setup():
            log = logging.getLogger("pipeline.of.workers")
            log.propagate = False
            log.addHandler(logging.FileHandler(tmp_path / f"{os.getpid()}.log"))

        def job(k):
            logging.getLogger("pipeline.of.workers").warning("did %d", k)

        logging.getLogger("pipeline.of.workers").propagate = False
        tuned_map(job, range(20), setup=setup)

        lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
        assert sorted(lines) == sorted(f"did {k}" for k in range(20))
        assert "did" not in capfd.readouterr().err

    def test_a_level_of_the_handler_holds(self, start, tmp_path):
        """As anywhere, a handler takes no record below its own level."""
        assert start

        def job(k):
            log = logging.getLogger("levels")
            handler = logging.FileHandler(tmp_path / f"{k}.log")
            handler.setLevel(logging.ERROR)
            log.addHandler(handler)
            log.warning("small")
            log.error("large")
            handler.close()
            log.removeHandler(handler)

        tuned_map(job, range(2), backend="process", n_jobs=1)

        assert (tmp_path / "0.log").read_text() == "large\n"

    def test_a_handler_of_the_caller_runs_once(self, start, run_script):
        """One that was there before the workers is not run in them as well."""
        printed = run_script(
            """
import logging, sys
from amorsize import tuned_map

logging.basicConfig(stream=sys.stdout, format="%(message)s")

def job(k):
    logging.getLogger("app").warning("item %d", k)

if __name__ == "__main__":
    tuned_map(job, range(3), backend="process", n_jobs=1)
""",
            environ={"AMORSIZE_START": start},
        ).stdout
        assert printed.split("\n") == ["item 0", "item 1", "item 2", ""]
