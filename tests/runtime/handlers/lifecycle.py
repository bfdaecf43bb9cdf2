"""Handlers that look at how a process begins and ends."""

import os
import signal
import sys
import time

from lambdaimg.runtime import LambdaRuntime, on_shutdown


@on_shutdown
def first():
    print("first hook", flush=True)


@on_shutdown
def failing():
    raise ValueError("hook")


on_shutdown(lambda: print("last hook"))


def handler(event, context):
    if event == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")
        return "answered"
    if event == "close":
        sys.stdout.close()
        raise ValueError("stdout is closed")
    if event == "verbose":
        raise ValueError("\U0001f600" * 7_000_000)
    if event == "deep":
        sys.setrecursionlimit(100_000)
        deeper(0)
    if event == "late":
        sys.settrace(terminate_at_next)
    if event == "modules":
        return sorted(sys.modules)
    if event == "path":
        return sys.path
    if event == "slow":
        print("begun", flush=True)
        time.sleep(30)
    if event == "pid":
        return os.getpid()
    return event


def deeper(depth):
    if depth == 45_000:
        raise ValueError("at the bottom")
    and_deeper(depth)


def and_deeper(depth):  # two in turn, since a frame that repeats itself is told once
    deeper(depth + 1)


def terminate_at_next(frame, kind, argument):
    if frame.f_code.co_qualname == "Loop.next":
        sys.settrace(None)
        os.kill(os.getpid(), signal.SIGTERM)


class Lifecycle(LambdaRuntime):
    def method(self, event, context):
        return event

    def on_shutdown(self):
        print("own hook")
