"""Items whose files, folders, locks or ports exclude one another run in turn; others need not."""

import contextlib
import fcntl
import fileinput
import glob
import http.server
import io
import mailbox
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from xml.etree import ElementTree

import pytest

from amorsize import tuned_map
from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

PORT = 8123


def reasons(item, items):
    reach = examine(item, list(items))[0]
    words = ("one file for all", "items share", "one for all items")
    found = [one for one in reach.bound if any(word in one for word in words)]
    shared = FileNames(reach.named_by, star=False).look(list(items))[1]
    return found + ([shared] if shared else [])


def dated(x):
    os.utime("t", (x, x))


def permitted(x):
    Path("t").chmod(0o600 | x % 8)


def owned(x):
    shutil.chown("t", x)


def packed(x):
    shutil.make_archive("all", "zip", f"{x}")


def touched_unless_it_is_there(x):
    flag = Path("done")
    if flag.exists():
        return False
    flag.touch()
    return True


def a_folder(day):
    try:
        os.mkdir("d" + day.split("-")[0])
    except FileExistsError:
        return "known"
    return "new"


def a_folder_and_what_is_in_it(day):
    try:
        os.mkdir("made")
    except OSError:
        return
    Path("made", day).write_text("")


def a_folder_or_else(day):
    try:
        Path("made").mkdir()
    except OSError:
        pass
    else:
        print(day)


