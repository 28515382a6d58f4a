"""What one item does to files is noted of the thread that runs it."""

import threading

import pytest

from amorsize._watching import file_writes
from amorsize._watching.file_writes import FilesChanged


def test_two_threads_note_each_their_own_files(tmp_path):
    """Two tuned calls in two threads watch their items at the same time."""
    both_watch, both_wrote = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)
    noted = {}

    def watch(name):
        with FilesChanged() as files:
            both_watch.wait()
            (tmp_path / name).write_text("x")
            both_wrote.wait()
        noted[name] = files.paths

    threads = [threading.Thread(target=watch, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert noted == {name: {str(tmp_path / name)} for name in ("a", "b")}


def test_another_thread_that_ends_first_ends_no_noting(tmp_path):
    """Nor does one that begins later."""
    with FilesChanged() as files:

        def watch():
            with FilesChanged():
                (tmp_path / "other").write_text("x")

        thread = threading.Thread(target=watch)
        thread.start()
        thread.join(30)
        (tmp_path / "mine").write_text("x")

    assert files.paths == {str(tmp_path / "mine")}


def test_a_call_within_an_item_is_noted_of_both(tmp_path):
    """The item that makes the call has written the file as well."""
    with FilesChanged() as outer:
        with FilesChanged() as inner:
            (tmp_path / "inner").write_text("x")
        (tmp_path / "outer").write_text("x")

    assert inner.paths == {str(tmp_path / "inner")}
    assert outer.paths == {str(tmp_path / "inner"), str(tmp_path / "outer")}


def test_nothing_is_kept_after_an_item_that_fails(tmp_path):
    """The next item of the thread begins anew."""

    def fail():
        with FilesChanged():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert file_writes._noting == {}
