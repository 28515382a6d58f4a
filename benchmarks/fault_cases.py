"""The cases of `benchmarks.faults`, and one contender on one case: the whole life of a process."""

import json
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import fault_items as items
from benchmarks import fault_partners as partners
from benchmarks import fault_programs as programs
from benchmarks import fault_shortages as around

LIMIT_S = 1.0  # for an item, where a case has a limit and the contender can keep one
ALL_LIMIT_S = 5.0  # for the whole map, where that is what a contender can limit
N_ITEMS = 100
N_WORKERS = 2
NO_SUCH_THING = "not offered"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: how it is brought about, and what amorsize must make of it."""

    name: str
    what: str
    function: Any
    wants: str = "result"  # amorsize's outcome, without ` naming the item`
    options: dict[str, Any] = field(default_factory=dict)  # for amorsize
    outside: str = ""  # what is done from another process: see `faults.HARMS`
    data: Callable[[], Any] | None = None  # a list of `n_items` numbers if not said otherwise
    has_limit: bool = False  # an item may take `LIMIT_S`
    setup: Any = None  # called in each worker before its first item
    before: Any = None  # called in the caller before the map
    streams: bool = False  # only the first 100 results are asked for
    pauses: bool = False  # results are taken one by one, the 51st once a process has been hit
    takes: Callable[[Any], list[Any]] | None = None  # how lazily given results are taken
    remembers: bool = False  # only of those that learn
    first: str = ""  # the program's first line
    n_items: int = N_ITEMS
    is_bad_items: bool = True  # an error is the bad item's, so it should be named
    bad_result: Callable[[Any], bool] = lambda result: result == 2 * items.BAD


DIED, LATE = "WorkerDied", "ItemTimeout"
AUTO: dict[str, Any] = {"backend": "auto"}
UNTOLD: dict[str, Any] = {"backend": "auto", "n_jobs": None, "thread_safe": True}
CASES = [
    # processes that end
    Case("sigkill", "an item is killed (SIGKILL) each time it runs", items.kills_itself, DIED),
    Case("sigkill-once", "an item is killed (SIGKILL) once", items.kills_itself_once),
    Case("segfault", "an item crashes (SIGSEGV) each time", items.segfaults, DIED),
    Case("segfault-once", "an item crashes (SIGSEGV) once", items.segfaults_once),
    Case("abort-once", "an item aborts (SIGABRT) once", items.aborts_once),
    Case("exit-3", "an item calls `os._exit(3)` each time", items.exits_3, DIED),
    Case("exit-0-once", "an item calls `os._exit(0)` once", items.exits_0_once),
    Case("last-once", "the last item is killed once", items.last_item_kills_once),
    Case("all", "every item is killed", items.every_item_kills, DIED, is_bad_items=False),
    Case("no-retry", "an item is killed; nothing may run twice", items.kills_itself, DIED,
         {"retries": 0}),
    Case("alarm", "a forgotten alarm ends the process in a later item", items.alarm_ends_it),
    Case("child-pipe", "an item forks, then is killed: the child holds the pipes",
         items.killed_with_a_child),
    Case("child-lives", "an item forks a child that outlives the map", items.forks_a_child),
    Case("fork-returns", "an item forks and both return", items.forks_and_both_return),
    Case("killed-sending", "a worker is killed while it sends a result of 50 MB",
         items.killed_while_sending, bad_result=items.is_big),
    Case("killed-reading", "a worker is killed each time it rebuilds an item",
         items.double_of_what_is_no_lock, DIED, data=items.data_with_a_trap),
    Case("killed-reading-once", "a worker is killed once while it rebuilds an item",
         items.double_of_what_is_no_lock, data=items.data_with_a_trap_once, n_items=400),
    Case("killed-computing", "a worker is killed from outside while it computes", items.slow_double,
         outside="kill computing"),
    Case("term-computing", "a worker gets SIGTERM from outside while it computes",
         items.slow_double, outside="terminate computing"),
    Case("killed-idle", "a worker is killed from outside while it waits for items", items.double,
         outside="kill idle", pauses=True, n_items=1000),
    Case("killed-often", "a random worker is killed every 50 ms", items.double,
         options={"retries": 50}, outside="kill often", n_items=1000),
    Case("setup-dies-once", "a worker is killed once during its setup", items.double,
         setup=items.dies_when_set_up_once),
    Case("setup-dies", "every worker is killed during its setup", items.double,
         "WorkersUnavailable", setup=items.dies_when_set_up, is_bad_items=False),
    Case("setup-raises", "the setup of workers raises", items.double, "RuntimeError",
         setup=items.raises_when_set_up, is_bad_items=False),
    # processes that stop
    Case("stops-itself", "an item stops its process (SIGSTOP)", items.stops_itself,
         outside="see it stop"),
    Case("stopped-computing", "a worker is stopped from outside while it computes",
         items.slow_double, outside="stop computing"),
    Case("stopped-idle", "a worker is stopped from outside while it waits for items", items.double,
         outside="stop idle", pauses=True, n_items=1000),
    Case("stopped-sending", "a worker is stopped while it sends a result of 50 MB",
         items.stopped_while_sending, outside="see it stop", bad_result=items.is_big),
    # items that do not end
    Case("sleeps", "an item sleeps forever; the time limit is 1 s", items.sleeps_on, LATE,
         has_limit=True),
    Case("sleeps-no-term", "an item ignores SIGTERM and sleeps forever; the time limit is 1 s",
         items.sleeps_and_ignores_sigterm, LATE, has_limit=True),
    Case("holds-gil", "an item computes forever in C with the GIL; the time limit is 1 s",
         items.holds_the_gil, LATE, has_limit=True),
    # exceptions
    Case("value-error", "an item raises", items.raises_value_error, "ValueError"),
    Case("odd-error", "an exception with a custom constructor", items.raises_odd,
         "OddConstructor"),
    Case("lock-error", "an exception that holds a lock", items.raises_lock, "RemoteError"),
    Case("unreadable-error", "an exception that cannot be rebuilt", items.raises_unreadable,
         "RemoteError|BreaksWhenRebuilt"),
    Case("mute-error", "an exception whose `str` and `repr` raise", items.raises_mute, "Mute"),
    Case("frozen-error", "an exception that takes no attributes", items.raises_frozen, "Frozen"),
    Case("local-error", "an exception of a class local to the function", items.raises_local,
         "RemoteError|Local"),
    Case("long-error", "an exception with a message of 20 MB", items.raises_long_message,
         "ValueError"),
    Case("group", "an exception group", items.raises_group, "ExceptionGroup"),
    Case("system-exit", "`SystemExit`", items.raises_system_exit, "SystemExit"),
    Case("keyboard", "`KeyboardInterrupt` raised by an item", items.raises_keyboard_interrupt,
         "KeyboardInterrupt"),
    Case("generator-exit", "`GeneratorExit`", items.raises_generator_exit, "GeneratorExit"),
    Case("stop-iteration", "`StopIteration`", items.raises_stop_iteration, "StopIteration"),
    Case("memory-error", "`MemoryError`", items.raises_memory_error, "MemoryError"),
    Case("recursion", "`RecursionError`", items.raises_recursion_error, "RecursionError"),
    # results, items, functions
    Case("lock-result", "a result that cannot be pickled", items.gives_a_lock,
         "SerializationError", bad_result=items.is_odd),
    # Items write a file here: one that is run again would do so twice.
    Case("lock-result-auto", 'the same result with `backend="auto"`', items.gives_a_lock,
         "SerializationError", options=AUTO, bad_result=items.is_odd),
    Case("raising-result", "a result whose pickling raises",
         items.gives_what_raises_when_pickled, "SerializationError", bad_result=items.is_odd),
    Case("unreadable-result", "a result that cannot be rebuilt", items.gives_unreadable,
         "SerializationError", bad_result=items.is_odd),
    Case("big-result", "a result of 200 MB", items.gives_200_mb, bad_result=items.is_big),
    Case("huge-result", "a result of 1 GiB", items.gives_1_gib, bad_result=items.is_big),
    Case("huge-item", "an item of 1 GiB, from a generator", items.length_or_double,
         data=items.data_with_1_gib, bad_result=items.is_1_gib),
    Case("lock-item", "an item that cannot be pickled", items.double_of_what_is_no_lock,
         data=items.data_with_a_lock),
    Case("lock-item-stream", "the same item from a generator",
         items.double_of_what_is_no_lock, "SerializationError",
         data=lambda: iter(items.data_with_a_lock())),
    Case("lock-item-auto", 'the same item with `backend="auto"`', items.double_of_what_is_no_lock,
         options=AUTO, data=lambda: iter(items.data_with_a_lock())),
    Case("data-raises", "the data's iterator raises", items.double, "ConnectionError",
         data=items.data_that_breaks, is_bad_items=False),
    Case("endless", "endless data, of which 100 results are taken", items.double,
         data=items.endless, streams=True),
    Case("lambda", "a lambda", items.double, before=items.as_lambda),
    Case("lock-function", "a function that holds a lock", items.double, before=items.as_locked),
    Case("lock-function-thread", 'the same beside another thread, with `backend="auto"`',
         items.double, options=AUTO, before=items.as_locked_beside_a_thread),
    # what else items do
    Case("prints", "an item prints 10 MB", items.prints_much),
    Case("closes-streams", "an item closes stdin, stdout and stderr",
         items.closes_the_standard_streams),
    Case("closes-all", "an item closes all descriptors that it did not open",
         items.closes_descriptors),
    Case("thread-left", "an item leaves a thread that does not end", items.leaves_a_thread),
    Case("atexit", "an item registers an exit function that does not end",
         items.registers_slow_exit),
    Case("nested", "an item starts a `Pool` of its own", items.maps_inside),
    Case("chdir", "an item changes the current folder", items.changes_folder),
    # the caller
    Case("few-descriptors", "the caller may open only six more descriptors", items.double,
         "result|WorkersUnavailable", before=items.limit_descriptors, is_bad_items=False),
    Case("ctrl-c", "Ctrl-C during an item", items.computes_long, "KeyboardInterrupt",
         outside="interrupt", is_bad_items=False),
    Case("sigterm", "the caller gets SIGTERM during an item", items.computes_long,
         "ends by SIGTERM", outside="terminate caller", is_bad_items=False),
    Case("caller-killed", "the caller is killed during an item", items.computes_long,
         "ends by SIGKILL", outside="kill caller", is_bad_items=False),
    Case("forked-caller", "the caller maps, forks, and its child maps", items.double,
         before=items.map_then_fork),
    # around a map
    Case("own-threads", "items use a client that starts threads", around.asks_its_threads,
         options=AUTO),
    Case("threads-beside", "the consumer of the results uses a client that starts threads",
         items.double, streams=True, takes=around.asks_threads_beside),
    Case("waits-for-all", "an item waits for all child processes", around.waits_for_all_children,
         options=AUTO),
    Case("takes-numbers", "an item closes descriptors and opens others, which get their numbers",
         around.takes_the_numbers),
    Case("deep-result", "a result nested 60 000 lists deep, with a raised recursion limit",
         around.gives_depth, "result|SerializationError", AUTO, before=around.with_more_recursion,
         bad_result=around.is_deep),
    Case("frozen-clock", "the clocks stand still", items.double, before=around.stop_the_clocks),
    Case("all-stopped", "the whole program is stopped for 1.5 s; the time limit is 1 s",
         around.begins_slowly, outside="stop all", has_limit=True),
    Case("no-sigchld", "the system reaps children (SIGCHLD is ignored)", items.double,
         before=around.ignore_children),
    Case("handler-raises", "a signal handler raises during a map",
         around.begins_slowly, "TimeUpError", before=around.limit_by_alarm, is_bad_items=False),
    Case("no-thread", "no thread can be started", items.double, options=AUTO,
         before=around.no_thread_more),
    Case("no-process", 'neither a process nor a thread can be started, with `backend="auto"`',
         items.double, options=AUTO, before=around.no_process_more),
    Case("no-descriptor", "the caller may open no more descriptors", items.double, options=AUTO,
         before=around.no_descriptor_more),
    Case("many-files", "items wait with four open files each; the limit is 80", around.opens_files,
         options=AUTO, before=around.few_for_many),
    Case("setup-raises-second", "the setup of the second worker raises", items.double,
         "RuntimeError", setup=around.raises_when_set_up_second, is_bad_items=False),
    Case("frees", "the arguments of a map are freed when it ends", items.double,
         options=AUTO, before=around.frees_what_it_was_given),
    # a program that does other things
    Case("greenlets", "`gevent.monkey.patch_all()` has replaced threads with greenlets",
         items.double, options=AUTO, before=programs.with_greenlets,
         first="from gevent import monkey; monkey.patch_all()"),
    Case("programs", "items run programs that compute: about as many at once as there are cores",
         programs.runs_a_program, options=UNTOLD),
    Case("learned",
         "a run that has learned something ends by `os._exit`, by SIGTERM or as a child process",
         items.double, options=AUTO, before=programs.learns_and_ends, remembers=True),
    Case("number-taken", "an unrelated process has the ID of a dead worker (SIGCHLD is ignored)",
         programs.killed_with_its_number_free, before=around.ignore_children,
         outside="see its number taken"),
    Case("handler-maps", "a signal handler maps while the first map loads its modules",
         items.double, before=programs.maps_in_a_handler),
    Case("feeds-program",
         "the consumer of the results feeds a program and waits up to 5 s for its end",
         items.double, before=programs.starts_a_program, streams=True,
         takes=programs.feeds_the_program),
    Case("few-clients", "items use a server that accepts 40 clients at once",
         partners.asks_the_server, options=UNTOLD, before=partners.starts_a_server, n_items=600),
    Case("needs-results", "each item depends on the result before it",
         items.double, data=partners.data_that_wait_for_results, streams=True,
         takes=partners.tells_the_data),
    Case("cut-line", "a line of the learned records is cut short", items.double, options=AUTO,
         before=partners.learns_beside_a_cut_line, remembers=True),
    Case("cannot-keep", "the folder for learned records is not writable", items.double,
         options=AUTO, before=partners.cannot_keep_what_it_learns, remembers=True),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


# -- one contender on one case -------------------------------------------------------------------


def main() -> None:
    """Run what the command line names, and leave in its folder what came of it."""
    contender, name, folder = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
    case = BY_NAME[name]
    told: dict[str, Any] = {}
    try:
        results = _mapped(case, CONTENDERS[contender])
        told["outcome"] = _judged(case, results)
    except BaseException as error:
        text = _text_of(error)
        told["text"] = text[-5000:]
        if contender == "amorsize":
            import amorsize

            told["n_kept"] = len(amorsize.partial_results(error))
        if isinstance(error, NotImplementedError):
            told["outcome"] = NO_SUCH_THING
        else:
            shown = text[:5000] + text[-5000:]
            is_named = case.is_bad_items and re.search(rf"\b{items.BAD}\b", shown)
            named = " naming the item" if is_named else ""
            told["outcome"] = f"`{type(error).__name__}`{named}"
    if started:
        told["n_started"] = started[-1]
    around.lift_limits()
    path = Path(folder) / "outcome"
    path.with_suffix(".new").write_text(json.dumps(told))
    path.with_suffix(".new").rename(path)


def _mapped(case: Case, contender: "Callable[[Any, Any, Case], Any]") -> list[Any]:
    function = case.function
    if case.remembers and contender is not _amorsize:
        raise NotImplementedError
    if case.before is not None:
        function = case.before(function, lambda f, data: contender(f, data, case)) or function
    data = list(range(case.n_items)) if case.data is None else case.data()
    return list(contender(function, data, case))


def _judged(case: Case, results: list[Any]) -> str:
    others = [2 * x for x in range(case.n_items) if x != items.BAD]
    right = len(results) == case.n_items and case.bad_result(results[items.BAD])
    right = right and results[: items.BAD] + results[items.BAD + 1 :] == others
    return "result" if right else f"**wrong**: {len(results)} results"


def _text_of(error: BaseException) -> str:
    parts = []
    with suppress(Exception):
        parts.append(str(error)[:2000])
    return "\n".join([*parts, *(str(note) for note in getattr(error, "__notes__", ()))])


def _taken(results: Any, case: Case) -> list[Any]:
    """As many of lazily given results as the case wants, as it wants them."""
    if case.takes is not None:
        return case.takes(iter(results))
    if not case.pauses:
        return list(islice(results, N_ITEMS if case.streams else None))
    results = iter(results)
    taken = list(islice(results, 50))
    items.wait_for_the_hit()
    return taken + list(results)


def _loop(function: Any, data: Any, case: Case) -> Any:
    if case.has_limit or case.setup is not None:
        raise NotImplementedError
    return _taken((function(item) for item in data), case)


def _pool(function: Any, data: Any, case: Case) -> Any:
    from multiprocessing import Pool

    with Pool(N_WORKERS, initializer=case.setup) as workers:
        if case.streams or case.pauses:
            return _taken(workers.imap(function, data), case)
        return workers.map_async(function, data).get(ALL_LIMIT_S if case.has_limit else None)


def _executor(function: Any, data: Any, case: Case) -> Any:
    from concurrent.futures import ProcessPoolExecutor

    limit_s = ALL_LIMIT_S if case.has_limit else None
    with ProcessPoolExecutor(N_WORKERS, initializer=case.setup) as workers:
        return _taken(workers.map(function, data, timeout=limit_s), case)


def _joblib(function: Any, data: Any, case: Case) -> Any:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    if case.setup is not None:
        raise NotImplementedError
    calls = (delayed(function)(item) for item in data)
    if case.streams or case.pauses:
        return _taken(Parallel(N_WORKERS, return_as="generator")(calls), case)
    return Parallel(N_WORKERS, timeout=LIMIT_S if case.has_limit else None)(calls)


def _mpire(function: Any, data: Any, case: Case) -> Any:
    from mpire.pool import WorkerPool

    more: dict[str, Any] = {"worker_init": case.setup}
    if case.has_limit:
        more["task_timeout"] = LIMIT_S
    with WorkerPool(N_WORKERS) as workers:
        if case.streams or case.pauses or not hasattr(data, "__len__"):
            return _taken(workers.imap(function, data, **more), case)
        return workers.map(function, data, **more)


def _amorsize(function: Any, data: Any, case: Case) -> Any:
    from amorsize import autotune
    from amorsize._profiles.memory_store import last_trace

    options: dict[str, Any] = {"backend": "process", "n_jobs": N_WORKERS, "setup": case.setup}
    if case.has_limit:
        options["timeout"] = LIMIT_S
    tuned = autotune(function, **{**options, **case.options})
    try:
        if case.streams or case.pauses:
            return _taken(tuned.stream(data, buffer=N_ITEMS), case)
        return tuned(data)
    finally:
        if (trace := last_trace(function)) is not None:
            started.append(trace.n_started.get("process", 0))


started: list[int] = []  # worker processes of each call that was not cut short
CONTENDERS: "dict[str, Callable[[Any, Any, Case], Any]]" = {
    "loop": _loop,
    "pool": _pool,
    "executor": _executor,
    "joblib": _joblib,
    "mpire": _mpire,
    "amorsize": _amorsize,
}
