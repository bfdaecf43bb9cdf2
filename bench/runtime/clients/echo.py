"""A handler that gives its event back."""


def handler(event, context):
    return event
