"""Classes whose constructors fail, each with a module's name of its own in the tests."""

from lambdaimg.runtime import LambdaRuntime


class Refuses(LambdaRuntime):
    def __init__(self):
        self.send_init_error("no table is configured", "Config.NoTable")


class Raises(LambdaRuntime):
    def __init__(self):
        raise LookupError("no table")


class Bare(LambdaRuntime):
    def __init__(self):
        """Does not call the base's constructor."""

    def handler(self, event, context):
        self.logger.info("hello")
        return 1


class Undefined(LambdaRuntime):
    pass
