"""One contract for every engine, held by real ones: each item once, and no death in silence."""

import asyncio
import decimal
import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from concurrent.futures import CancelledError, ProcessPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from multiprocessing import get_context

import engine_items
import numpy as np
import pytest
from conftest import ROOT, another_thread, run_command
from engines import dask_processes, why_not
from site_pages import blocks

from amorsize import autotune, partial_results, tuned_map
from amorsize._clusters import dask_watch, finding
from amorsize._workers.executors import processes as executor_processes
from amorsize.errors import (
    AmorsizeWarning,
    InvalidOptionError,
    SerializationError,
    WorkerDied,
    WorkersUnavailable,
)

# Engines warn of much that is not ours, in threads that outlive a test.
pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]

NOT_HERE = {
    "dask": why_not("distributed", "dask"),
    "ray": why_not("ray", "ray"),
    "mpi": why_not("mpi4py", "mpi"),
    "plain": None,
}


def engine_params(*names):
    return [
        pytest.param(
            name, marks=pytest.mark.skipif(bool(NOT_HERE[name]), reason=str(NOT_HERE[name]))
        )
        for name in names
    ]


@contextmanager
def two_workers(folder):
    """A scheduler with two workers of a thread each, and its client."""
    from distributed import Client

    with (
        dask_processes(folder, n_workers=2, n_threads=1) as found,
        Client(found.address, timeout=30) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield found, client


@pytest.fixture(scope="module")
def dask_client(tmp_path_factory):
    """Its client alone, for all tests that leave the workers as they are."""
    with two_workers(tmp_path_factory.mktemp("dask")) as (_, client):
        yield client


@pytest.fixture(scope="module")
def ray_runtime():
    """Ray with two processors."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module", autouse=True)
def beside_engines():
    """Their threads come and go: nothing in this file is forked."""
    with another_thread():
        yield


@pytest.fixture(scope="module")
def engine(request):
    """What a user passes as `executor=`."""
    if request.param == "plain":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
            list(executor.map(time.sleep, [0.1, 0.1]))  # both processes are there
            yield executor
    else:
        yield request.getfixturevalue({"dask": "dask_client", "ray": "ray_runtime"}[request.param])


ALL = pytest.mark.parametrize(
    "engine", engine_params("plain", "dask", "ray"), indirect=True, scope="module"
)
CLUSTERS = pytest.mark.parametrize(
    "engine", engine_params("dask", "ray"), indirect=True, scope="module"
)
DASK = pytest.mark.skipif(bool(NOT_HERE["dask"]), reason=str(NOT_HERE["dask"]))


@pytest.fixture
def items(tmp_path):
    """Numbered items that note in a file that they have run."""
    path = str(tmp_path / "runs.txt")
    return lambda n: [(path, number) for number in range(n)]


def runs(items):
    return sorted(engine_items.runs_of(items(1)[0][0]))


class TestContract:
    """What holds on every engine."""

    @ALL
    def test_every_item_runs_once_and_results_are_in_order(self, engine, items):
        assert tuned_map(engine_items.noted, items(300), executor=engine) == list(range(300))
        assert runs(items) == list(range(300))

    @ALL
    def test_without_a_death_nothing_runs_twice_where_that_is_forbidden(self, engine, items):
        found = tuned_map(engine_items.noted, items(40), executor=engine, retries=0)

        assert found == list(range(40))
        assert runs(items) == list(range(40))

    @ALL
    def test_a_closure_with_a_large_table_travels_once(self, engine):
        table = os.urandom(300_000)

        assert tuned_map(lambda x: table[x], range(200), executor=engine) == list(table[:200])

    @ALL
    def test_large_items_and_results_arrive(self, engine):
        items = [bytes([x]) * 3_000_000 for x in range(4)]

        assert tuned_map(bytes.upper, items, executor=engine) == [x.upper() for x in items]

    @ALL
    def test_large_items_are_an_item_s_own_to_write_into(self, engine):
        tables = [np.full(400_000, x, float) for x in range(4)]
        texts = [bytearray([x]) * 2_000_000 for x in range(4)]

        assert tuned_map(engine_items.doubled_in_place, tables, executor=engine) == [
            x * 2.0 for x in range(4)
        ]
        assert tuned_map(engine_items.cut_in_place, texts, executor=engine) == [1] * 4
        assert [table[0] for table in tables] == [0, 1, 2, 3]

    @ALL
    def test_an_error_names_its_item_and_ends_the_call(self, engine, items):
        with pytest.raises(ValueError, match="seven") as raised:
            tuned_map(engine_items.fails_at_7, items(500), executor=engine, chunksize=2)

        assert any("item 7" in note for note in raised.value.__notes__)
        assert len(runs(items)) < 500

    @ALL
    def test_errors_may_be_results(self, engine, items):
        found = tuned_map(
            engine_items.fails_at_7, items(20), executor=engine, return_exceptions=True
        )

        assert isinstance(found.pop(7), ValueError)
        assert found == [x for x in range(20) if x != 7]

    @ALL
    def test_a_stream_gives_results_as_they_come(self, engine, items):
        mapped = autotune(engine_items.noted, executor=engine)

        assert list(mapped.stream(iter(items(60)))) == list(range(60))
        assert runs(items) == list(range(60))

    @ALL
    def test_seeded_items_draw_as_in_the_loop(self, engine):
        in_a_loop = tuned_map(engine_items.drawn, range(20), seed=5, backend="serial")

        assert tuned_map(engine_items.drawn, range(20), seed=5, executor=engine) == in_a_loop

    @ALL
    def test_items_have_the_context_of_their_caller(self, engine):
        """Every chunk, whatever the one before it has left in its thread."""

        def call():
            with decimal.localcontext(prec=5):
                engine_items.caller.set("me")
                return tuned_map(engine_items.third, range(40), executor=engine, chunksize=4)

        first = tuned_map(
            *(engine_items.third, range(40)),
            executor=engine,
            chunksize=4,
            setup=engine_items.set_digits,
        )

        assert set(first) == {("0.3333333", "nobody")}
        assert set(copy_context().run(call)) == {("0.33333", "me")}
        assert len(tuned_map(engine_items.third, range(4), executor=engine)[0][0]) == 30

    @ALL
    def test_items_that_draw_have_streams_of_their_own(self, engine):
        """Workers that take over a generator of the program would all draw the same numbers."""
        found = []
        for _ in range(2):
            engine_items.begin_numbers()
            found.append(
                tuned_map(engine_items.drawn_from_its_own, range(40), executor=engine, chunksize=4)
            )

        assert len(set(found[0])) == 40
        assert found[1] == found[0]

    @ALL
    def test_a_map_inside_an_item_is_a_loop(self, engine):
        pids = tuned_map(engine_items.pids_of_a_map_inside, range(6), executor=engine)

        assert all(len(inside) == 1 and inside == {outside} for outside, inside in pids)

    @ALL
    def test_setup_runs_once_in_each_process_before_its_items(self, engine):
        found = tuned_map(
            engine_items.after_setups, range(60), executor=engine, setup=engine_items.set_up
        )

        assert found == [(x, 1) for x in range(60)]

    @ALL
    def test_progress_tells_where_items_run_and_ends_with_all(self, engine, items):
        told = []

        tuned_map(engine_items.noted_slowly, items(100), executor=engine, progress=told.append)

        assert (told[-1].n_done, told[-1].is_over) == (100, True)
        under_way = [one for one in told if 0 < one.n_done < 100]
        assert {one.backend for one in under_way} == {"process"}

    @CLUSTERS
    def test_ctrl_c_ends_chunks_that_have_begun(self, engine, items):
        tuned_map(engine_items.noted_slowly, items(3), executor=engine)
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt) as raised:
            tuned_map(engine_items.noted_slowly, items(5000), executor=engine, chunksize=500)
        timer.join()

        assert len(partial_results(raised.value)) < 5000
        time.sleep(1.0)
        n_begun = len(runs(items))
        time.sleep(1.0)
        assert len(runs(items)) == n_begun

    @CLUSTERS
    def test_modules_of_the_user_s_own_need_not_be_there(self, engine, tmp_path, monkeypatch):
        (tmp_path / "only_here.py").write_text("FACTOR = 3\n\ndef tripled(x): return FACTOR * x\n")
        monkeypatch.syspath_prepend(tmp_path)
        import only_here

        assert tuned_map(only_here.tripled, range(9), executor=engine) == list(range(0, 27, 3))

    @ALL
    def test_a_package_that_workers_lack_is_named_with_the_way_out(
        self, engine, tmp_path, monkeypatch
    ):
        installed = tmp_path / "site-packages"
        installed.mkdir()
        (installed / "lacking.py").write_text("def of(x): return x\n")
        monkeypatch.syspath_prepend(installed)
        import lacking

        with pytest.raises(SerializationError, match="No module named 'lacking'. ") as raised:
            tuned_map(lambda x: lacking.of(x), range(9), executor=engine)

        assert re.search("PipInstall|runtime_env|importable there", str(raised.value))

    @ALL
    def test_what_the_engine_does_not_know_is_refused(self, engine):
        with pytest.raises(
            InvalidOptionError, match="'colour': 1} means nothing to the .*: it take"
        ):
            tuned_map(abs, range(9), executor=engine, engine={"colour": 1})

    @ALL
    def test_what_cannot_be_kept_is_refused(self, engine):
        with pytest.raises(InvalidOptionError, match="retries=0 and chunksize=5"):
            tuned_map(abs, range(9), executor=engine, retries=0, chunksize=5)
        with pytest.raises(InvalidOptionError, match="timeout= cannot be kept"):
            tuned_map(abs, range(9), executor=engine, timeout=5)


class TestDeaths:
    """An item ends its worker: it is named, the others go on."""

    @CLUSTERS
    def test_the_item_that_ends_its_worker_is_named(self, engine, items):
        found = tuned_map(
            engine_items.ends_its_worker_at_7,
            items(40),
            executor=engine,
            return_exceptions=True,
            chunksize=10,
        )

        died = found.pop(7)
        assert isinstance(died, WorkerDied)
        assert "item 7" in str(died)
        assert "tried 2 times" in str(died)
        assert found == [x for x in range(40) if x != 7]
        ran = runs(items)
        assert ran.count(7) == 2
        assert max(ran.count(x) for x in range(40)) == 2

    @CLUSTERS
    def test_nothing_is_tried_again_where_that_is_forbidden(self, engine, items):
        with pytest.raises(WorkerDied, match="item 7 .*retries=0") as raised:
            tuned_map(engine_items.ends_its_worker_at_7, items(40), executor=engine, retries=0)

        ran = runs(items)
        assert len(ran) == len(set(ran))
        assert set(range(7)) <= set(partial_results(raised.value))

    @CLUSTERS
    def test_an_error_ends_chunks_that_have_begun(self, engine, items):
        with pytest.raises(ValueError, match="zero"):
            tuned_map(engine_items.fails_late_at_0, items(80), executor=engine, chunksize=40)

        time.sleep(1.0)
        n_begun = len(runs(items))
        time.sleep(1.0)
        assert len(runs(items)) == n_begun < 41

    @CLUSTERS
    def test_a_worker_killed_from_outside_costs_only_what_it_had(self, engine, items):
        pids = set(tuned_map(engine_items.pid_after_a_while, [0.05] * 8, executor=engine))
        mapped = autotune(engine_items.noted_slowly, executor=engine)
        stream = mapped.stream(items(120))
        found = [next(stream) for _ in range(10)]
        os.kill(min(pids), signal.SIGKILL)
        found += stream

        assert found == list(range(120))
        told = str(mapped.explain())
        assert re.search(r"items \d+ to \d+ were lost - ", told)
        paid = "(on its way|in which its worker had nothing to do)"
        assert re.search(f"each chunk took .* of a processor here - and .* {paid}", told)
        ran = runs(items)
        assert set(ran) == set(range(120))
        assert max(map(ran.count, ran)) <= 2


@pytest.mark.skipif(bool(NOT_HERE["ray"]), reason=str(NOT_HERE["ray"]))
class TestRay:
    """What is Ray's alone."""

    def test_chunks_take_the_processors_they_were_given(self, ray_runtime):
        mapped = autotune(
            engine_items.pid_after_a_while, executor=ray_runtime, engine={"num_cpus": 2}
        )

        mapped([0.01] * 20)

        told = str(mapped.explain())
        assert "1 chunks at once" in told
        assert f"the Ray cluster at {ray_runtime.get_runtime_context().gcs_address}" in told

    def test_items_may_print_once_ray_has_put_its_own_print_in_place(
        self, ray_runtime, monkeypatch
    ):
        """It does so in a program that it shows what some worker has printed."""
        from ray.experimental import tqdm_ray

        monkeypatch.setattr("builtins.print", tqdm_ray.safe_print)

        assert tuned_map(engine_items.printed, range(9), executor=ray_runtime) == list(range(9))

    def test_items_that_are_references_are_what_they_stand_for(self, ray_runtime):
        refs = [ray_runtime.put(bytes([x]) * 10) for x in range(9)]

        assert tuned_map(len, refs, executor="ray") == [10] * 9
        assert tuned_map(engine_items.added, refs, range(9), executor="ray") == [
            10 + x for x in range(9)
        ]


@DASK
class TestDask:
    """What is Dask's alone."""

    def test_nothing_is_left_on_the_cluster(self, dask_client):
        tuned_map(engine_items.megabyte, range(60), executor=dask_client)

        until_s = time.monotonic() + 5
        while (left := _left_on(dask_client)) != (0, 0) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert left == (0, 0)

    def test_results_are_let_go_of_while_the_call_goes_on(self, dask_client):
        """Of 200 MB, those of the chunks under way are on the cluster: four of 4 MB each."""
        from distributed import Client

        most_bytes = 0
        with Client(dask_client.scheduler.address, set_as_default=False) as watching:
            stream = autotune(engine_items.megabyte, executor=dask_client).stream(range(200))
            for _ in stream:
                most_bytes = max(most_bytes, _left_on(watching)[1])

        assert 0 < most_bytes <= 32e6

    def test_ctrl_c_ends_the_call_and_leaves_nothing(self, dask_client, items):
        tuned_map(engine_items.noted_slowly, items(3), executor=dask_client)
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt) as raised:
            tuned_map(engine_items.noted_slowly, items(5000), executor=dask_client)
        timer.join()

        assert len(partial_results(raised.value)) < 5000
        until_s = time.monotonic() + 10
        while (left := _left_on(dask_client)) != (0, 0) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert left == (0, 0)

    def test_whatever_the_user_holds_will_do(self, dask_client):
        address = dask_client.scheduler.address

        for held in (dask_client, dask_client.get_executor(), address):
            assert tuned_map(abs, range(-20, 0), executor=held) == list(range(20, 0, -1))

    @pytest.mark.parametrize(
        ("name", "on", "off"),
        [("retries", 2, 0), ("pure", True, False), ("allow_other_workers", True, False)],
    )
    def test_an_option_of_its_executor_that_cannot_be_kept_is_refused(
        self, dask_client, name, on, off
    ):
        first = next(iter(dask_client.scheduler_info()["workers"]))

        with pytest.raises(InvalidOptionError, match=f"{name}={on} of .* cannot be kept"):
            tuned_map(
                abs, range(9), executor=dask_client.get_executor(workers=[first], **{name: on})
            )
        held = dask_client.get_executor(workers=[first], **{name: off})
        assert tuned_map(abs, range(9), executor=held) == list(range(9))

    @pytest.mark.parametrize("by", ["address", "name", "host"])
    def test_items_go_to_the_workers_that_were_named(self, dask_client, by):
        workers = dask_client.scheduler_info()["workers"]
        first = min(workers)
        named = first if by == "address" else workers[first][by]
        pids = dask_client.run(os.getpid)

        found = tuned_map(
            engine_items.pid_after_a_while,
            [0.01] * 8,
            executor=dask_client,
            engine={"workers": [named]},
        )

        assert set(found) == ({pids[first]} if by != "host" else set(pids.values()))

    def test_items_go_where_their_resources_are(self, tmp_path):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=1, n_threads=4) as found,
            Client(found.address, timeout=30) as client,
        ):
            found.add_worker("--resources", "GPU=2")
            client.wait_for_workers(2, timeout=60)
            given = {"resources": {"GPU": 1}, "priority": 3}
            mapped = autotune(
                engine_items.pid_after_a_while, executor=client, engine=given, thread_safe=True
            )
            ran = set(mapped([0.01] * 40))
            workers = client.scheduler_info()["workers"]
            with_gpu = [one for one, told in workers.items() if told["resources"]]
            assert ran == set(client.run(os.getpid, workers=with_gpu).values())
            assert "2 chunks at once" in str(mapped.explain())

    def test_a_cluster_without_workers_is_waited_for_as_long_as_was_asked(self, tmp_path):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=0, n_threads=1) as found,
            Client(found.address, timeout=30) as client,
            pytest.raises(WorkersUnavailable, match="no worker that may be used for 0.5 s"),
        ):
            tuned_map(abs, range(9), executor=client, start_timeout=0.5)

    def test_the_user_is_told_what_the_call_waits_for(self, tmp_path, monkeypatch):
        from distributed import Client

        monkeypatch.setattr(executor_processes, "WARN_S", 0.5)
        with (
            dask_processes(tmp_path, n_workers=0, n_threads=1) as found,
            Client(found.address, timeout=30) as client,
            pytest.warns(AmorsizeWarning, match="The call waits for one for 45 s") as told,
        ):
            timer = threading.Timer(1.0, found.add_worker)
            timer.start()
            assert tuned_map(abs, range(-9, 0), executor=client, start_timeout=45) == list(
                range(9, 0, -1)
            )
            timer.join()
        assert len([one for one in told if one.category is AmorsizeWarning]) == 1

    def test_items_that_are_futures_stay_where_they_are(self, dask_client):
        from distributed import wait

        held = dask_client.map(engine_items.pid_after_a_while, [0.01] * 8, pure=False)
        wait(held)
        before = dask_client.who_has(held)

        here = tuned_map(engine_items.pid_beside, held, executor=dask_client)

        assert all(there == pid for there, pid in here)
        assert dask_client.who_has(held) == before

    def test_values_that_are_all_in_one_process_are_shared_out(self, dask_client):
        """A process with too many chunks already gives some to the others, with their values."""
        from distributed import wait

        one = min(dask_client.scheduler_info()["workers"])
        held = dask_client.map(engine_items.pid_after_a_while, [0.0] * 40, pure=False, workers=one)
        wait(held)

        found = tuned_map(engine_items.pid_beside_after_a_while, held, executor=dask_client)

        assert {there for there, _ in found} == set(
            dask_client.run(os.getpid, workers=[one]).values()
        )
        assert len({pid for _, pid in found}) == 2

    def test_futures_that_are_not_done_are_waited_for(self, dask_client):
        held = dask_client.map(engine_items.pid_after_a_while, [0.3] * 4, pure=False)

        found = tuned_map(engine_items.pid_beside, held, executor=dask_client)

        assert [there for there, _ in found] == dask_client.gather(held)

    @pytest.mark.parametrize("kind", [ZeroDivisionError, CancelledError])
    def test_a_future_without_a_result_is_its_item_s_error(self, dask_client, kind):
        """One that has failed, or was cancelled: nobody has cancelled anything of the call."""
        is_cancelled = kind is CancelledError
        held = dask_client.map(engine_items.inverse, [1, 2, 8 * is_cancelled, 4], pure=False)
        if is_cancelled:
            held[2].cancel()

        found = tuned_map(abs, held, executor=dask_client, return_exceptions=True)

        assert isinstance(found.pop(2), kind)
        assert found == [1, 0.5, 0.25]
        with pytest.raises(kind) as raised:
            tuned_map(abs, held, executor=dask_client)
        assert any("item 2" in note for note in raised.value.__notes__)

    @pytest.mark.parametrize("chunksize", [3, 8])
    def test_a_future_that_failed_costs_its_chunk_no_other_item(self, dask_client, chunksize):
        held = dask_client.map(engine_items.inverse, [1, 2, 0, 4, 0, 8], pure=False)

        found = tuned_map(
            *(engine_items.scaled, held, range(6)),
            executor=dask_client,
            chunksize=chunksize,
            return_exceptions=True,
        )

        assert [type(found.pop(k)) for k in (4, 2)] == [ZeroDivisionError] * 2
        assert found == [0, 0.5, 3 / 4, 5 / 8]

    def test_a_client_that_was_closed_is_told_at_once(self, dask_client):
        """Also one that has futures, as a client has no scheduler any more."""
        from distributed import Client

        address = dask_client.scheduler.address
        with Client(address, set_as_default=False) as client:
            held = client.map(engine_items.inverse, [1, 2], pure=False)
        began_s = time.monotonic()

        for data in ([1, 2], held):
            with pytest.raises(WorkersUnavailable) as raised:
                tuned_map(abs, data, executor=client)
            assert str(raised.value) == (
                "the Dask cluster is gone: the client's connection to the scheduler is closed"
            )
        assert time.monotonic() - began_s < 2

    def test_a_worker_that_is_retired_loses_nothing(self, tmp_path, items):
        with two_workers(tmp_path) as (_, client):
            mapped = autotune(engine_items.noted_slowly, executor=client)
            stream = mapped.stream(items(300))
            given = [next(stream) for _ in range(10)]
            client.retire_workers([min(client.scheduler_info()["workers"])])
            given += stream

        assert given == list(range(300))
        assert "1 chunks at once" in str(mapped.explain())

    def test_a_restart_of_all_workers_costs_only_what_they_had(self, tmp_path, items):
        """`client.restart()` cancels chunks whose processes it ends."""
        from distributed import Client

        with two_workers(tmp_path) as (found, client):
            mapped = autotune(engine_items.noted_slowly, executor=client)
            stream = mapped.stream(items(300))
            given = [next(stream) for _ in range(10)]
            with Client(found.address, timeout=30, set_as_default=False) as other:
                timer = threading.Timer(0.2, other.restart, kwargs={"timeout": 60})
                timer.start()
                given += stream
                timer.join()

        assert given == list(range(300))
        ran = runs(items)
        assert set(ran) == set(range(300))
        assert max(map(ran.count, ran)) <= 2
        told = str(mapped.explain())
        assert re.search(r"items \d+ to \d+ were lost - ", told)
        assert "no worker - workers have gone" in told

    def test_a_worker_that_comes_back_at_its_address_between_two_looks_is_met_anew(
        self, tmp_path, items, monkeypatch
    ):
        """It says that it is another one; until then the call takes it for the one before."""
        from distributed import Client

        monkeypatch.setattr(dask_watch, "LOOK_S", 5.0)
        with dask_processes(tmp_path, n_workers=0, n_threads=1) as found:
            place = ("--no-nanny", "--worker-port", str(free_port()))
            worker = found.add_worker(*place)
            with Client(found.address, timeout=30) as client:
                client.wait_for_workers(1, timeout=60)
                stream = autotune(engine_items.noted_slowly, executor=client).stream(items(100))
                given = [next(stream)]
                os.killpg(worker.pid, signal.SIGKILL)
                found.add_worker(*place)
                given += stream

        assert given == list(range(100))
        ran = runs(items)
        assert max(map(ran.count, ran)) <= 2

    def test_a_package_of_another_version_is_named_with_the_way_out(
        self, dask_client, tmp_path, monkeypatch
    ):
        for where, version in (("there", 1), ("here", 2)):
            folder = tmp_path / where / "site-packages"
            folder.mkdir(parents=True)
            (folder / "varying.py").write_text(
                f"__version__ = '{version}.0'\ndef of(x): return x + {version}\n"
            )
        there = str(tmp_path / "there" / "site-packages")
        dask_client.run(lambda: sys.path.insert(0, there))
        monkeypatch.syspath_prepend(tmp_path / "here" / "site-packages")
        import varying

        try:
            with pytest.raises(SerializationError, match=r"varying is 1\.0 .* 2\.0") as raised:
                tuned_map(lambda x: varying.of(x), range(9), executor=dask_client)
        finally:
            dask_client.run(lambda: sys.path.remove(there))

        assert "PipInstall" in str(raised.value)

    def test_the_backend_is_the_client_that_is_there(self, dask_client, monkeypatch):
        pids = set(dask_client.run(os.getpid).values())

        assert set(tuned_map(engine_items.pid_after_a_while, [0.01] * 8, backend="dask")) <= pids
        monkeypatch.setenv("AMORSIZE_BACKEND", "dask")
        assert set(tuned_map(engine_items.pid_after_a_while, [0.01] * 8)) <= pids

    def test_the_command_line_takes_an_address(self, dask_client, tmp_path):
        command = [sys.executable, "-m", "amorsize", "run", "math:sqrt", "--data-range", "9"]
        where = ["--backend", "dask", "--address", dask_client.scheduler.address, "--explain"]

        ran = run_command([*command, *where], cwd=tmp_path, timeout_s=60)

        assert [float(line) for line in ran.stdout.split()] == [x**0.5 for x in range(9)]
        assert "9 in processes" in ran.stderr

    def test_a_scheduler_that_nobody_answers_for_is_told(self, monkeypatch):
        monkeypatch.setattr(finding, "CONNECT_S", 1.0)
        with pytest.raises(WorkersUnavailable, match="does not answer within 1 s"):
            tuned_map(abs, range(9), executor="tcp://127.0.0.1:9")

    def test_items_that_may_not_share_a_process_take_turns(self, tmp_path):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=1, n_threads=4) as found,
            Client(found.address, timeout=30) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            mapped = autotune(engine_items.stored_and_read, executor=client, chunksize=1)
            assert mapped(range(60)) == list(range(60))
            assert "one item at a time in each process" in str(mapped.explain())

    def test_workers_that_come_late_get_items(self, tmp_path):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=0, n_threads=1) as found,
            Client(found.address, timeout=30) as client,
        ):
            timer = threading.Timer(1.0, found.add_worker)
            timer.start()
            mapped = autotune(engine_items.pid_after_a_while, executor=client, chunksize=4)
            stream = mapped.stream([0.02] * 1500)
            pids = {next(stream)}
            found.add_worker()
            pids |= set(stream)
            timer.join()

        assert len(pids) == 2
        assert "workers have come or gone" in str(mapped.explain())

    def test_an_adaptive_cluster_starts_workers_for_what_is_left(self):
        """It knows of the work that it has not been sent, and is left with none."""
        from distributed import Client, LocalCluster

        with (
            LocalCluster(
                n_workers=0,
                threads_per_worker=1,
                processes=False,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            cluster.adapt(minimum=0, maximum=3, interval="100ms")
            mapped = autotune(engine_items.number_after_a_while, executor=client)
            assert mapped(range(300)) == list(range(300))
            until_s = time.monotonic() + 5
            while (left := _left_on(client)) != (0, 0) and time.monotonic() < until_s:
                time.sleep(0.05)
            assert left == (0, 0)

        told = str(mapped.explain())
        assert "no worker yet" in told
        assert "3 chunks at once" in told

    def test_a_lost_scheduler_ends_the_call(self, tmp_path, items):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=1, n_threads=1) as found,
            Client(found.address, timeout=5) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            stream = autotune(engine_items.noted_slowly, executor=client).stream(items(500))
            given = [next(stream) for _ in range(5)]
            found.scheduler.kill()
            killed_s = time.monotonic()
            with pytest.raises(WorkersUnavailable, match="Dask cluster at .* is gone"):
                given += stream
            assert time.monotonic() - killed_s < 5

    @pytest.mark.parametrize("of_futures", [False, True])
    def test_a_scheduler_that_has_just_been_lost_is_told_at_once(self, tmp_path, of_futures):
        """Before its client has seen that: nothing that the scheduler is asked is waited for."""
        from distributed import Client, wait

        with (
            dask_processes(tmp_path, n_workers=1, n_threads=1) as found,
            Client(found.address, timeout=5) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            data = client.map(engine_items.inverse, range(1, 9), pure=False)
            wait(data)
            found.scheduler.kill()
            killed_s = time.monotonic()
            with pytest.raises(WorkersUnavailable, match="Dask cluster at .* is gone"):
                tuned_map(abs, data if of_futures else range(9), executor=client)
            assert time.monotonic() - killed_s < 2

    def test_a_scheduler_that_stands_still_ends_the_call(self, tmp_path, items, monkeypatch):
        from distributed import Client

        monkeypatch.setattr(dask_watch, "SILENT_S", 3.0)
        with (
            dask_processes(tmp_path, n_workers=1, n_threads=1) as found,
            Client(found.address, timeout=5) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            stream = autotune(engine_items.noted_slowly, executor=client).stream(items(500))
            given = [next(stream)]
            found.scheduler.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(WorkersUnavailable, match="has not answered for 3 s"):
                    given += stream
                with pytest.raises(WorkersUnavailable, match="has not answered for 3 s"):
                    tuned_map(engine_items.noted_slowly, items(9), executor=client)
            finally:
                found.scheduler.send_signal(signal.SIGCONT)

    def test_a_closed_cluster_is_told(self):
        from distributed import LocalCluster

        with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
            pass
        with pytest.raises(WorkersUnavailable, match="the Dask cluster cannot be used: .*closed"):
            tuned_map(abs, range(9), executor=cluster)

    def test_a_client_for_coroutines_is_refused(self, dask_client):
        from distributed import Client

        async def call() -> None:
            address = dask_client.scheduler.address
            async with Client(address, asynchronous=True, set_as_default=False) as client:
                tuned_map(abs, range(9), executor=client)

        with pytest.raises(InvalidOptionError, match="asynchronous=True"):
            asyncio.run(call())

    def test_a_lost_scheduler_leaves_what_was_done(self, tmp_path, items):
        from distributed import Client

        with (
            dask_processes(tmp_path, n_workers=1, n_threads=1) as found,
            Client(found.address, timeout=5) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            tuned_map(engine_items.noted_slowly, items(3), executor=client)
            timer = threading.Timer(2.0, found.scheduler.kill)
            timer.start()
            with pytest.raises(WorkersUnavailable) as raised:
                tuned_map(engine_items.noted_slowly, items(2000), executor=client)
            timer.join()
            assert partial_results(raised.value)


@DASK
def test_a_new_user_s_three_terminals(tmp_path):
    """`dask scheduler`, `dask worker` and the script of the page on Dask."""
    script = saved_on_page("dask", tmp_path)
    with dask_processes(tmp_path, n_workers=1, n_threads=1) as found:
        ran = run_command([sys.executable, script, found.address], cwd=tmp_path, timeout_s=60)

    assert ran.stdout == "9592 primes\n"
    assert "Error" not in ran.stderr


@pytest.mark.skipif(bool(NOT_HERE["mpi"]), reason=str(NOT_HERE["mpi"]))
def test_the_page_on_mpi_can_be_followed(tmp_path):
    script = saved_on_page("mpi", tmp_path)

    ran = run_command(mpiexec(script), cwd=tmp_path, timeout_s=60)

    assert ran.stdout == "9592 primes\n"


def free_port():
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def saved_on_page(name, folder):
    """The script that a page on an engine has its reader save."""
    page = (ROOT / "docs" / "how-to" / f"{name}.md").read_text("utf-8")
    (found,) = (one for one in blocks(page) if one.saved_as)
    path = folder / found.saved_as
    path.write_text(found.text, "utf-8")
    return str(path)


def mpiexec(script):
    """What runs a script with two processes for items."""
    program = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or "mpiexec"
    return [program, "-n", "3", sys.executable, "-m", "mpi4py.futures", str(script)]


MPI_MAP = """
from mpi4py.futures import MPIPoolExecutor
from engine_items import pid_after_a_while
from amorsize import tuned_map

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        print(len(set(tuned_map(pid_after_a_while, [0.01] * 40, executor=executor))))
"""


@pytest.mark.skipif(bool(NOT_HERE["mpi"]), reason=str(NOT_HERE["mpi"]))
def test_mpi_runs_items_on_its_other_processes(tmp_path):
    """`mpiexec -n 3 python -m mpi4py.futures script.py`: one process maps, two run items."""
    script = tmp_path / "script.py"
    script.write_text(MPI_MAP)
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))

    ran = run_command(mpiexec(script), cwd=tmp_path, timeout_s=60, environ={"PYTHONPATH": path})

    assert ran.stdout.split() == ["2"]


RAY_KILLED = """
import os, signal, sys, threading, time
import psutil, ray
sys.path.insert(0, sys.argv[1])
from engine_items import pid_after_a_while
from amorsize import tuned_map
from amorsize.errors import WorkersUnavailable

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
tuned_map(pid_after_a_while, [0.01] * 4, executor="ray")
found = [one for one in psutil.Process().children() if one.name() == "raylet"]
threading.Timer(1.0, found[0].kill).start()
began = time.monotonic()
try:
    tuned_map(pid_after_a_while, [0.05] * 100_000, executor="ray")
except WorkersUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(bool(NOT_HERE["ray"]), reason=str(NOT_HERE["ray"]))
def test_a_killed_ray_runtime_ends_the_call(tmp_path):
    """In an error of ours, or with the program, which Ray itself may end; never in a hang."""
    script = tmp_path / "script.py"
    script.write_text(RAY_KILLED)
    command = [sys.executable, str(script), str(ROOT / "tests")]

    ran = run_command(command, cwd=tmp_path, timeout_s=75, returncode=None)

    assert "is gone" in ran.stdout or "could not run" in ran.stdout or ran.returncode != 0


def _left_on(client):
    """Tasks that the scheduler knows, and bytes that its workers hold."""

    def counted(dask_scheduler):
        workers = dask_scheduler.workers.values()
        return len(dask_scheduler.tasks), sum(one.nbytes for one in workers)

    return client.run_on_scheduler(counted)
