"""The floor: a loop over a bare socket that reads JSON, writes JSON, and does nothing else."""

import json
import os
import socket

host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
sock = socket.create_connection((host, int(port)))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def receive() -> tuple[bytes, bytes]:
    data = sock.recv(65536)
    end = data.index(b"\r\n\r\n")
    head, body = data[:end], data[end + 4 :]
    start = head.index(b"Content-Length: ") + 16
    length = int(head[start:].split(b"\r\n", 1)[0])
    if len(body) < length:
        parts = [body]
        missing = length - len(body)
        while missing:
            part = sock.recv(min(missing, 1 << 20))
            if not part:
                raise SystemExit
            parts.append(part)
            missing -= len(part)
        body = b"".join(parts)
    return head, body


while True:
    sock.sendall(NEXT)
    head, body = receive()
    start = head.index(b"Aws-Request-Id: ") + 16
    request_id = head[start:].split(b"\r\n", 1)[0]
    answer = json.dumps(json.loads(body)).encode()
    sock.sendall(
        b"POST /2018-06-01/runtime/invocation/%b/response HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (request_id, len(answer), answer)
    )
    receive()
