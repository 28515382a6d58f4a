"""Importing amorsize and decorating loads next to nothing, told by the modules, never by a clock.

A program pays for an import before its first item; many a job is over in less than `inspect` takes.
"""

import compileall
import importlib
import os
import pkgutil
import py_compile
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import amorsize

PACKAGE = Path(amorsize.__file__).parent
HEAVY = (
    *("typing", "dataclasses", "inspect", "re", "enum", "json", "pickle", "logging", "functools"),
    *("subprocess", "socket", "multiprocessing", "hashlib", "asyncio", "threading", "contextlib"),
    *("importlib.metadata", "traceback", "tempfile", "pathlib", "collections"),
    *("wrapt", "psutil", "diskcache", "cloudpickle", "loky", "tqdm", "rich", "platformdirs"),
)
OURS = (
    *(
        "amorsize",
        "amorsize._api.decorator",
        "amorsize._api.late_map",
        "amorsize._api.receivers",
        "amorsize._host.own_modules",
        "amorsize._host.signals",
        "amorsize._engine.options.call_options",
        "amorsize._engine.options.call_checks",
        "amorsize._engine.options.option_checks",
    ),
    *(
        "amorsize._host.shortage",
        "amorsize._api.wrapt_proxy",
        "amorsize.errors",
        "amorsize.policy",
    ),
    *("amorsize._function.callables", "amorsize.policy.frozen_record"),
    *("amorsize._api", "amorsize._engine", "amorsize._engine.options"),
    *("amorsize._function", "amorsize._host"),
)
DECORATING = """
import sys
before = set(sys.modules)
from amorsize import autotune

@autotune
def parse(path):
    return path

@autotune(n_jobs=2, timeout=5, setup=print)
def load(path):
    return path

class Parser:
    @autotune
    def parse(self, path):
        return path

method = Parser().parse
changed = parse.using(n_jobs=3)
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def loaded(run_script):
    """The modules that importing and decorating load, in a process that did nothing else."""
    return set(run_script(DECORATING).stdout.split())


def test_decorating_loads_nothing_heavy(loaded):
    """Not typing, not dataclasses, not the package of wrapt."""
    before = set(HEAVY) & loaded

    assert before == set()


def test_what_maps_is_loaded_by_the_first_call(ours_loaded):
    """Not by importing `tuned_map`, nor by a trivial call."""
    loaded = ours_loaded("from amorsize import tuned_map\ntuned_map(lambda x: x + 1, [1, 2])")

    assert {"amorsize._api.map", "amorsize._engine.engine"} & loaded == set()
    assert len(loaded) <= 25


def test_decorating_loads_what_decorating_takes(loaded):
    """What runs a call waits for the first call; wrapt is its one compiled module."""
    assert {name for name in loaded if name.split(".")[0] == "amorsize"} == set(OURS)
    assert {name for name in loaded if name.split(".")[0] == "wrapt"} == {"wrapt._wrappers"}


def test_importing_the_package_loads_no_part_of_it(run_script):
    """`import amorsize` alone is a table of names."""
    script = "import sys, amorsize\nprint(*[m for m in sys.modules if m.startswith('amorsize.')])"

    assert run_script(script).stdout.split() == []


@pytest.mark.parametrize(
    "imports",
    [
        "import amorsize._api.decorator\nimport wrapt",
        "import wrapt\nimport amorsize._api.decorator",
        "import wrapt._wrappers\nimport amorsize._api.decorator",
        "import os\nos.environ['WRAPT_DISABLE_EXTENSIONS'] = '1'\n"
        "import amorsize._api.decorator\nimport wrapt",
    ],
    ids=["wrapt after", "wrapt before", "its compiled module before", "no compiled module"],
)
def test_wrapt_and_amorsize_share_one_wrapper(run_script, imports):
    """Whoever imports first, a tuned function is an instance of wrapt's own classes."""
    script = f"""
{imports}
from amorsize import autotune
length = autotune(len)
assert isinstance(length, wrapt.FunctionWrapper)
assert issubclass(type(length).__bound_function_wrapper__, wrapt.BoundFunctionWrapper)
@wrapt.decorator
def passing(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)
assert passing(len)([1]) == 1
assert passing(length).one([1, 2]) == 2
"""
    run_script(script)


def test_without_a_compiled_module_the_package_does(run_script):
    """A module built for another interpreter is no reason to fail."""
    script = """
import sys
from _frozen_importlib_external import PathFinder
find = PathFinder.find_spec
def nothing_compiled(name, path=None, target=None):
    return None if name == "wrapt._wrappers" else find(name, path, target)
PathFinder.find_spec = nothing_compiled
from amorsize import autotune
assert "wrapt" in sys.modules
assert autotune(len).one([1]) == 1
"""
    run_script(script)


