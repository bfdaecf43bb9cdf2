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


def terminate_at_next(frame, kind, argument):
    if frame.f_code.co_qualname == "Loop.next":
        sys.settrace(None)
        os.kill(os.getpid(), signal.SIGTERM)


class Lifecycle(LambdaRuntime):
    def method(self, event, context):
        return event

    def on_shutdown(self):
        print("own hook")
