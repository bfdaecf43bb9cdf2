"""A handler that imports nothing, and says what the runtime has imported."""


def handler(event, context):
    scope = __import__("__main__").__dict__
    return sorted(set(__import__("sys").modules) - scope["before"])