#: What other processes have learned meanwhile is asked once a call takes long, as on a busy host.
IF_IT_TAKES_LONG = {"amorsize.policy.rules.look_up_profile"}
NOT_FOR_A_LOOP = {  # what a first call of trivial items does without
    *(
        "amorsize._engine.starting.host_inspection",
        "amorsize._engine.starting.starting",
        "amorsize._engine.serving.pool_events",
    ),
    *("amorsize._workers.random_streams", "amorsize._workers.seeding", "amorsize._watching"),
    *("amorsize._function.library.drawn_libraries", "amorsize._function.sharing.thread_safety"),
    *("amorsize._host.resources", "amorsize._profiles.disk_store", "amorsize.cache"),
    *("amorsize.policy.update_from_chunks", "amorsize.policy.evidence.drift"),
    *("amorsize.policy.rules.check_profile", "amorsize.policy.rules.explore"),
    *("amorsize.policy.rules.follow_tuned_plan", "amorsize.policy.rules.run_fewer_on_failures"),
}
NOT_WITHOUT_WORKERS = {  # and one whose items stay in the caller once its function was read
    *(
        "amorsize._engine.starting.starting",
        "amorsize._engine.serving.pool_events",
        "amorsize._workers.first_items",
    ),
    *("amorsize._workers.random_streams", "amorsize.policy.update_from_chunks"),
    *("amorsize.policy.evidence.drift", "amorsize.policy.rules.check_profile"),
    *("amorsize.policy.rules.explore", "amorsize.policy.rules.follow_tuned_plan"),
}


def test_a_first_call_of_trivial_items_loads_what_a_loop_takes(ours_loaded):
    """Hardly 90 modules of ours: each takes 0.1 ms and more, a folder next to nothing."""
    loaded = ours_loaded("from amorsize import tuned_map\ntuned_map(abs, range(1000))")

    assert NOT_FOR_A_LOOP & loaded == set()
    assert len(loaded) <= 89


def test_a_first_call_that_reads_its_function_loads_nothing_for_workers(ours_loaded):
    """Items that wait and count: nothing may run beside them."""
    script = """
import time
from amorsize import autotune
counts = {}

@autotune
def wait_and_count(number):
    time.sleep(5e-3)
    counts["done"] = counts.get("done", 0) + 1

wait_and_count(range(20))
"""
    loaded = ours_loaded(script)

    assert "amorsize._function.sharing.thread_safety" in loaded
    assert NOT_WITHOUT_WORKERS & loaded == set()
    assert len(loaded - IF_IT_TAKES_LONG) <= 166  # fifteen are folders of others


NOT_FOR_FIRST_WORKERS = {  # what compares calls, keeps workers, or is seldom needed
    *("amorsize.policy.evidence.drift", "amorsize.policy.evidence.cost_change_detector"),
    *("amorsize.policy.evidence.tuned_plan_fit", "amorsize.policy.rules.follow_tuned_plan"),
    *("amorsize.policy.rules.run_fewer_on_failures", "amorsize._profiles.worth_writing"),
    "amorsize._workers.tasks.shared_data",
}


def test_a_first_call_with_workers_loads_nothing_for_later_ones(ours_loaded):
    """Two items that run in forked workers, which load nothing, and report from there."""
    script = """
import sys
from amorsize import tuned_map

def modules(_):
    return set(sys.modules)

found = tuned_map(modules, [1, 2], backend="process", n_jobs=2)
assert set().union(*found) <= set(sys.modules), set().union(*found) - set(sys.modules)
"""
    loaded = ours_loaded(script)

    assert "amorsize.policy.update_from_chunks" in loaded
    assert NOT_FOR_FIRST_WORKERS & loaded == set()


@pytest.mark.parametrize("does", ["number * number", "sleep(1e-3)"])
def test_a_first_call_in_processes_loads_nothing_to_examine_what_is_proven(ours_loaded, does):
    """It loaded 34 modules at its end, to warn of what items change in workers."""
    script = f"""
from time import sleep
from amorsize import tuned_map
tuned_map(lambda number: {does}, range(50), backend="process", n_jobs=2)
"""
    loaded = ours_loaded(script)

    assert "amorsize._workers.processes.fork_pool" in loaded
    assert {"amorsize._function.sharing.thread_safety", "amorsize._function.flow"} & loaded == set()
    assert len(loaded - IF_IT_TAKES_LONG) <= 160


@pytest.mark.parametrize("data", ["iter(range(50))", "[str(n) for n in range(50)]"])
def test_plain_items_are_sent_without_a_look_at_what_the_function_knows(ours_loaded, data):
    """34 modules told that no number is a sentinel, and that a proven function asks for none."""
    script = f"""
from time import sleep
from amorsize import tuned_map

def rest(item):
    sleep(2e-3)

for _ in range(3):  # the third call has workers that were kept
    tuned_map(rest, {data}, backend="process", n_jobs=2)
"""
    loaded = ours_loaded(script)

    assert "amorsize._workers.processes.fork_pool" in loaded
    assert "amorsize._function.needs.known_objects" not in loaded


