"""Images: the build context, the build, the push and the registry.

A build goes `context` (what is sent) -> `builder` -> `legacy` or `buildkit` (who builds) ->
`push` (engine to registry) -> `registry` (what the registry says it holds). `endpoint` and
`engine` find the Docker engine, `errors` translates what the Docker SDK raises, `events` is the
progress that all of them report. Functions take explicit parameters, never settings, and print
nothing.
"""
