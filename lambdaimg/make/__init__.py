"""A small make: targets as data, sentinels as memory. Knows no AWS and no Docker.

`target` says what a target is, `graph` orders targets, `decide` says which need a look and
why, `store` keeps the sentinels, `runner` is the one loop that acts.
"""