def test_workers_that_are_kept_load_nothing_of_new_interpreters(ours_loaded):
    """Eight and more wait for the next call from the first one on."""
    script = """
from time import sleep
from amorsize import tuned_map
tuned_map(lambda number: sleep(5e-3), range(200), backend="process", n_jobs=16)
"""
    loaded = ours_loaded(script)

    assert "amorsize._workers.processes.kept_forks" in loaded
    assert {"amorsize._workers.processes.spawned_main", "amorsize._workers.tasks"} & loaded == set()


def test_a_first_call_knows_what_it_has_yet_to_load(run_script):
    """What inspects host and function is loaded where the work left pays for that as well."""
    script = """
from amorsize._engine.state.call import Invocation
from amorsize._engine.engine import Engine
opening = Engine(Invocation(func=len, iterables=(["a", "b"],))).opening
print(opening.request().to_load_s > 0)
import amorsize._engine.starting.host_inspection
print(opening.request().to_load_s)
"""
    assert run_script(script).stdout.split() == ["True", "0.0"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A copy of the package with its bytecode, for all tests of this module."""
    copy = tmp_path_factory.mktemp("compiled") / "amorsize"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(copy, quiet=2)
    return copy


@pytest.fixture
def copied(compiled, tmp_path):
    """Such a copy for one test, which may change it."""
    return shutil.copytree(compiled, tmp_path / "copy" / "amorsize")


MAPPING = "from amorsize import tuned_map\ntuned_map(len, [''])"


def printed(copy, script, *options, loading=MAPPING, **environ):
    """What a script prints that has loaded the package from the copy."""
    lines = f"import sys\nsys.path.insert(0, {str(copy.parent)!r})\n{loading}\n"
    names = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, *options, "-c", lines + textwrap.dedent(script)]
    done = subprocess.run(
        command, env={**kept, **environ}, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.split()


WHERE_CODE_IS_FROM = """
    from amorsize._engine import opening
    print(type(opening.__loader__).__module__, opening.MOST_LOOKED_AT)
"""


def rewritten(copy, number):
    """The source of a module with another number in place of one of its constants."""
    source = copy / "_engine" / "opening.py"
    source.write_text(re.sub(r"AT = \d+", f"AT = {number}", source.read_text()))
    return source


@pytest.mark.parametrize(
    "loading",
    [
        MAPPING,
        "from amorsize import autotune\nautotune(len)(['a', 'b'])",
        "import amorsize\namorsize.shutdown()",
    ],
)
def test_modules_are_found_quickly(copied, loading):
    """By finders and loaders of the package's own, from the bytecode beside the sources."""
    found = printed(copied, WHERE_CODE_IS_FROM, loading=loading)

    assert found == ["amorsize._host.own_modules", "8192"]


def test_modules_that_are_found_quickly_look_as_usual(copied):
    """In their attributes, to `inspect`, to `reload` and to those who list or seek modules."""
    script = """
    import importlib, inspect, pkgutil
    from importlib.machinery import SourceFileLoader
    import amorsize
    from amorsize._engine import opening
    spec = opening.__spec__
    assert spec.origin == opening.__file__ == amorsize.__path__[0] + "/_engine/opening.py"
    assert spec.cached == opening.__cached__ == importlib.util.cache_from_source(spec.origin)
    assert spec.has_location and spec.parent == opening.__package__ == "amorsize._engine"
    assert isinstance(opening.__loader__, SourceFileLoader)
    assert inspect.getsource(opening.Opening).startswith("class Opening")
    assert opening.Opening.look_up.__code__.co_filename == opening.__file__
    assert importlib.reload(opening) is opening
    names = {one.name for one in pkgutil.walk_packages(amorsize.__path__, "amorsize.")}
    assert {"amorsize._engine.opening", "amorsize.policy.rules.inline"} <= names
    assert importlib.util.find_spec("amorsize._engine.no_such_module") is None
    with open(amorsize.__path__[0] + "/_engine/made_later.py", "w") as file:
        file.write("VALUE = 3")
    importlib.invalidate_caches()
    from amorsize._engine.made_later import VALUE
    print(VALUE)
    """
    assert printed(copied, "import importlib.util\n" + textwrap.dedent(script)) == ["3"]


def test_bytecode_of_another_source_is_not_used(copied):
    """Neither after a change of the size alone nor after one of the time alone."""
    times = os.stat(copied / "_engine" / "opening.py")
    source = rewritten(copied, 81920)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert printed(copied, WHERE_CODE_IS_FROM)[1] == "81920"

    rewritten(copied, 81921)
    os.utime(source, (times.st_atime, times.st_mtime + 10))
    assert printed(copied, WHERE_CODE_IS_FROM)[1] == "81921"


def test_bytecode_of_another_kind_is_left_to_the_interpreter(copied, tmp_path):
    """Checked by a hash, optimised, elsewhere, damaged, or not there at all."""
    source = rewritten(copied, 8193)
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), invalidation_mode=checked)
    rewritten(copied, 8194)
    assert printed(copied, WHERE_CODE_IS_FROM)[1] == "8194"

    py_compile.compile(str(source))
    doc = "from amorsize._engine import opening\nprint(opening.__doc__ is None)"
    assert printed(copied, doc) == ["False"]
    assert printed(copied, doc, "-OO") == ["True"]
    for _ in range(2):  # written there, and read from there
        found = printed(copied, WHERE_CODE_IS_FROM, PYTHONPYCACHEPREFIX=str(tmp_path / "else"))
        assert found == ["amorsize._host.own_modules", "8194"]
    assert list((tmp_path / "else").rglob("opening.*.pyc"))

    for damaged in (copied / "_engine" / "__pycache__").iterdir():
        damaged.write_bytes(b"")
    assert printed(copied, WHERE_CODE_IS_FROM)


