"""A handler of every kind of outcome, one after another."""

import logging

logging.getLogger().setLevel(logging.CRITICAL)
COUNT = 0


def handler(event, context):
    global COUNT
    COUNT += 1
    logging.warning("event %d", COUNT)
    if COUNT % 100 == 0:
        return [event] * 50
    return event
