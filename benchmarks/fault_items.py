"""The items of `benchmarks.faults`: one of a hundred does what no item should.

Every function gives back twice its item, so that what the loop would have given is known. Before
an item does harm it writes down that it is about to: `AMORSIZE_FAULTS` names the folder for that.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

BAD = 37
WORK_S = 2e-3
BIG_BYTES = 50_000_000
#: Of what a huge item or result takes: 1 GiB, or less in the tests, which take a second for each.
HUGE_BYTES = int(os.environ.get("AMORSIZE_FAULTS_HUGE_BYTES", 1 << 30))


def _folder() -> Path:
    return Path(os.environ["AMORSIZE_FAULTS"])


def witness(what: str) -> None:
    """Write down what is about to happen, and in which process."""
    path = os.fspath(_folder() / "evidence")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{os.getpid()} {what}\n".encode())
    os.close(descriptor)


def _first(name: str = "once") -> bool:
    """Whether nobody has asked before, in any process."""
    try:
        os.close(os.open(_folder() / name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _later(action: Any, after_s: float) -> None:
    """Do something from a second thread, while the first goes on."""
    thread = threading.Thread(target=lambda: (time.sleep(after_s), action()), daemon=True)
    thread.start()


def double(x: int) -> int:
    """An item as it should be."""
    time.sleep(WORK_S)
    return 2 * x


def slow_double(x: int) -> int:
    """An item that others have time to hit."""
    if x == BAD and _first("begun"):
        witness("computing")
        time.sleep(0.5)
    return double(x)


# -- processes that end --------------------------------------------------------------------------


def kills_itself(x: int) -> int:
    if x == BAD:
        witness("SIGKILL")
        os.kill(os.getpid(), signal.SIGKILL)
    return double(x)


def kills_itself_once(x: int) -> int:
    return kills_itself(x) if x != BAD or _first() else double(x)


def segfaults(x: int) -> int:
    if x == BAD:
        witness("SIGSEGV")
        ctypes.string_at(0)
    return double(x)


def segfaults_once(x: int) -> int:
    return segfaults(x) if x != BAD or _first() else double(x)


def aborts_once(x: int) -> int:
    if x == BAD and _first():
        witness("SIGABRT")
        os.abort()
    return double(x)


def exits_3(x: int) -> int:
    if x == BAD:
        witness("os._exit(3)")
        os._exit(3)
    return double(x)


def exits_0_once(x: int) -> int:
    if x == BAD and _first():
        witness("os._exit(0)")
        os._exit(0)
    return double(x)


def every_item_kills(x: int) -> int:
    witness("SIGKILL")
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def last_item_kills_once(x: int) -> int:
    if x == 99 and _first():
        witness("SIGKILL")
        os.kill(os.getpid(), signal.SIGKILL)
    return double(x)


def killed_with_a_child(x: int) -> int:
    """The child holds every pipe of the worker open."""
    if x == BAD and _first():
        child = os.fork()
        if not child:
            time.sleep(5)
            os._exit(0)
        witness(f"SIGKILL, child {child}")
        os.kill(os.getpid(), signal.SIGKILL)
    return double(x)


def forks_a_child(x: int) -> int:
    """The child outlives the item, and the call."""
    if x == BAD and _first():
        child = os.fork()
        if not child:
            time.sleep(3)
            os._exit(0)
        witness(f"child {child}")
    return double(x)


def forks_and_both_return(x: int) -> int:
    """The child goes on as if it were the worker."""
    if x == BAD and _first():
        witness("fork")
        os.fork()
    return double(x)


def killed_while_sending(x: int) -> Any:
    """50 MB are on their way when the process is killed."""
    if x == BAD:
        if _first():
            witness("SIGKILL 30 ms after a result of 50 MB")
            _later(lambda: os.kill(os.getpid(), signal.SIGKILL), 0.03)
        return bytes(BIG_BYTES)
    return double(x)


def stopped_while_sending(x: int) -> Any:
    """50 MB are on their way when the process is stopped."""
    if x == BAD:
        if _first():
            witness("SIGSTOP 30 ms after a result of 50 MB")
            _later(lambda: os.kill(os.getpid(), signal.SIGSTOP), 0.03)
        return bytes(BIG_BYTES)
    return double(x)


def stops_itself(x: int) -> int:
    if x == BAD and _first():
        witness("SIGSTOP")
        os.kill(os.getpid(), signal.SIGSTOP)
    return double(x)


def alarm_ends_it(x: int) -> int:
    """A forgotten alarm clock ends the process in the midst of a later item."""
    if x == BAD and _first():
        witness("SIGALRM in 20 ms")
        signal.setitimer(signal.ITIMER_REAL, 0.02)
    return double(x)


def closes_descriptors(x: int) -> int:
    if x == BAD and _first():
        witness("close(3...256)")
        os.closerange(3, 256)
    return double(x)


# -- items that do not end -----------------------------------------------------------------------


def sleeps_on(x: int) -> int:
    if x == BAD:
        witness("sleeps")
        time.sleep(1000)
    return double(x)


def sleeps_and_ignores_sigterm(x: int) -> int:
    if x == BAD:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        witness("ignores SIGTERM and sleeps")
        while True:
            time.sleep(1000)
    return double(x)


def holds_the_gil(x: int) -> int:
    if x == BAD:
        witness("one call into C that holds the GIL")
        return (10**7) ** (10**7)
    return double(x)


# -- exceptions ----------------------------------------------------------------------------------


class OddConstructor(Exception):  # noqa: N818
    """Takes two arguments and shows its base one."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} number {number}")
        self.number = number


