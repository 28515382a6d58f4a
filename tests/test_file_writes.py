"""What one item does to files is noted of the thread that runs it."""

import os
import tempfile
import threading
import time
from pathlib import Path

import pytest

from amorsize import autotune
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


def in_a_folder_of_its_own(x):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.txt").write_text(str(x))
        Path(folder, "below").mkdir()
        Path(folder, "below", "out.txt").write_text(str(x))
    return x


def in_a_named_file_of_its_own(x):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(str(x))
    return x


def in_a_nameless_file(x):
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return x


def through_a_folder_that_is_open(x):
    with tempfile.TemporaryDirectory() as folder:
        number = os.open(folder, os.O_RDONLY)
        try:
            Path(folder, "a").touch()
            os.link("a", "b", src_dir_fd=number, dst_dir_fd=number)
            os.rename("b", "c", src_dir_fd=number, dst_dir_fd=number)
            os.symlink("a", "d", dir_fd=number)
        finally:
            os.close(number)
    return x


OF_THEIR_OWN = [
    in_a_folder_of_its_own,
    in_a_named_file_of_its_own,
    in_a_nameless_file,
    through_a_folder_that_is_open,
]


@pytest.mark.parametrize("item", OF_THEIR_OWN)
def test_files_under_names_that_nothing_else_has_are_no_shared_ones(item):
    """Two items in turn have no path in common: not that of the folder, nor one in it."""
    with FilesChanged() as first:
        item(1)
    with FilesChanged() as second:
        item(2)

    assert not first.paths & second.paths


def test_a_name_beside_an_open_folder_is_noted_below_that_folder(tmp_path):
    """`dir_fd=` names the folder; where the program is has nothing to do with it."""
    (tmp_path / "a").touch()
    number = os.open(tmp_path, os.O_RDONLY)
    with FilesChanged() as files:
        os.rename("a", "b", src_dir_fd=number, dst_dir_fd=number)
        os.symlink("b", "c", dir_fd=number)
        os.remove("c", dir_fd=number)
    os.close(number)

    assert files.paths == {str(tmp_path / name) for name in "abc"}


def test_a_file_that_an_opener_of_the_item_makes_is_noted(tmp_path):
    """What `open` is given is a folder there, what the opener opens is the file."""

    def opener(folder, flags):
        return os.open(os.path.join(folder, "one"), flags)

    with FilesChanged() as files, open(tmp_path, "w", opener=opener):
        pass

    assert files.paths == {str(tmp_path / "one")}


@pytest.mark.parametrize("item", OF_THEIR_OWN)
def test_items_with_temporary_files_of_their_own_may_run_side_by_side(item):
    """Nothing is found that speaks against workers."""

    @autotune(cache=False)
    def work(x):
        time.sleep(2e-3)
        return item(x)

    assert work(range(60)) == list(range(60))
    assert "same file" not in str(work.explain())
