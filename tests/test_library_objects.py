"""Whether an object of the standard library changes by its method is read from the code of that."""

import argparse
import calendar
import configparser
import html.parser
import io
import json
import logging
import pprint
import statistics
import string
import textwrap
import unittest.mock
import urllib.robotparser
import xml.sax.saxutils

import pytest

from amorsize._function.sharing.thread_safety import examine


class Titles(html.parser.HTMLParser):
    """A class of the program's, by the base of a library."""

    def titles(self):
        return self.getpos()


CLIENT, ASKED = unittest.mock.Mock(return_value=1), unittest.mock.MagicMock()
CONFIG, RULES = configparser.ConfigParser(), urllib.robotparser.RobotFileParser()
WEEKS, XML = calendar.TextCalendar(), xml.sax.saxutils.XMLGenerator(io.StringIO())
PRINTER, TITLES = pprint.PrettyPrinter(stream=io.StringIO()), Titles()
OPTIONS, LINES, ENCODER = argparse.ArgumentParser(), textwrap.TextWrapper(), json.JSONEncoder()
BELL, WORDS, LOG = statistics.NormalDist(), string.Formatter(), logging.getLogger("quiet")

CHANGING = {
    "mock that is called": lambda x: CLIENT(x) if x > 40 else x,
    "method of a mock": lambda x: ASKED.fetch(x) if x > 40 else x,
    "configuration that is read": lambda x: CONFIG.read_string(f"[{x}]") if x > 40 else x,
    "rules that are parsed": lambda x: RULES.parse([f"Disallow: {x}"]) if x > 40 else x,
    "property": lambda x: WEEKS.setfirstweekday(x % 7) if x > 40 else x,
    "stream behind a generator": lambda x: XML.startElement(f"a{x}", {}) if x > 40 else x,
    "stream behind a printer": lambda x: PRINTER.pprint(x) if x > 40 else x,
    "method of a library's base": lambda x: TITLES.feed("<a>") if x > 40 else x,
}
ASKING = {
    "configuration": lambda x: CONFIG.get("a", str(x), fallback=None),
    "weeks": lambda x: WEEKS.formatmonth(2000, x),
    "options": lambda x: OPTIONS.parse_args([str(x)]),
    "lines": lambda x: LINES.wrap(f"{x}"),
    "encoder": lambda x: ENCODER.encode([x]),
    "curve": lambda x: BELL.pdf(x),
    "words": lambda x: WORDS.format("{}", x),
    "rules": lambda x: RULES.can_fetch("*", f"/{x}"),
    "logger": lambda x: LOG.debug("%s", x),
}


@pytest.mark.parametrize("way", CHANGING)
def test_an_object_that_a_method_changes_keeps_items_in_the_caller(way):
    """Also where only later items do so, as those that are watched would show it."""
    reach = examine(CHANGING[way], [1, 2])[0]

    assert reach.changed or reach.copies


@pytest.mark.parametrize("way", ASKING)
def test_a_method_that_only_asks_its_object_is_no_change(way):
    """Workers have the object as it is."""
    reach = examine(ASKING[way], [1, 2])[0]

    assert (reach.stores, reach.changed) == ((), ())
