"""Server side of the Lambda Runtime API, and what runs images and processes behind it.

The core is standard library only, and lean enough to go into an image, where
`python3 -m lambdaimg.emulator -- CMD...` is the invoke endpoint on port 8080:

- `protocol`: records and limits; `texts`: what AWS writes (errors, log lines, headers); pure
- `environment`: the state machine of one execution environment; pure
- `loop`, `message`, `wire`: event loop, and HTTP/1.1 on the server's side
- `sandbox`: one environment with its listener, process and timers; `response`: what it streams
- `pool`: the environments of one function; `process`: the executor that runs a command
- `endpoint`: the 8080 invoke endpoint

Everything else here is for the host: containers, the whole invoke API, function URLs, watching.

An invocation takes this way: endpoint -> `Pool.submit` -> an idle or a new `Sandbox` ->
`Environment.assign` -> the runtime's `next`, `response` -> `Invocation.finish`, exactly once.
"""

IMAGE_FILES = (
    "__init__.py",
    "__main__.py",
    "endpoint.py",
    "environment.py",
    "loop.py",
    "message.py",
    "pool.py",
    "process.py",
    "protocol.py",
    "response.py",
    "sandbox.py",
    "texts.py",
    "wire.py",
)
"""The files of this package that an image needs for its 8080 endpoint."""
