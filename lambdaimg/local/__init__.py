"""The embedded AWS: MiniStack in a process of its own, on this machine's loopback address.

`server` finds, starts and stops it (host side, standard library only); `__main__` and `process`
are the process itself; `registry` is the one place that knows where its image registry is.
One embedded AWS serves all projects of a user.
"""
