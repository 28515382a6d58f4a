"""How the result of a chunk comes from Dask, with stand-ins for its client and its futures."""

import asyncio
import sys
from types import SimpleNamespace
from weakref import ref

import pytest

from amorsize._clusters import dask_worker
from amorsize._clusters.dask_adapter import DaskAdapter
from amorsize._clusters.dask_submission import DaskSubmission
from amorsize._clusters.protocol import DIED, Process, ResultLost


async def gathered(_future, *, asynchronous):
    return f"gathered {asynchronous}"


async def moved(_future, *, asynchronous):
    return dask_worker.MOVED


class State:
    async def wait(self):
        return None


@pytest.fixture
def submission():
    told = []
    process = Process(address="tcp://here", identity="one", n_threads=1)
    one = DaskSubmission("key", process, len, ([],), lambda *what: told.append(what))
    one.told = told
    return one


@pytest.mark.parametrize(
    ("state", "answer", "expected"),
    [
        ({"_state": State()}, {"status": "OK", "data": {"a": 7}}, 7),
        ({"_state": State()}, {"status": "busy"}, "gathered True"),
        ({}, {"status": "OK", "data": {"a": 7}}, "gathered True"),
    ],
)
def test_what_a_worker_does_not_give_is_gathered(monkeypatch, submission, state, answer, expected):
    """Nor does a later Dask, whose futures have no such parts, fail a call."""

    async def get_data(_rpc, keys, address):
        assert (keys, address) == (["a"], "tcp://here")
        return answer

    parts = SimpleNamespace(get_data_from_worker=get_data)
    monkeypatch.setitem(sys.modules, "distributed.worker", parts)
    submission.future = SimpleNamespace(key="a", status="finished", **state)
    client = SimpleNamespace(rpc=None, gather=gathered)

    assert asyncio.run(submission.result(client, True)) == expected


def test_what_has_run_and_was_lost_is_not_begun_again(monkeypatch, submission):
    """Dask computes it anew in the next process at that address: items would run twice."""

    async def get_data(_rpc, _keys, _address):
        raise OSError("the process is gone")

    parts = SimpleNamespace(get_data_from_worker=get_data)
    monkeypatch.setitem(sys.modules, "distributed.worker", parts)
    submission.future = SimpleNamespace(key="a", status="finished", _state=State())
    client = SimpleNamespace(rpc=None, gather=moved)

    assert asyncio.run(submission.result(client, True)) == dask_worker.BEGUN
    assert asyncio.run(submission.result(client, False)) == dask_worker.MOVED
    assert DaskAdapter.meaning(None, ResultLost()) == DIED


def test_a_worker_runs_a_submission_once(monkeypatch):
    """And tells what it has begun before from what is not for it."""
    here = SimpleNamespace(get_worker=lambda: SimpleNamespace(id="one"))
    monkeypatch.setitem(sys.modules, "distributed", here)
    monkeypatch.setattr(dask_worker, "_begun", {})

    assert dask_worker.run_here("one", "key", len, "abc") == 3
    assert dask_worker.run_here("one", "key", len, "abc") == dask_worker.BEGUN
    assert dask_worker.run_here("another", "further key", len, "abc") == dask_worker.MOVED


class Items:
    pass


def test_a_chunk_that_failed_keeps_no_items_alive(submission):
    """Though its error holds the frame in which it was caught."""
    items = Items()
    submission.arguments, there = (items,), ref(items)
    del items

    async def sent(argument, _one):
        return argument

    async def fails(_future, *, asynchronous):
        raise OSError(f"lost: {asynchronous}")

    loop = SimpleNamespace(call_later=lambda _s, act: act())
    future = SimpleNamespace(release=lambda: None)
    client = SimpleNamespace(submit=lambda *_, **__: future, gather=fails, loop=loop)
    watch = SimpleNamespace(is_reachable=lambda _: False)
    adapter = SimpleNamespace(
        _loop_s=(1.0, 1.0), _sent=sent, _client=client, _options={}, _watch=watch
    )
    asyncio.run(DaskAdapter._run(adapter, submission))
    ((_, error),) = submission.told

    assert str(error) == "lost: True"
    assert there() is None
