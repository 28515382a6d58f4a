"""How the result of a chunk comes from Dask, with stand-ins for its client and its futures."""

import asyncio
import sys
from types import SimpleNamespace
from weakref import ref

import pytest

from amorsize._clusters.dask_adapter import DaskAdapter, _Submission
from amorsize._clusters.protocol import Process


async def gathered(_future, *, asynchronous):
    return f"gathered {asynchronous}"


class State:
    async def wait(self):
        return None


@pytest.fixture
def submission():
    told = []
    process = Process(address="tcp://here", identity="one", n_threads=1)
    one = _Submission("key", process, len, ([],), lambda *what: told.append(what))
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
