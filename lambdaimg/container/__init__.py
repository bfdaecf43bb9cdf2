"""Images: the build context, the build, the push and the registry.

A build goes `context` (what is sent) -> `builder` (legacy builder) or `buildx` (BuildKit) ->
`push` (engine to registry) -> `registry` (what the registry says it holds). `engine` finds the
Docker engine, `errors` translates what the Docker SDK raises, `events` is the progress that all
of them report. Functions take explicit parameters, never settings, and print nothing.
"""