def test_folders_of_others_are_left_alone(copied):
    """Who puts a finder of another kind in place of the usual one is asked by it."""
    script = f"""
    from importlib.machinery import FileFinder, SourceFileLoader
    import amorsize
    class Rewriting(SourceFileLoader):
        pass
    folder = amorsize.__path__[0] + "/_engine"
    theirs = sys.path_importer_cache[folder] = FileFinder(folder, (Rewriting, [".py"]))
    {MAPPING.replace(chr(10), "; ")}
    assert sys.path_importer_cache[folder] is theirs
    from amorsize import policy
    from amorsize._engine import opening
    print(type(opening.__loader__).__name__, type(policy.__loader__).__name__)
    """
    assert printed(copied, script, loading="") == ["Rewriting", "Module"]


COLLECTIONS = """
    import gc
    {begin}
    from amorsize import tuned_map
    before = [one["collections"] for one in gc.get_stats()]
    tuned_map(len, [""], backend="process", n_jobs=2)
    import amorsize._workers.processes.fork_pool
    after = [one["collections"] for one in gc.get_stats()]
    print(sum(after) - sum(before), gc.get_freeze_count())
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="collects in small steps")
@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="it has frozen objects of its own")
def test_loading_leaves_nothing_to_the_garbage_collector(copied):
    """What modules made is in its oldest generation, which it seldom visits."""
    n_collections, n_frozen = printed(copied, COLLECTIONS.format(begin=""), loading="")

    assert int(n_collections) <= 8  # 3 of what the call itself makes; 23 without it
    assert n_frozen == "0"


def test_what_a_program_has_frozen_stays_frozen(copied):
    """It may have been frozen for workers that the program forks itself."""
    _, n_frozen = printed(copied, COLLECTIONS.format(begin="gc.freeze()"), loading="")

    assert int(n_frozen) > 0


def test_frozen_objects_are_counted_only_once(copied):
    """Counting visits each of them: of a million, that took 8 ms for every module loaded."""
    script = """
    import gc
    gc.freeze()
    count, counts = gc.get_freeze_count, []
    gc.get_freeze_count = lambda: counts.append(count()) or counts[-1]
    from amorsize import tuned_map
    tuned_map(len, [""], backend="process", n_jobs=2)
    print(len(counts))
    """
    assert printed(copied, script, loading="") == ["1"]


def test_decorating_finds_modules_quickly(copied):
    """From the first name that is asked for on."""
    script = """
    from amorsize import autotune
    from amorsize.policy import frozen_record
    print(type(frozen_record.__loader__).__module__)
    """
    assert printed(copied, script, loading="") == ["amorsize._host.own_modules"]


def test_the_face_is_sorted_and_there():
    """Everything that `__all__` promises can be had, and `dir` shows it."""
    assert amorsize.__all__ == sorted(amorsize.__all__)
    for name in amorsize.__all__:
        assert getattr(amorsize, name) is not None
        assert name in dir(amorsize)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        amorsize.no_such_name  # noqa: B018


def test_no_public_function_shares_a_name_with_a_module():
    """What `import amorsize.x` would overwrite cannot be a function called `x`."""
    modules = {module.name for module in pkgutil.iter_modules(amorsize.__path__)}

    for name in set(amorsize.__all__) & modules:
        assert getattr(amorsize, name) is importlib.import_module(f"amorsize.{name}")
