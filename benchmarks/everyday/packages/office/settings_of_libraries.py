"""Functions whose answer depends on what the program has entered in tables of libraries."""

import collections
import configparser
import datetime
import email.charset
import email.mime.text
import encodings.aliases
import enum
import gettext
import html.entities
import http.client
import linecache
import sys
import urllib.parse
from array import array
from dataclasses import dataclass

from .casebook import CALLER, PROCESSES, of_kind, work

case = of_kind("settings", __name__, right=PROCESSES)
N = 60


def plain_mail():
    email.charset.add_charset("utf-8", email.charset.QP, email.charset.QP, "utf-8")


@case(range(N), setup=plain_mail)
def mail(k):
    work()
    return email.mime.text.MIMEText(f"größe {k}", _charset="utf-8").as_string()


def know_scheme():
    urllib.parse.uses_relative.append("office")
    urllib.parse.uses_netloc.append("office")


@case(range(N), setup=know_scheme)
def joined(k):
    work()
    return urllib.parse.urljoin("office://host/a/b", f"part{k}")


@case(range(N), setup=lambda: encodings.aliases.aliases.update(office_text="latin_1"))
def by_alias_of_encoding(k):
    work()
    return f"größe {k}".encode("office_text")


@case(range(N), setup=lambda: html.entities.html5.update({"office;": "O"}))
def entity(k):
    work()
    return html.entities.html5.get("office;"), k


@case(range(N), setup=lambda: http.client.responses.update({299: "Kept"}))
def answer_of_server(k):
    work()
    return http.client.responses.get(200 + 99 * (k % 2))


def invent_file():
    linecache.cache["<office>"] = 4, None, ["first\n", "second\n"], "<office>"


@case(range(N), setup=invent_file)
def line_of_source(k):
    work()
    return linecache.getline("<office>", 1 + k % 2)


def other_domain():
    gettext.textdomain("office")
    gettext.bindtextdomain("office", "/nowhere")


@case(range(N), setup=other_domain)
def domain_of_texts(k):
    work()
    return gettext.textdomain(), gettext.bindtextdomain("office"), k


@case(range(N), setup=lambda: sys.modules.update(office_alias_of=collections))
def from_alias_of_library(k):
    import office_alias_of

    work()
    return office_alias_of.Counter("abcab")["ab"[k % 2]]


config = configparser.ConfigParser()


@case(range(N), setup=lambda: config.read_string("[tax]\nshare = 19\n"))
def by_config(k):
    work()
    return k * config.getint("tax", "share", fallback=0)


# -- what hashes as text, or by its place --------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """Hashes as its fields do."""

    name: str
    number: int


@case(range(N))
def keys_in_order(k):
    work()
    return [key.name for key in {Key(name, k) for name in ("ann", "bob", "cyd", "dan")}]


class Color(enum.Enum):
    """Members hash by their names."""

    RED, BLUE, GREEN, PINK = range(4)


@case(range(N))
def colors_in_order(k):
    work()
    return [color.name for color in set(Color)], hash(Color.RED) % (7 + k)


@case(range(N))
def days_in_order(k):
    work()
    return [str(day) for day in {datetime.date(2024, 1 + k % 12, n) for n in range(1, 8)}]


@case(range(N))
def types_in_order(k):
    work()
    return [kind.__name__ for kind in {int, str, float, bytes, list}], k


@case([f"user{k}" for k in range(N)])
def bucket_by_dict(name):
    """Text hashes are asked for through a method."""
    work()
    return name.__hash__() % 64, (name,).__hash__() % 64


# -- large tables --------------------------------------------------------------------------------

samples = array("d")
index: dict = {}
blob = b""


def load_samples():
    samples.extend(float(k % 1013) for k in range(1_000_000))


@case(range(N), setup=load_samples, ignored=("samples",))
def from_typed_array(k):
    work()
    return sum(samples[k:1_000_000:5000])


def load_index():
    index.update((k, (k % 7, str(k))) for k in range(100_000))


@case(range(N), setup=load_index, ignored=("index",))
def from_large_index(k):
    work()
    return index[k * 1000]


@case(range(N), setup=load_index, ignored=("index",), right=CALLER)
def into_large_index(k):
    work()
    index[k] = index[k][0] + 1, "seen"
    return index[k]


def load_blob():
    global blob
    blob = bytes(range(256)) * 40_000


@case(range(N), setup=load_blob, ignored=("blob",))
def from_large_bytes(k):
    work()
    return sum(blob[k::100_000])
