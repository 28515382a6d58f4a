"""Whether this process may be forked now.

Most of it runs in fresh interpreters: the test runner and its plugins may have threads themselves.
"""

import subprocess
import sys
import textwrap

import pytest

from amorsize._host import fork_safety
from amorsize.errors import InvalidOptionError

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


def answers(script, **environ):
    """Run a script that prints answers in a fresh interpreter; its lines."""
    import os

    cleaned = {name: text for name, text in os.environ.items() if not name.startswith("AMORSIZE")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**cleaned, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@linux_only
class TestPythonThreads:
    def test_a_process_with_one_thread_may_fork(self):
        """The normal case; `threading` is not even loaded to find out."""
        assert answers("""
            import sys
            from amorsize._host.fork_safety import why_not_fork
            print(why_not_fork(), "threading" in sys.modules)
        """) == ["None False"]

    def test_other_threads_are_named(self):
        """Whoever is refused a fork is told which thread stands in the way."""
        assert answers("""
            import threading
            from amorsize._host.fork_safety import why_not_fork
            end = threading.Event()
            threads = [threading.Thread(target=end.wait, name=f"pump-{n}") for n in range(5)]
            threads[0].start()
            print(why_not_fork())
            for thread in threads[1:]:
                thread.start()
            print(why_not_fork())
            end.set()
            for thread in threads:
                thread.join()
            print(why_not_fork())
        """) == [
            "1 other Python thread: 'pump-0'",
            "5 other Python threads: 'pump-0', 'pump-1', 'pump-2' and 2 more",
            "None",
        ]

    def test_a_thread_asks_about_the_main_one(self):
        """A fork from a thread leaves the main one behind."""
        assert answers("""
            import threading
            from amorsize._host.fork_safety import why_not_fork
            thread = threading.Thread(target=lambda: print(why_not_fork()))
            thread.start()
            thread.join()
        """) == ["1 other Python thread: 'MainThread'"]

    def test_a_thread_below_threading_counts(self):
        """Threads of `_thread` have no names, and count all the same."""
        assert answers("""
            import _thread, time
            from amorsize._host.fork_safety import why_not_fork
            lock = _thread.allocate_lock()
            lock.acquire()
            _thread.start_new_thread(lock.acquire, ())
            print(why_not_fork())
            lock.release()
            while _thread._count():  # until it has seen that
                time.sleep(1e-3)
            print(why_not_fork())
        """) == ["1 other Python thread started by `_thread`", "None"]

    def test_a_thread_just_joined_is_no_reason(self):
        """The kernel lists it a little longer; that is waited for."""
        assert (
            answers("""
            import threading
            from amorsize._host.fork_safety import why_not_fork
            for _ in range(100):
                thread = threading.Thread(target=int)
                thread.start()
                thread.join()
                if why_not_fork() is not None:
                    print(why_not_fork())
        """)
            == []
        )


@linux_only
class TestNativeThreads:
    OPENBLAS = """
        import os, threading
        from amorsize._host.fork_safety import why_not_fork
        import numpy
        matrix = numpy.ones((400, 400))
        def n_threads():
            return len(os.listdir("/proc/self/task"))
        matrix @ matrix
    """

    def test_the_pool_of_openblas_is_safe(self):
        """It leaves before a fork and comes back after it, on both sides."""
        pytest.importorskip("numpy")
        lines = answers(
            self.OPENBLAS
            + """
        print(why_not_fork())
        pid = os.fork()
        if pid == 0:
            matrix @ matrix
            os._exit(why_not_fork() is not None)
        print(os.waitpid(pid, 0)[1], why_not_fork())
        matrix @ matrix
        print(why_not_fork())
        """
        )

        assert lines == ["None", "0 None", "None"]

    def test_a_python_thread_beside_it_is_not(self):
        """Safe native threads do not excuse others."""
        pytest.importorskip("numpy")
        lines = answers(
            self.OPENBLAS
            + """
        end = threading.Event()
        threading.Thread(target=end.wait, name="pump").start()
        print(why_not_fork())
        end.set()
        """
        )

        assert lines == ["1 other Python thread: 'pump'"]

    # A native thread that Python knows nothing of, started by the C library itself
    NATIVE = """
        import ctypes
        from amorsize._host.fork_safety import why_not_fork
        libc = ctypes.CDLL(None)
        begin = ctypes.cast(libc.{wait}, ctypes.c_void_p)
        thread = ctypes.c_ulong()
        assert libc.pthread_create(ctypes.byref(thread), None, begin, ctypes.c_void_p(60)) == 0
        {then}
        print(why_not_fork())
        print(why_not_fork())
    """

    def test_a_native_thread_of_unknown_origin_is_not(self):
        """What no table knows is not forked with."""
        lines = answers(self.NATIVE.format(wait="sleep", then=""))

        assert lines == ["1 native thread of unknown libraries"] * 2

    def test_a_native_thread_with_a_name_is_named(self):
        """Libraries name their service threads, so the reason can."""
        name = "libc.pthread_setname_np(thread, b'grpc_poller')"
        lines = answers(self.NATIVE.format(wait="sleep", then=name))

        assert lines == ["1 native thread: 'grpc_poller'"] * 2


class TestJudgement:
    """The judgement over recorded maps and threads."""

    MAPS = (
        "7f10-7f20 r-xp 00000000 08:01 1 /venv/numpy.libs/libscipy_openblas64_-32a4.so\n"
        "7f20-7f30 r-xp 00000000 08:01 1 /venv/numpy.libs/libscipy_openblas64_-32a4.so\n"
        "7f30-7f40 r-xp 00000000 08:01 2 /venv/my libs/scipy.libs/libscipy_openblas-68d6.so\n"
        "7f40-7f50 r--p 00000000 08:01 3 /home/openblas/project/module.so\n"
        "7f50-7f60 rw-p 00000000 00:00 0 [heap]\n"
        "7f60-7f70 rw-p 00000000 00:00 0\n"
    )

    @pytest.fixture(autouse=True)
    def _four_cpus(self, monkeypatch):
        for variable in fork_safety._OPENBLAS_VARIABLES:
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(fork_safety.os, "cpu_count", lambda: 4)

    def test_each_copy_of_openblas_has_a_pool(self):
        """numpy and scipy bring one each, with one thread less than there are CPUs."""
        assert fork_safety._n_pooled(self.MAPS) == 2 * 3

    def test_a_pool_is_limited_by_the_environment(self, monkeypatch):
        """As OpenBLAS itself reads it: its own variable before OpenMP's."""
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert fork_safety._n_pooled(self.MAPS) == 2 * 2
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
        assert fork_safety._n_pooled(self.MAPS) == 0

    def test_debians_openblas_is_known_by_its_folder(self):
        """There it is called libblas.so.3, and its LAPACK lies beside it."""
        folder = "/usr/lib/x86_64-linux-gnu/openblas-pthread"
        maps = "".join(
            f"7f10-7f20 r-xp 00000000 08:01 1 {folder}/{name}\n"
            for name in ("libblas.so.3", "liblapack.so.3", "libopenblasp-r0.3.26.so")
        )

        assert fork_safety._n_pooled(maps) == 3

    @pytest.mark.parametrize(
        ("syscall", "reason"),
        [
            ("202 0x1 0x2 0x7ffe00 0x7f75\n", "1 thread of OpenMP (libgomp)"),
            ("running\n", "1 busy native thread, perhaps of OpenMP (libgomp)"),
            ("", "1 busy native thread, perhaps of OpenMP (libgomp)"),
            ("202 0x1 0x2 0x7ffe00 0x7f15\n", None),
        ],
    )
    def test_threads_of_gnu_openmp_are_told_by_where_they_wait(self, monkeypatch, syscall, reason):
        """A fork would make the child's next parallel region wait for ever."""
        maps = self.MAPS + "7f70-7f80 r-xp 00000000 08:01 4 /venv/sk.libs/libgomp-e985.so.1.0.0\n"
        monkeypatch.setattr(fork_safety.procfs, "read", lambda _path: syscall)

        judged = fork_safety._openmp_threads(["17"], maps)

        assert judged is None if reason is None else judged.startswith(reason)

    def test_without_openmp_nothing_is_suspected(self):
        """Most processes never load it."""
        assert fork_safety._openmp_threads(["17"], self.MAPS) is None


class TestStartMethod:
    @linux_only
    def test_linux_forks_unless_told_otherwise(self):
        """`AMORSIZE_START=clean` turns forking off, and is the reason given."""
        assert fork_safety.start_method(environ={}) == "fork"
        assert fork_safety.start_method(environ={"AMORSIZE_START": ""}) == "fork"
        assert fork_safety.start_method(environ={"AMORSIZE_START": "clean"}) == "clean"
        reason = fork_safety.why_not_fork(environ={"AMORSIZE_START": "clean"})
        assert reason == "AMORSIZE_START=clean in the environment"

    @pytest.mark.parametrize("ask", [fork_safety.start_method, fork_safety.why_not_fork])
    def test_another_value_is_an_error_that_names_it(self, ask):
        """A typo is told, not guessed at."""
        with pytest.raises(InvalidOptionError, match="AMORSIZE_START='spawn'"):
            ask(environ={"AMORSIZE_START": "spawn"})

    @pytest.mark.parametrize(
        ("platform", "word"), [("darwin", "macOS"), ("win32", "win32"), ("wasi", "wasi")]
    )
    def test_other_platforms_start_clean(self, monkeypatch, platform, word):
        """Whatever they call fork, it is not relied on."""
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(fork_safety.sys, "platform", platform)

            assert fork_safety.start_method(environ={}) == "clean"
            assert word in fork_safety.why_not_fork(environ={})


@linux_only
def test_threads_that_have_been_there_for_a_while_are_not_waited_for():
    """Each call of a server would sleep twice, and be woken late on a busy host."""
    lines = answers("""
        import threading
        from amorsize._host import fork_safety
        sleeps = []
        fork_safety.sleep = sleeps.append
        wait = threading.Event()
        thread = threading.Thread(target=wait.wait)
        thread.start()
        print(fork_safety.why_not_fork() is not None, len(sleeps))
        threading.Event().wait(1.5 * fork_safety._ENDING_S)
        print(fork_safety.why_not_fork() is not None, len(sleeps))
        wait.set()
        thread.join()
    """)
    assert lines == ["True 1", "True 1"]
