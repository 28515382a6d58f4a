"""Functions that use an archive or a compressed file which was opened once."""

import bz2
import gzip
import io
import struct
import tarfile
import zipfile

from .casebook import CALLER, of_kind, work

case = of_kind("handles", __name__, right=CALLER)
N = 60
handle = None


def open_zip():
    global handle
    with zipfile.ZipFile("pages.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for k in range(N):
            out.writestr(f"page{k}", f"{k}," * 2000)
    handle = zipfile.ZipFile("pages.zip")


@case([f"page{k}" for k in range(N)], setup=open_zip)
def member(name):
    text = handle.read(name)
    work()
    return len(text), text[:5]


def open_tar():
    global handle
    with tarfile.open("pages.tar", "w") as out:
        for k in range(N):
            content = f"{k},".encode() * 3000
            info = tarfile.TarInfo(f"page{k}")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    handle = tarfile.open("pages.tar")


@case([f"page{k}" for k in range(N)], setup=open_tar)
def tarred(name):
    text = handle.extractfile(name).read()
    work()
    return len(text), text[:5]


def open_gzip():
    global handle
    with gzip.open("long.gz", "wb") as out:
        for k in range(N):
            out.write(struct.pack("<q", k) * 100)
    handle = gzip.open("long.gz", "rb")


@case(range(N), setup=open_gzip)
def unzipped_part(k):
    handle.seek(800 * k)
    work()
    return struct.unpack("<q", handle.read(8))[0]


def open_bz2():
    global handle
    with bz2.open("lines.bz2", "wt") as out:
        out.writelines(f"line {k}\n" for k in range(4 * N))
    handle = bz2.open("lines.bz2", "rt")


@case(range(N), setup=open_bz2)
def unpacked_line(k):
    work()
    return k, handle.readline()


def begin_zip():
    global handle
    handle = zipfile.ZipFile("made.zip", "w")


@case(range(N), setup=begin_zip, effects=lambda: sorted(handle.namelist()), ignored=("handle",))
def into_zip(k):
    work()
    handle.writestr(f"{k}-{len(handle.namelist())}", str(k))
