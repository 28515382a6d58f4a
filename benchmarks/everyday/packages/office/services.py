"""Small services in processes of their own, which end with the session."""

import os
import socket
import time

WAIT_S = 0.004


def _serve(handle):
    """A forked process that serves one connection after another, each in a process."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    address = listener.getsockname()
    if os.fork():
        listener.close()
        return address
    os.close(1)
    os.close(2)
    while True:
        line, _ = listener.accept()
        if not os.fork():
            listener.close()
            try:
                handle(line)
            finally:
                os._exit(0)
        line.close()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def start_echo():
    """Sends back each line that it is sent."""

    def handle(line):
        with line, line.makefile("rwb") as both:
            for text in both:
                both.write(text)
                both.flush()

    return _serve(handle)


def start_pages():
    """Answers requests with their path, after a wait; `/header` with the header X-Item."""

    def handle(line):
        with line, line.makefile("rwb") as both:
            while first := both.readline():
                path, headers = first.split()[1].decode(), {}
                while header := both.readline().strip():
                    name, _, value = header.decode().partition(": ")
                    headers[name.lower()] = value
                time.sleep(WAIT_S)
                told = headers.get("x-item", "?") if path == "/header" else f"page {path}"
                both.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n\r\n{told}".encode())
                both.flush()

    return _serve(handle)
