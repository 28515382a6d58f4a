"""Clients that send what earlier answers told them are used by one item after the other."""

import http.cookiejar
import http.server
import sys
import threading
import time
import types
import urllib.request

import pytest

from amorsize import autotune
from amorsize._engine.options.call_options import Options
from amorsize._engine.placement.placement import why_not_threads


class Counting(http.server.BaseHTTPRequestHandler):
    """Counts the visits of a client in a cookie, as a session does."""

    def do_GET(self):
        n = int((self.headers.get("Cookie") or "n=0").split("=")[1]) + 1
        body = str(n).encode()
        time.sleep(0.004)
        self.send_response(200)
        self.send_header("Set-Cookie", f"n={n}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


@pytest.fixture
def url():
    with Server(("127.0.0.1", 0), Counting) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def with_cookies():
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor())


def count(url, opened):
    with opened(url) as answer:
        return int(answer.read())


def through_a_global(url):
    opener = with_cookies()
    return lambda x: count(f"{url}{x}", opener.open)


def through_its_method(url):
    visit = with_cookies().open
    return lambda x: count(f"{url}{x}", visit)


def through_an_object(url):
    class Shop:
        def __init__(self):
            jar = http.cookiejar.CookieJar()
            self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

        def visit(self, x):
            return count(f"{url}{x}", self.opener.open)

    return Shop().visit


def through_the_whole_program(url):
    urllib.request.install_opener(with_cookies())
    return lambda x: count(f"{url}{x}", urllib.request.urlopen)


@pytest.mark.parametrize(
    "make",
    [through_a_global, through_its_method, through_an_object, through_the_whole_program],
)
def test_each_request_has_the_cookies_of_the_one_before(make, url, monkeypatch):
    """Whether the opener is the function's own or that of the program."""
    monkeypatch.setattr(urllib.request, "_opener", None)
    tuned = autotune(make(url))

    assert tuned(range(60)) == list(range(1, 61)), tuned.explain()


def test_an_opener_that_is_installed_later_counts(url, monkeypatch):
    """What was read before is read again."""
    monkeypatch.setattr(urllib.request, "_opener", None)

    def visit(x):
        with urllib.request.urlopen(f"{url}{x}") as answer:
            return int(answer.read())

    tuned = autotune(visit)
    assert tuned(range(40)) == [1] * 40
    urllib.request.install_opener(with_cookies())
    assert tuned(range(40)) == list(range(1, 41)), tuned.explain()


def using(client, opened):
    return lambda x: opened(client, x)


def test_an_opener_without_memory_may_be_shared():
    """It keeps nothing of what it is told."""
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    digest = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler())

    assert why_not_threads(using(plain, lambda one, x: one.open(x)), Options()) is None
    assert why_not_threads(using(digest, lambda one, x: one.open(x)), Options()) is not None


@pytest.fixture
def httpx(monkeypatch):
    """A module with a client that is built as that of httpx."""
    found = types.ModuleType("httpx")
    source = """
class Cookies:
    def __init__(self, jar): self.jar = jar

class Auth: pass

class Client:
    def __init__(self, jar, auth=None): self._cookies, self._auth = Cookies(jar), auth
    def get(self, url): return url
"""
    exec(source, vars(found))
    vars(found)["__file__"] = "/site-packages/httpx/__init__.py"
    monkeypatch.setitem(sys.modules, "httpx", found)
    return found


def cookie():
    rest = dict.fromkeys(("port", "domain", "path", "expires", "comment", "comment_url"))
    flags = {f"{one}_specified": False for one in ("port", "domain", "path")}
    more = {"secure": False, "discard": False, "domain_initial_dot": False, "rest": {}}
    return http.cookiejar.Cookie(0, "n", "1", **(rest | flags | more | {"domain": "", "path": "/"}))


def test_a_client_is_shared_until_an_answer_has_brought_a_cookie(httpx):
    """Its documentation lets threads share it; its cookies, and some ways to log in, do not."""
    jar, full = http.cookiejar.CookieJar(), http.cookiejar.CookieJar()
    full.set_cookie(cookie())

    def why(client):
        return why_not_threads(using(client, lambda one, x: one.get(x)), Options())

    assert why(httpx.Client(jar)) is None
    assert why(httpx.Client(full)) is not None
    assert why(httpx.Client(jar, httpx.Auth())) is not None

    def first_answer(client, x):
        jar.set_cookie(cookie())
        time.sleep(0.004)
        return client.get(x)

    tuned = autotune(using(httpx.Client(jar), first_answer))
    tuned(range(60))
    assert tuned.plan.backend == "serial", tuned.explain()
