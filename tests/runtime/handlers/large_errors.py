"""A handler whose errors are large."""

count = 0


def handler(event, context):
    global count
    count += 1
    if event == "large":
        raise ValueError("x" * 7_000_000)
    return streamed() if event == "streamed" else count


def streamed():
    yield "begun"
    raise ValueError("é" * 5000)