def opened_by_number(x):
    number = os.open("last.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(number, b"%d" % x)
    os.close(number)


def made_alone(x):
    try:
        os.close(os.open("lock", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "skipped"
    return x


def line_by_line(x):
    with open("log.txt", "a", buffering=1) as file:
        file.write(f"{x} begin\n")
        file.write(f"{x} end\n")


def unbuffered(x):
    with open("log.txt", "ab", 0) as file:
        for n in range(3):
            file.write(b"%d" % (x + n))


def flushed(x):
    with open("log.txt", "a") as file:
        print(x, end=":", file=file, flush=True)
        print("ok", file=file)


def flushed_by_a_method(x):
    with Path("log.txt").open("a") as file:
        file.write(f"{x}:")
        file.flush()
        file.write("ok\n")


def by_number_in_pieces(x):
    number = os.open("log.txt", os.O_WRONLY | os.O_APPEND)
    os.write(number, b"%d:" % x)
    os.write(number, b"ok\n")
    os.close(number)


def locked_at_once(x):
    with open("lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "skipped"
    return x


def at_a_port(x):
    with socket.create_server(("127.0.0.1", PORT)):
        return x


def at_one_of_two_ports(x):
    with socket.socket() as one:
        one.bind(("", 8000 + x % 2))


def a_server(x):
    with http.server.ThreadingHTTPServer(("", PORT), http.server.BaseHTTPRequestHandler):
        return x


def under_a_name_that_is_free(x):
    target = Path("kept") / f"{x}.jpg"
    n = 1
    while target.exists():
        target = Path("kept") / f"{x} ({n}).jpg"
        n += 1
    target.touch()


def into_a_log_that_is_free(x):
    path, n = f"{x}.log", 1
    while os.path.isfile(path):
        path, n = f"{n}-{x}.log", n + 1
    with open(path, "a") as file:
        file.write("x")


def counts_its_folder(row):
    folder = Path(row["kind"])
    n = sum(1 for _ in folder.iterdir())
    (folder / f"{n}.txt").touch()


def asks_for_its_kind(row):
    if not glob.glob(f"{row['kind']}-*"):
        Path(f"{row['kind']}-{row['n']}").write_text("first")


def counts_what_is_here(row):
    n = len(os.listdir("."))
    Path(row["name"]).write_text(str(n))


def document(x):
    tree = ElementTree.parse("all.xml")
    ElementTree.SubElement(tree.getroot(), "entry", n=str(x))
    tree.write("all.xml")


def edited(x):
    with fileinput.input("all.txt", inplace=True) as lines:
        for line in lines:
            print(line, x)


def posted(x):
    box = mailbox.mbox("all.mbox")
    box.add(str(x))
    box.flush()


def in_the_users_folder(x):
    Path(os.path.expanduser("~/last.txt")).write_text(str(x))


def in_the_folder_for_scratch(x):
    with open(os.path.join(tempfile.gettempdir(), "last.txt"), "w") as file:
        file.write(str(x))


def committed(x):
    subprocess.run(["git", "commit", "-m", f"{x}"], check=True)


def committed_by_a_shell(x):
    subprocess.run(f"cd all && git add {x}.txt", shell=True, check=True)


SHARING = [
    *(document, edited, posted, in_the_users_folder, in_the_folder_for_scratch),
    *(committed, committed_by_a_shell),
    *(dated, permitted, owned, packed, touched_unless_it_is_there, opened_by_number, made_alone),
    *(line_by_line, unbuffered, flushed, flushed_by_a_method, by_number_in_pieces, locked_at_once),
    *(at_a_port, at_one_of_two_ports, a_server),
]
BY_DAY = [a_folder, a_folder_and_what_is_in_it, a_folder_or_else]


@pytest.mark.parametrize("item", SHARING, ids=lambda one: one.__name__)
def test_items_that_exclude_one_another_run_in_turn(item):
    assert reasons(item, (1, 2, 3))


@pytest.mark.parametrize("item", [under_a_name_that_is_free, into_a_log_that_is_free])
def test_who_looks_for_a_free_name_runs_in_turn(item):
    assert reasons(item, "aba")


@pytest.mark.parametrize("item", [counts_its_folder, asks_for_its_kind])
def test_who_lists_what_others_write_runs_in_turn(item):
    assert reasons(item, [{"kind": "ab"[n % 2], "n": n} for n in range(4)])
    assert not reasons(item, [{"kind": "abcd"[n], "n": n} for n in range(4)])


def digests_of_a_kind(row):
    Path(str(uuid.uuid5(uuid.NAMESPACE_DNS, row["kind"]))).write_text("x")


def test_equal_digests_are_of_one_file():
    assert reasons(digests_of_a_kind, [{"kind": "a"}, {"kind": "a"}])


def test_who_lists_the_folder_of_unknown_names_runs_in_turn():
    assert reasons(counts_what_is_here, [{"name": "a"}, {"name": "b"}])


@pytest.mark.parametrize("item", BY_DAY, ids=lambda one: one.__name__)
def test_who_asks_whether_a_folder_is_new_runs_in_turn(item):
    assert reasons(item, ("1-1", "1-2", "2-1"))


def test_the_reason_names_the_port():
    assert reasons(at_a_port, (1, 2)) == [
        "a function that listens at port 8123, which is one for all items"
    ]


def of_its_own(x):
    os.utime(f"{x}.txt", (1, 1))
    os.chmod(f"{x}.txt", 0o600)
    Path(f"{x}.flag").touch()
    os.mkdir(f"{x}")


def documents_of_their_own(x):
    tree = ElementTree.parse("template.xml")
    tree.write(f"{x}.xml")
    tree.write(io.BytesIO())


def read_line_by_line(x):
    with fileinput.input("all.txt") as lines:
        return sum(map(len, lines)) + x


def in_a_repository_of_its_own(x):
    subprocess.run(["git", "-C", f"{x}", "add", "."], check=True)
    subprocess.run(["git", "commit"], cwd=f"{x}", check=True)
    subprocess.run(["git", "log"], check=True, capture_output=True)


def in_folders_of_the_user(x):
    Path(os.path.expanduser(f"~/{x}.txt")).write_text("x")
    (Path.home() / f"{x}.log").write_text("x")
    with open(os.path.join(tempfile.gettempdir(), f"{x}.txt"), "w") as file:
        file.write("x")


def named_by_a_digest(x):
    Path(str(uuid.uuid5(uuid.NAMESPACE_DNS, str(x)))).write_text("x")


def a_folder_that_may_be_there(x):
    os.makedirs("made", exist_ok=True)
    Path("made", "all").mkdir(parents=True, exist_ok=True)
    return x


def passed_over(x):
    try:  # noqa: SIM105 - as people write it
        os.mkdir(os.path.join("made", "all"))
    except FileExistsError:
        pass
    return x


def passed_over_at_the_end(x):
    for name in ("made", "all"):
        try:  # noqa: SIM105
            os.mkdir(name)
        except FileExistsError:
            pass


def suppressed(x):
    with contextlib.suppress(FileExistsError):
        os.mkdir("made")
    return x


def one_flushed_line(x):
    with open("log.txt", "a", buffering=1) as file:
        file.write(f"{x}\n")
        file.flush()


def told_beside_it(x):
    print("item", x, flush=True)
    with open("log.txt", "a") as file:
        file.write(f"{x}\n")


def lines_at_once(x):
    with open("log.txt", "a") as file:
        file.write(f"{x}\n")
        file.write("ok\n")


def locked_in_turn(x):
    with open("lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    return x


def locked_by_its_own(x):
    with open(f"{x}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def at_any_port(x):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
    return x


def at_a_port_of_its_own(x):
    with socket.create_server(("127.0.0.1", x)):
        return x


def only_read_by_number(x):
    number = os.open("settings", os.O_RDONLY)
    os.close(number)
    return x


FREE = [
    *(of_its_own, a_folder_that_may_be_there, passed_over, passed_over_at_the_end, suppressed),
    *(one_flushed_line, told_beside_it, lines_at_once, locked_in_turn, locked_by_its_own),
    *(at_any_port, at_a_port_of_its_own, only_read_by_number),
    *(documents_of_their_own, read_line_by_line, in_a_repository_of_its_own),
    *(in_folders_of_the_user, named_by_a_digest),
]


@pytest.mark.parametrize("item", FREE, ids=lambda one: one.__name__)
def test_items_that_share_nothing_they_change_are_free(item):
    assert not reasons(item, (1, 2, 3))


def test_what_is_flushed_in_pieces_is_not_mixed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def log(x):
        with open("log.txt", "ab", buffering=0) as file:
            file.write(b"%d:" % x)
            time.sleep(3e-3)
            file.write(b"ok\n")

    tuned_map(log, range(40))

    assert Path("log.txt").read_text().splitlines() == [f"{x}:ok" for x in range(40)]
