"""A fake server that behaves like a small language model, and can be told to do one thing wrong.

It counts to 100 at temperature 0 and draws words otherwise, a word a token. Without defects it
honours all that the doctor asks for; DEFECTS says what each name changes.
"""

import hashlib
import json
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re") for b in ("la", "nu", "pe", "si", "do")]
DEFECTS = {
    "greedy": "the temperature is ignored",
    "warm": "temperature 0 is not greedy",
    "frozen": "without a seed every answer is drawn with the same one",
    "one": "n is ignored",
    "copies": "the choices of a request are equal",
    "seedless": "seeds are ignored",
    "constant": "every seed gives the same answer",
    "null": "logprobs are null",
    "positive": "logprobs are no log-probabilities",
    "runs on": "stop is ignored",
    "endless": "max_tokens is ignored",
    "hides": "finish_reason is stop whatever happened",
    "counts one": "completion_tokens counts one choice",
    "counts none": "there is no usage",
    "miscounts": "completion_tokens is one more than there are",
    "deaf": "system messages are dropped",
    "no system": "system messages are refused",
    "no echo": "echo is ignored",
    "unnamed": "any model's name is answered, the list has another",
    "crowded": "more than two requests at once are refused",
    "chat only": "there are no completions",
    "completions only": "there is no chat",
}


class Refused(Exception):
    """A status and what the server says with it."""


class DefectServer:
    """On loopback while it is entered; `bodies` and `headers` are what it was asked."""

    def __init__(self, *defects, model="m", path="/v1", key="", dies_after=10**9):
        assert set(defects) <= set(DEFECTS), defects
        self.defects, self.model, self.path = set(defects), model, path
        self.key, self.dies_after = key, dies_after
        self.bodies, self.headers = [], []
        self.drawn = self.busy = 0
        self.lock = threading.Lock()

    def _words(self, body, i):
        """The words that the model would say if nothing cut it."""
        messages = body.get("messages") or [{"role": "user", "content": body.get("prompt")}]
        if "deaf" in self.defects:
            messages = [m for m in messages if m["role"] != "system"]
        hot = body.get("temperature", 1.0) > 0 and "greedy" not in self.defects
        if not hot and "warm" not in self.defects:
            system = any(m["role"] == "system" for m in messages)
            return ["PINEAPPLE"] if system else [f"{k}," for k in range(1, 101)]
        seed = body.get("seed")
        if "seedless" in self.defects:
            seed = None
        if "constant" in self.defects and seed is not None:
            seed = 0
        if seed is None:
            seed = -1 if "frozen" in self.defects else self.drawn * 1000
        label = f"{messages} {seed} {0 if 'copies' in self.defects else i}"
        draw = random.Random(hashlib.sha256(label.encode()).digest())
        return [draw.choice(WORDS) for _ in range(100)]

    def _choice(self, body, i):
        words = self._words(body, i)
        most = 10**9 if "endless" in self.defects else body.get("max_tokens", 100)
        text, end = " ".join(words[:most]), "length" if len(words) > most else "stop"
        for mark in body.get("stop") or ():
            if mark in text and "runs on" not in self.defects:
                text, end = text[: text.index(mark)], "stop"
        tokens = max(1, len(text.split()))
        end = "stop" if "hides" in self.defects else end
        logprobs = None
        if body.get("logprobs") and "null" not in self.defects:
            each = 0.5 if "positive" in self.defects else -0.5
            logprobs = {"content": [{"logprob": each}] * tokens, "token_logprobs": [each] * tokens}
        if body.get("echo") and "no echo" not in self.defects:
            text = body["prompt"] + text
        said = {"message": {"role": "assistant", "content": text}}
        if "messages" not in body:
            said = {"text": text}
        choice = {"index": i, "finish_reason": end, "logprobs": logprobs, **said}
        return choice, tokens

    def answer(self, body):
        self._refuse(body)
        with self.lock:
            self.drawn += 1
        n = 1 if "one" in self.defects else body.get("n", 1)
        made = [self._choice(body, i) for i in range(n)]
        counts = [tokens for _, tokens in made]
        used = counts[0] if "counts one" in self.defects else sum(counts)
        used += "miscounts" in self.defects
        asked = body.get("messages") or [{"role": "user", "content": body.get("prompt")}]
        heard = [m for m in asked if "deaf" not in self.defects or m["role"] != "system"]
        value = {"choices": [choice for choice, _ in made], "model": self.model}
        if "counts none" not in self.defects:
            prompt_tokens = sum(len(m["content"].split()) for m in heard)
            value["usage"] = {"completion_tokens": used, "prompt_tokens": prompt_tokens}
        return value

    def _refuse(self, body):
        if "crowded" in self.defects and self.bodies.count(body) > 2:  # time for those beside it
            time.sleep(0.1)
            if self.busy > 2:
                raise Refused(503, "too many requests in flight")
        if "chat only" in self.defects and "messages" not in body:
            raise Refused(404, "this is a chat model")
        if "completions only" in self.defects and "messages" in body:
            raise Refused(400, "this model has no chat template")
        if body["model"] != self.model and "unnamed" not in self.defects:
            raise Refused(404, f"no model {body['model']}")
        if "no system" in self.defects and "system" in str(body.get("messages")):
            raise Refused(400, "system role not supported")

    # -- its life -------------------------------------------------------------------------

    def __enter__(self):
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.root = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.url = self.root + self.path
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.thread.join(10)
        self.http.server_close()


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def _say(self, status, value):
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_GET(self):
            if self.path != server.path + "/models":
                return self._say(404, {"error": {"message": "no such path"}})
            name = "another" if "unnamed" in server.defects else server.model
            return self._say(200, {"object": "list", "data": [{"id": name}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path not in [server.path + p for p in ("/chat/completions", "/completions")]:
                return self._say(404, {"error": {"message": "no such path"}})
            if len(server.bodies) >= server.dies_after:
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)  # without an answer
            with server.lock:
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                server.busy += 1
            try:
                if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                    given = self.headers.get("Authorization")
                    raise Refused(401, f"Incorrect API key provided: {given}")
                status, value = 200, server.answer(body)
            except Refused as refused:
                status, message = refused.args
                value = {"error": {"message": message}}
            finally:
                with server.lock:
                    server.busy -= 1
            return self._say(status, value)

    return Handler
