"""`gguf:FILE`: a GGUF model file, served on loopback by `xllamacpp` for as long as it is needed.

The server is its own process, `python -m gradatim.solvers.gguf FILE`, started at the first
question (a run that is complete starts none) and stopped by `close`; it also ends by itself when
its standard input closes, so it never outlives us, however we die.
"""

import argparse
import atexit
import contextlib
import hashlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gradatim import checks
from gradatim.errors import ArgumentError, SolverError, extra
from gradatim.solvers import endpoint
from gradatim.solvers.model_files import pages
from gradatim.types import Reply, Request, Solver

SERVER = {
    "threads": 1,  # 2 threads on a contended core burn time at barriers
    "slots": 8,  # answers made side by side
    "context": 1024,  # tokens of prompt and answer, per slot
    "start_timeout": 120.0,
}
OURS = {"choices": SERVER["slots"], "in_flight": 4, "max_tokens": 512}
OPTIONS = {k: v for k, v in endpoint.OPTIONS.items() if k != "key"} | OURS | SERVER


def open_gguf(argument: str | None, **options: Any) -> Solver:
    """Open `gguf:FILE`; its policy is a hash of the file, its name the file's name.

    Args:
        argument: the file.
        options: those of `openai:`, and threads, slots, context, start_timeout of the server.

    Raises:
        ArgumentError: no such file, not a GGUF file, or a bad option.
    """
    path, server, asking = _read(argument, options)
    policy = fingerprint(path)
    style, line = endpoint.split_options(asking)
    bases = [""]  # known once the server runs
    asked = endpoint.endpoint(
        path.stem, bases, style=style, line=line, name=f"gguf:{path.name}", policy=policy
    )
    process = _Process(path, server)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        bases[0] = process.start() + "/v1"
        return asked.answer(requests)

    def close() -> None:
        asked.close()
        process.stop()

    return Solver(
        name=asked.name,
        answer=answer,
        policy=policy,
        params=asked.params,
        prompt=asked.prompt,
        close=close,
        report=asked.report,
    )


@contextlib.contextmanager
def served(argument: str | None, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a file's server, for as long as the context lasts, and the options to ask it.

    Args:
        argument, options: as of `open_gguf`.

    Raises:
        ArgumentError, SolverError: as there, and as its first answer.
    """
    path, server, asking = _read(argument, options)
    fingerprint(path)
    process = _Process(path, server)
    try:
        yield process.start(), asking
    finally:
        process.stop()


def _read(
    argument: str | None, options: dict[str, Any]
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """The file, and the options by whose they are: its server's, and those of asking it."""
    checks.known_keys("solver 'gguf'", options, OPTIONS)
    path = Path(argument or "")
    if not path.is_file():
        raise ArgumentError(f"`solver` must look like gguf:FILE with a model file, got {path}")
    server = {name: options.get(name, value) for name, value in SERVER.items()}
    asking = {name: value for name, value in options.items() if name not in SERVER}
    checks.within(1, 4096, threads=server["threads"], slots=server["slots"])
    checks.within(64, 10**7, context=server["context"])
    asking = OURS | {"choices": server["slots"], "key": ""} | asking
    if asking["choices"] > server["slots"]:  # the server refuses more answers than it has slots
        raise ArgumentError(f"`choices` must be at most `slots` {server['slots']}")
    return path, server, asking


def fingerprint(path: Path) -> str:
    """Hash of a model file, its version, by `model_files.pages`.

    Raises:
        ArgumentError: not a GGUF file.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head != b"GGUF":
        raise ArgumentError(f"`solver`: {path} is not a GGUF file (it begins with {head!r})")
    found = hashlib.blake2b(digest_size=6)
    for page in pages(path):
        found.update(page)
    return found.hexdigest()


class _Process:
    """The server's process: started when first needed, again when it died, stopped once."""

    def __init__(self, path: Path, server: dict[str, Any]) -> None:
        self.path, self.server = path, server
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> str:
        """Start the server unless it runs; its address once it is ready."""
        if self.process is not None and self.process.poll() is None:
            return self.address
        extra("xllamacpp", "gguf")
        flags = [f"--{name}={self.server[name]}" for name in ("threads", "slots", "context")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gradatim.solvers.gguf", str(self.path), *flags],
            stdin=subprocess.PIPE,  # its end of file is the server's sign to end
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: answers in flight are still wanted
        )
        atexit.register(self.stop)
        self.address = self._ready(self.process)
        return self.address

    def _ready(self, process: subprocess.Popen[bytes]) -> str:
        """Wait until the server says where it listens and /health answers 200, not 503."""
        assert process.stdout is not None
        line = process.stdout.readline()
        deadline = time.monotonic() + self.server["start_timeout"]
        try:
            address = json.loads(line)["address"]
        except (ValueError, KeyError):
            code = process.wait()
            raise SolverError(
                f"the server of {self.path} ended with code {code} before it was ready: the file "
                f"may be damaged; python -m gradatim.solvers.gguf {self.path} shows its log"
            ) from None
        while time.monotonic() < deadline:
            if _healthy(address):
                return address
            time.sleep(0.1)
        self.stop()
        raise SolverError(f"the server of {self.path} was not ready in time (start_timeout)")

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        for pipe in (process.stdin, process.stdout):
            _close(pipe)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _healthy(address: str) -> bool:
    """Whether /health answers 200; 503 means that the model is loading."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()


def serve(path: str, *, threads: int, slots: int, context: int) -> None:
    """Serve a file on a free loopback port, print its address, and end when stdin does."""
    xllamacpp = extra("xllamacpp", "gguf")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = slots
    parameters.n_ctx = slots * context
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.cors_origins = ""
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def main() -> None:
    """Entry point of the server's process."""
    parser = argparse.ArgumentParser(prog="python -m gradatim.solvers.gguf")
    parser.add_argument("path")
    for name in ("threads", "slots", "context"):
        parser.add_argument(f"--{name}", type=int, default=SERVER[name])
    given = parser.parse_args()
    serve(given.path, threads=given.threads, slots=given.slots, context=given.context)


if __name__ == "__main__":
    main()
