"""A parser with a state between its calls, and a language that is active."""

import threading

_active = threading.local()
_language = "en"
WORDS = {"en": "total", "de": "Summe", "fr": "somme"}


class Parser:
    """Is fed, and then asked; `close` makes it as new."""

    def __init__(self):
        self.parts = []

    def feed(self, text):
        """Take in some text."""
        self.parts.append(text)

    def close(self):
        """What was fed since it was new."""
        text, self.parts = "".join(self.parts), []
        return text


def activate(language):
    """For this thread."""
    _active.language = language


def translated():
    """The word for "total" in the language of this thread."""
    return WORDS[getattr(_active, "language", "en")]


def set_language(language):
    """For the process."""
    global _language
    _language = language


def word():
    """The word for "total" in the language of the process."""
    return WORDS[_language]
