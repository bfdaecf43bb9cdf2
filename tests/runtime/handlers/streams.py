"""Handlers whose responses are streamed, named by the request id."""

from pathlib import Path

from lambdaimg.runtime import HttpStream, ResponseStream, StreamClosedError


def generator_function(event, context):
    yield "one "
    yield b"two"


def generator(event, context):
    return (item for item in ("a", "", b"", "é"))


def iterator(event, context):
    return iter([b"x", "y"])


def iterator_after(event, context):
    Path(event).read_text()  # a named pipe: waits until the test has written to it
    return iter([b"x", "y"])


def nothing(event, context):
    return iter([])


def http(event, context):
    headers = {"Content-Type": "text/plain"}
    return HttpStream(201, headers, ["a=1", "b=2"], body=(f"piece {i};" for i in range(3)))


def http_first(event, context):
    yield HttpStream(404)
    yield "not here"


def typed(event, context):
    return ResponseStream("text/csv", body=["a,b\n", "1,2\n"])


def writer(event, context):
    with HttpStream(200, {"X-A": "1"}) as out:
        out.write("first ")
        out.write(b"second")
    return "passed over"


def writer_left_open(event, context):
    ResponseStream("text/plain").write("left open")


def writer_without_words(event, context):
    with ResponseStream("text/plain"):
        pass


def writer_unused(event, context):
    ResponseStream("text/plain")
    return {"plain": True}


def written_after_the_end(event, context):
    out = ResponseStream("text/plain")
    out.write("all")
    out.close()
    out.close()
    try:
        out.write("more")
    except StreamClosedError as error:
        print("refused:", error)


def fails_at_once(event, context):
    raise ValueError("before the first byte")
    yield


def fails_within(event, context):
    yield "begun"
    raise ValueError("after the first byte é")


def fails_deep_within(event, context):
    yield "begun"
    deeper(40)


def deeper(depth):
    if not depth:
        raise ValueError("é" * 5000)
    and_deeper(depth)


def and_deeper(depth):  # two in turn, since a frame that repeats itself is told once
    deeper(depth - 1)


def writer_fails(event, context):
    with ResponseStream("text/plain") as out:
        out.write("begun")
        raise KeyError("within")


def writer_fails_unwritten(event, context):
    with ResponseStream("text/plain"):
        raise KeyError("nothing written")


def wrong_item(event, context):
    return iter([1])


def wrong_item_later(event, context):
    return iter(["a", 2])


def large(event, context):
    for _ in range(event["pieces"]):
        yield b"z" * event["size"]


CLOSED = []


def endless(event, context):
    try:
        while True:
            yield b"z" * 65536
    finally:
        CLOSED.append(context.aws_request_id)


def endless_writer(event, context):
    with ResponseStream() as out:
        while True:
            out.write(b"z" * 65536)


def closed(event, context):
    return {"closed": CLOSED, "descriptors": len([*Path("/proc/self/fd").iterdir()])}


def handler(event, context):
    return globals()[context.aws_request_id.partition(".")[0]](event, context)