class CarriesLock(Exception):  # noqa: N818
    """Holds what cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class BreaksWhenRebuilt(Exception):  # noqa: N818
    """Pickles well and cannot be read back."""

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise RuntimeError("will not be rebuilt")


class Mute(Exception):  # noqa: N818
    """Neither str() nor repr() work."""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Frozen(Exception):  # noqa: N818
    """Takes no new attribute, as a frozen dataclass does."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign {name}")


def _raising(error: Any) -> Any:
    witness(f"raises {type(error).__name__}")
    raise error


def raises_value_error(x: int) -> int:
    return double(x) if x != BAD else _raising(ValueError("bad item"))


def raises_odd(x: int) -> int:
    return double(x) if x != BAD else _raising(OddConstructor("bad item", 5))


def raises_lock(x: int) -> int:
    return double(x) if x != BAD else _raising(CarriesLock("bad item"))


def raises_unreadable(x: int) -> int:
    return double(x) if x != BAD else _raising(BreaksWhenRebuilt("bad item"))


def raises_mute(x: int) -> int:
    return double(x) if x != BAD else _raising(Mute())


def raises_frozen(x: int) -> int:
    return double(x) if x != BAD else _raising(Frozen("bad item"))


def raises_local(x: int) -> int:
    class Local(Exception):  # noqa: N818
        """Known in this function alone."""

    return double(x) if x != BAD else _raising(Local("bad item"))


def raises_system_exit(x: int) -> int:
    return double(x) if x != BAD else _raising(SystemExit(5))


def raises_keyboard_interrupt(x: int) -> int:
    return double(x) if x != BAD else _raising(KeyboardInterrupt("from an item"))


def raises_generator_exit(x: int) -> int:
    return double(x) if x != BAD else _raising(GeneratorExit("from an item"))


def raises_stop_iteration(x: int) -> int:
    return double(x) if x != BAD else _raising(StopIteration("from an item"))


def raises_memory_error(x: int) -> int:
    if x == BAD:
        witness("raises MemoryError")
        bytearray(1 << 60)
    return double(x)


def _deeper(x: int) -> int:
    return _deeper(x + 1) + 1


def raises_recursion_error(x: int) -> int:
    if x == BAD:
        witness("raises RecursionError")
        return _deeper(x)
    return double(x)


def raises_group(x: int) -> int:
    if x == BAD:
        return _raising(ExceptionGroup("two", [ValueError("one"), TypeError("other")]))
    return double(x)


def raises_long_message(x: int) -> int:
    return double(x) if x != BAD else _raising(ValueError("long " * 4_000_000))


# -- results -------------------------------------------------------------------------------------


class Unreadable:
    """Pickles well and cannot be read back."""

    def __reduce__(self) -> Any:
        return _refuse, ()


class RefusesToPickle:
    """Its pickling raises."""

    def __reduce__(self) -> Any:
        raise RuntimeError("will not be pickled")


def gives_a_lock(x: int) -> Any:
    if x == BAD:
        witness("gives a lock")
        return threading.Lock()
    return double(x)


def gives_what_raises_when_pickled(x: int) -> Any:
    if x == BAD:
        witness("gives what raises")
        return RefusesToPickle()
    return double(x)


def gives_unreadable(x: int) -> Any:
    if x == BAD:
        witness("gives what cannot be read back")
        return Unreadable()
    return double(x)


def gives_1_gib(x: int) -> Any:
    if x == BAD:
        witness("gives 1 GiB")
        return bytes(HUGE_BYTES)
    return double(x)


def gives_200_mb(x: int) -> Any:
    if x == BAD:
        witness("gives 200 MB")
        return bytes(4 * BIG_BYTES)
    return double(x)


# -- items and data ------------------------------------------------------------------------------


def double_of_what_is_no_lock(x: Any) -> Any:
    return double(x) if isinstance(x, int) else double(BAD)


def data_with_a_lock() -> list[Any]:
    """Item 37 cannot be pickled."""
    witness("data with a lock")
    return [threading.Lock() if x == BAD else x for x in range(100)]


class Trap:
    """An item that kills the process which rebuilds it, each time or once."""

    def __init__(self, is_once: bool) -> None:
        self.is_once, self.home = is_once, os.getpid()

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        if os.getpid() != self.home and (not self.is_once or _first()):
            witness("SIGKILL while it is rebuilt")
            os.kill(os.getpid(), signal.SIGKILL)


