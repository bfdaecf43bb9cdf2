"""A runtime that does what the event's `steps` say; run as a process, never imported by tests.

It speaks HTTP by hand, so that it can also do what no client library does: answer twice, send
trailers, break off. `INIT_STEPS` (JSON) is done before the first `next`. Steps, with arguments:

    out TEXT, err TEXT         write to stdout, stderr
    sleep SECONDS, exit CODE, signal NUMBER, memory MEGABYTES
    respond TEXT [TYPE]        post a response
    error TYPE TEXT            post an error, TYPE in the header
    post PATH TEXT             post to /2018-06-01/runtime/PATH; ID stands for the request id
    next                       ask for the next event although this one is open
    stream TYPE CHUNKS [ERROR BODY]    stream a response, with trailers if there is an error
    garble TYPE CHUNKS ERROR BODY      the same, with a body in the trailers that is no Base64
    cut TYPE CHUNKS            stream, and break off
    facts                      respond with the headers, the event and the variables
    replies                    respond with what was answered to the calls of this event
    say_replies                write that to the log
    child SECONDS              leave a child process that sleeps
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

BASE = "/2018-06-01/runtime/"


class Client:
    def __init__(self, api):
        host, port = api.split(":")
        self.address = host, int(port)
        self.sock = None
        self.data = b""

    def send(self, data):
        if self.sock is None:
            self.sock = socket.create_connection(self.address)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.data = b""
        self.sock.sendall(data)

    def close(self):
        self.sock.close()
        self.sock = None

    def read(self):
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers.get("Content-Length", 0))
        while len(self.data) < length:
            self.more()
        body, self.data = self.data[:length], self.data[length:]
        return int(lines[0].split()[1]), headers, body

    def more(self):
        piece = self.sock.recv(1 << 20)
        if not piece:
            raise SystemExit("the runtime API closed the connection")
        self.data += piece

    def call(self, method, path, body=b"", **headers):
        lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.read()


def stream_head(request_id, kind, trailers=""):
    return (
        f"POST {BASE}invocation/{request_id}/response HTTP/1.1\r\nHost: x\r\n"
        f"Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: {kind}\r\n"
        f"Transfer-Encoding: chunked\r\n{trailers}\r\n"
    ).encode()


def chunk(text):
    data = text.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


class Script:
    def __init__(self, client, request_id="", headers=None, event=None):
        self.client = client
        self.request_id = request_id
        self.headers = headers
        self.event = event
        self.replies = []

    def run(self, steps):
        for name, *arguments in steps:
            getattr(self, f"do_{name}")(*arguments)

    def post(self, path, text, **headers):
        status, _, body = self.client.call("POST", path, text.encode(), **headers)
        self.replies.append([status, body.decode()])

    def do_out(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def do_err(self, text):
        sys.stderr.write(text)
        sys.stderr.flush()

    def do_sleep(self, seconds):
        time.sleep(seconds)

    def do_exit(self, code):
        os._exit(code)

    def do_signal(self, number):
        os.kill(os.getpid(), number)

    def do_memory(self, megabytes):
        self.held = bytearray(megabytes << 20)

    def do_respond(self, text, kind="application/json"):
        self.post(f"invocation/{self.request_id}/response", text, Content_Type=kind)

    def do_repeat(self, text, times):
        self.do_respond(text * times)

    def do_error(self, kind, text):
        headers = {"Lambda_Runtime_Function_Error_Type": kind} if kind else {}
        self.post(f"invocation/{self.request_id}/error", text, **headers)

    def do_post(self, path, text):
        self.post(path.replace("ID", self.request_id), text)

    def do_init_error(self, kind, text):
        self.post("init/error", text, Lambda_Runtime_Function_Error_Type=kind)

    def do_next(self):
        status, headers, body = self.client.call("GET", "invocation/next")
        request_id = headers.get("Lambda-Runtime-Aws-Request-Id", "")
        self.replies.append([status, request_id or body.decode()])

    def do_other_connection(self):
        self.client.close()

    def do_garble(self, kind, chunks, error, body):
        self.do_stream(kind, chunks, error, body, encode=lambda text: text)

    def do_stream(self, kind, chunks, error="", body="", pause=0.0, encode=None):
        import base64

        names = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
        self.client.send(stream_head(self.request_id, kind, f"Trailer: {names}\r\n"))
        for text in chunks:
            self.client.send(chunk(text))
            time.sleep(pause)
        end = b"0\r\n"
        if error:
            encode = encode or (lambda text: base64.b64encode(text.encode()).decode())
            encoded = encode(body)
            end += f"Lambda-Runtime-Function-Error-Type: {error}\r\n".encode()
            end += f"Lambda-Runtime-Function-Error-Body: {encoded}\r\n".encode()
        self.client.send(end + b"\r\n")
        status, _, answer = self.client.read()
        self.replies.append([status, answer.decode()])

    def do_cut(self, kind, chunks):
        self.client.send(stream_head(self.request_id, kind))
        for text in chunks:
            self.client.send(chunk(text))
        self.client.close()

    def do_facts(self):
        facts = {"headers": self.headers, "event": self.event, "environment": dict(os.environ)}
        facts["pid"] = os.getpid()
        self.do_respond(json.dumps(facts))

    def do_replies(self):
        self.do_respond(json.dumps(self.replies))

    def do_say_replies(self):
        self.do_err(f"replies: {json.dumps(self.replies)}\n")

    def do_child(self, seconds):
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])

    def do_fail_once(self, path):
        if not pathlib.Path(path).exists():
            pathlib.Path(path).touch()
            sys.exit(7)


def steps_of(event):
    """The steps in an event, or in the body of the HTTP request that it is."""
    if not isinstance(event, dict):
        return None
    if event.get("version") == "2.0" and "body" in event:
        event = json.loads(event["body"])
    return event.get("steps")


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    Script(client).run(json.loads(os.environ.get("INIT_STEPS", "[]")))
    while True:
        _, headers, body = client.call("GET", "invocation/next")
        event = json.loads(body) if body else None
        script = Script(client, headers["Lambda-Runtime-Aws-Request-Id"], headers, event)
        steps = steps_of(event)
        if steps is None:
            steps = [["respond", body.decode()]]
        script.run(steps)


main()
