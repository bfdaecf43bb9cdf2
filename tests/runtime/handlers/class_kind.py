"""A handler that is a class, for the real emulator."""

import json

import function_kind

from lambdaimg.runtime import LambdaRuntime


class ClassKind(LambdaRuntime):
    def __init__(self):
        super().__init__(loglevel="debug")
        self.count = 0

    def handler(self, event, context):
        self.count += 1
        self.logger.debug("event %d", self.count)
        if event == "sends-error":
            self.send_invocation_error("no such order", "Shop.NoOrder")
        result = function_kind.handler(event, context)
        return json.dumps(result) if isinstance(result, str) else result
