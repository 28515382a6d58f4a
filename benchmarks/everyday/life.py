"""The life of one process: a case is called three times, by the loop or by `auto`.

What came of each call is written down as soon as it is over, so that a call that never ends takes
nothing else with it.
"""

import importlib.util
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.everyday import forms

FIRST, SECOND, DUE = "first", "second", "due"
CALLS = (FIRST, SECOND, DUE)
LOOP, AUTO = "loop", "auto"
N_JOBS = (1, 2, 3)  # that a seeded call must not depend on
MOST_SHOWN = 4000  # items whose results are told apart


def main() -> None:
    """Arguments: how, the case, its module, where it lies, what is beside it, where to tell."""
    how, name, module, place, beside, out, *folders = sys.argv[1:]
    os.environ.pop("PYTHONHASHSEED", None)  # only the loop's process and this one have the same
    sys.path[:0] = folders
    sys.argv[1:] = []
    with open(out, "a") as told:
        for fact in live(how, name, module, place, beside):
            told.write(json.dumps(fact) + "\n")
            told.flush()


def live(
    how: str, name: str, module_name: str, place: str, beside: str
) -> Iterator[dict[str, Any]]:
    """Call a case three times; each time what came of it, as texts."""
    folder = os.getcwd()
    module = _script(module_name) if place == "script" else _imported(module_name)
    case = sys.modules["office.casebook"].CASES[name]
    if how == LOOP:
        sys.modules["office.casebook"].work_once()
    if beside == "thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    streams = sys.stdin, sys.stdout, sys.stderr
    if case.setup is not None:
        case.setup()
    mapped = case.mapped
    run = Loop() if how == LOOP else Auto(mapped)

    def effects() -> dict[str, str]:
        own = {} if case.effects is None else {"own": _in_order(case, "own", case.effects())}
        held = {
            key: _sorted(text) if key.removeprefix("global ") in case.shared else text
            for key, text in forms.module_state(module).items()
            if key.removeprefix("global ") not in case.ignored
        }
        found = forms.files(folder, lambda path: path in case.shared)
        return {**forms.process_state(streams, folder), **held, **found, **own}

    for call in CALLS:
        if call == DUE:
            run.make_exploration_due()
        data = case.iterables
        _seed(case)
        results, error = _called(case, run, mapped, data)
        print(f"-- {call}", file=streams[1])
        yield {
            "call": call,
            "error": error,
            "results": [one.replace(folder, "FOLDER") for one in results],
            "effects": {
                key: forms.shortened(text.replace(folder, "FOLDER"))
                for key, text in {**effects(), "items": forms.form(data)}.items()
            },
            **run.told(),
        }
    if case.draws and how == AUTO:
        yield from _drawn_again(case, run, mapped)


def _imported(name: str) -> ModuleType:
    return importlib.import_module(f"office.{name}")


def _script(name: str) -> ModuleType:
    """The module's code as that of the program itself: nobody can import it."""
    spec = importlib.util.find_spec(f"office.{name}")
    assert spec is not None
    assert spec.origin is not None
    program = sys.modules["__main__"]
    program.__package__, program.__file__ = "office", spec.origin
    exec(compile(Path(spec.origin).read_bytes(), spec.origin, "exec"), program.__dict__)
    return program


def _called(case: Any, run: Any, mapped: Any, data: tuple[Any, ...]) -> tuple[list[str], str]:
    """The results as texts, or what was raised."""

    def call(function: Any) -> Any:
        return run(function, data, case.kwargs)

    try:
        with case.around():
            results = call(mapped) if case.via is None else case.via(call)
    except Exception as error:
        notes = " | ".join(getattr(error, "__notes__", ()))
        return [], f"{type(error).__name__}: {error} {notes[:600]}".strip()
    texts = [forms.form(one) for one in results]
    if len(texts) > MOST_SHOWN:
        texts = [forms.shortened(str(texts))]
    return [forms.shortened(one) for one in texts], ""


def _in_order(case: Any, key: str, value: Any) -> str:
    if key in case.shared and isinstance(value, list | tuple):
        return forms.form(sorted(value, key=repr))
    return forms.form(value)


def _sorted(text: str) -> str:
    """The entries of a container, in any order."""
    return ", ".join(sorted(text.rstrip("]}").partition("[")[2].split(", "))) or text


def _seed(case: Any) -> None:
    if not case.draws:
        return
    if case.reseed is not None:
        case.reseed()
    random.seed(1)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(1)


def _drawn_again(case: Any, run: "Auto", mapped: Any) -> Iterator[dict[str, Any]]:
    """The same numbers with any number of workers."""
    for n_jobs in N_JOBS:
        run.options = {"n_jobs": n_jobs}
        _seed(case)
        results, error = _called(case, run, mapped, case.iterables)
        yield {"call": f"n_jobs={n_jobs}", "error": error, "results": results, **run.told()}


class Loop:
    """The plain loop."""

    def __call__(self, function: Any, data: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Each item in turn."""
        if len(data) == 1:
            return [function(x, **kwargs) for x in data[0]]
        return [function(*xs, **kwargs) for xs in zip(*data, strict=False)]

    def make_exploration_due(self) -> None:
        """A loop tries nothing."""

    def told(self) -> dict[str, Any]:
        """A loop has nothing to tell."""
        return {}


class Auto:
    """`@autotune` with nothing asked for, or `tuned_map` for what is no function of a module."""

    def __init__(self, mapped: Any) -> None:
        from amorsize import autotune

        self.mapped, self.options = mapped, {}
        self._autotune: Callable[..., Any] = autotune
        self._tuned = autotune(mapped)

    def __call__(self, function: Any, data: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """What a user writes."""
        if function is not self.mapped or self.options:
            self.mapped, self._tuned = function, self._autotune(function, **self.options)
        return self._tuned(*data, **kwargs)

    def make_exploration_due(self) -> None:
        """Put a thousand calls into the record, and time enough to pay a trial of any length.

        So short a call would not afford one otherwise: the windows are shortened, not the rules.
        """
        from amorsize._profiles import memory_store
        from amorsize.policy.evidence.exploration_cost import Explored
        from amorsize.policy.rules import explore

        memory = memory_store.memory()
        for key, profile in memory.profiles():
            account = Explored.of(profile).replace(used_s=1e6, spent_s=0.0, n_held=0, at_call=0)
            memory.put(key, profile.replace(n_calls=2000, explored=account.as_dict()))
        explore.MOST_OF_CALL, explore.SETTLED = 1e9, 1
        explore.LEAST_CHUNKS, explore.CHUNKS_PER_JOB = 3, 1

    def told(self) -> dict[str, Any]:
        """Where items ran, and why."""
        from amorsize._profiles import memory_store

        trace = memory_store.last_trace(self.mapped)
        if trace is None:
            return {"ran": {}, "why": "no trace"}
        ran = {place: trace.n_items_by(place) for place in ("caller", "thread", "process")}
        why = ""
        with suppress(Exception):
            why = str(self._tuned.explain())
        return {"ran": ran, "why": why, "makespan_s": round(trace.makespan_s, 3)}
