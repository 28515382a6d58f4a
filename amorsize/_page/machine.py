"""Describes the machine on which a page is made, for that page."""

from __future__ import annotations

import platform
import sys
import time
from typing import TYPE_CHECKING

from amorsize._host import resources

if TYPE_CHECKING:
    from collections.abc import Iterator


def facts() -> Iterator[tuple[str, str]]:
    """Terms and what there is to say of each."""
    cpus, memory = resources.usable_cpus(), resources.memory()
    yield "processor", resources.cpu_model()
    yield "usable cores", f"{cpus.n_cores}: {cpus.source}"
    free, total = memory.available_bytes / 2**30, memory.total_bytes / 2**30
    limit = memory.limit_bytes
    limited = "" if limit is None else f", limited to {limit / 2**30:.1f} GiB"
    yield "memory", f"{free:.1f} GiB free of {total:.1f} GiB{limited}"
    yield "system", f"{platform.system()} {platform.release()}"
    yield "Python", f"{platform.python_implementation()} {platform.python_version()}"
    yield "amorsize", version()


def version() -> str:
    """Of amorsize."""
    return str(getattr(sys.modules["amorsize"], "__version__", "of unknown version"))


def moment(at_s: float) -> str:
    """A time since 1970 as people read it, with its zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(min(at_s, 4e9))).strip()


def foot() -> str:
    """The last line of a page."""
    return f"Made by amorsize {version()} at {moment(time.time())}. This page is one file."
