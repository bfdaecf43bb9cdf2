"""A function that is a class, named like its module; its methods are handlers."""

from lambdaimg.runtime import Fault, HttpStream, LambdaRuntime


class Other(LambdaRuntime):
    def handler(self, event, context):
        return "the wrong class"


class Service(LambdaRuntime):
    def __init__(self):
        super().__init__(loglevel="debug")
        self.count = 0

    def handler(self, event, context):
        self.count += 1
        return getattr(self, context.aws_request_id.partition(".")[0])(event, context)

    def second(self, event, context):
        return "second method"

    def text(self, event, context):
        return "as it é stands"

    def raw_bytes(self, event, context):
        return b"\x00\x01"

    def value(self, event, context):
        return {"count": self.count}

    def streamed(self, event, context):
        yield "a"
        yield "b"

    def http_stream(self, event, context):
        return HttpStream(200, body=["x"])

    def sends(self, event, context):
        self.send_invocation_response({"sent": event})
        return "passed over"

    def sends_twice(self, event, context):
        self.send_invocation_response("one")
        self.send_invocation_response("two")

    def sends_error(self, event, context):
        self.send_invocation_error("no such order", "OrderNotFound")

    def sends_error_then_raises(self, event, context):
        self.send_invocation_error("first", "First")
        raise ValueError("second")

    def raises_fault(self, event, context):
        raise Fault("Shop.Closed", "come back tomorrow")

    def unserialisable(self, event, context):
        self.send_invocation_response({1, 2})

    def logs(self, event, context):
        self.logger.debug("debug %s", "on")
        self.logger.trace(lambda: "not evaluated")
        self.logger.info(lambda: "evaluated")