def data_with_a_trap() -> Any:
    """Item 37 kills whoever rebuilds it."""
    return iter([Trap(is_once=False) if x == BAD else x for x in range(100)])


def data_with_a_trap_once() -> Any:
    """The same, the first time only.

    So many that whoever is left has not done them all before the other, starved of a core, has
    read its item and ended: another is to take its place.
    """
    return iter([Trap(is_once=True) if x == BAD else x for x in range(400)])


def data_with_1_gib() -> Any:
    """Item 37 takes 1 GiB."""
    witness("an item of 1 GiB")
    return (bytes(HUGE_BYTES) if x == BAD else x for x in range(100))


def length_or_double(x: Any) -> Any:
    return double(x) if isinstance(x, int) else len(x)


def data_that_breaks() -> Any:
    """A generator that raises instead of giving item 37."""
    yield from range(BAD)
    witness("data raises")
    raise ConnectionError("lost the source")


def endless() -> Any:
    """Data without an end."""
    x = 0
    while True:
        yield x
        x += 1
        if x == 10_000:
            witness("10 000 items were read")
        if x > 10_000_000:
            raise RuntimeError("read without an end")


def wait_for_the_hit() -> None:
    """Take no more results until the workers were idle and one was hit."""
    witness("idle")
    until_s = time.monotonic() + 5
    while not (_folder() / "hit").exists() and time.monotonic() < until_s:
        time.sleep(0.01)


# -- what else items do --------------------------------------------------------------------------


def prints_much(x: int) -> int:
    if x == BAD:
        witness("prints 10 MB")
        print("0123456789" * 1_000_000)
    return double(x)


def closes_the_standard_streams(x: int) -> int:
    if x == BAD:
        witness("closes stdin, stdout and stderr")
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.close()
    return double(x)


def leaves_a_thread(x: int) -> int:
    """A thread that is no daemon: an interpreter waits for it before it ends."""
    if x == BAD and _first():
        witness("thread for 1000 s")
        threading.Thread(target=time.sleep, args=(1000,)).start()
    return double(x)


def registers_slow_exit(x: int) -> int:
    """What an interpreter runs before it ends, and never comes back from."""
    import atexit

    if x == BAD:
        witness("atexit for 1000 s")
        atexit.register(time.sleep, 1000)
    return double(x)


def maps_inside(x: int) -> int:
    """An item that shares out work of its own."""
    if x == BAD:
        witness("Pool in an item")
        from multiprocessing import Pool

        with Pool(2) as inner:
            return sum(inner.map(abs, [x, x]))
    return double(x)


def changes_folder(x: int) -> int:
    if x == BAD:
        witness("chdir")
        os.chdir("/")
    return double(x)


# -- surroundings --------------------------------------------------------------------------------


def dies_when_set_up_once() -> None:
    """An initialiser that ends its process, the first time only."""
    if _first():
        witness("SIGKILL in its initialiser")
        os.kill(os.getpid(), signal.SIGKILL)


def dies_when_set_up() -> None:
    """An initialiser that ends its process every time."""
    witness("SIGKILL in its initialiser")
    os.kill(os.getpid(), signal.SIGKILL)


def raises_when_set_up() -> None:
    """An initialiser that does not work."""
    witness("initialiser raises")
    raise RuntimeError("no model here")


class HoldsLock:
    """A callable that cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, x: int) -> int:
        return double(x)


def as_lambda(function: Any, _: Any) -> Any:
    """A function without a name to import."""
    witness("lambda")
    return lambda x: function(x)


def as_locked(_: Any, __: Any) -> Any:
    """A function that cannot be pickled."""
    witness("function with a lock")
    return HoldsLock()


def as_locked_beside_a_thread(function: Any, mapped: Any) -> Any:
    """The same, in a process that may not fork."""
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    return as_locked(function, mapped)


def map_then_fork(function: Any, mapped: Any) -> None:
    """Use the library, then go on in a forked child, which tells its own outcome."""
    list(mapped(function, list(range(10))))
    witness("fork")
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status))


def limit_descriptors(_: Any, __: Any) -> None:
    """Leave six more descriptors than are open."""
    import resource

    witness("RLIMIT_NOFILE")
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 6, lowest_free + 6))


def computes_long(x: int) -> int:
    """An item that computes until long after its caller is gone, and looks at nothing else."""
    if x == BAD:
        witness("computing")
        until_s = time.monotonic() + 15
        while time.monotonic() < until_s:
            pass
    return double(x)


def is_big(result: Any) -> bool:
    """The result of the bad item, where it sends 50 MB or more."""
    return type(result) is bytes and len(result) >= BIG_BYTES and not any(result[:1000])


def is_1_gib(result: Any) -> bool:
    """The length of the bad item, where it is 1 GiB."""
    return bool(result == HUGE_BYTES)


def is_odd(result: Any) -> bool:
    """The result of the bad item, where it is one that cannot travel."""
    return isinstance(result, Unreadable | RefusesToPickle | type(threading.Lock()))
