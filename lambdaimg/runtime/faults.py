"""Faults: what goes wrong between the handler and AWS, under the names AWS gives them."""

MALFORMED_HANDLER_NAME = "Runtime.MalformedHandlerName"
BUILT_IN_MODULE_CONFLICT = "Runtime.BuiltInModuleConflict"
IMPORT_MODULE_ERROR = "Runtime.ImportModuleError"
USER_CODE_SYNTAX_ERROR = "Runtime.UserCodeSyntaxError"
HANDLER_NOT_FOUND = "Runtime.HandlerNotFound"
UNMARSHAL_ERROR = "Runtime.UnmarshalError"
MARSHAL_ERROR = "Runtime.MarshalError"
CONTEXT_UNMARSHAL_ERROR = "Runtime.LambdaContextUnmarshalError"
BEFORE_SNAPSHOT_ERROR = "Runtime.BeforeSnapshotError"
AFTER_RESTORE_ERROR = "Runtime.AfterRestoreError"
NO_HANDLER_DEFINED = "NoHandlerDefinedException"


class Fault(Exception):  # noqa: N818 - AWS's word for it
    """A failure that is reported under a name of its own rather than an exception's.

    Args:
        type: the `errorType`, one of this module's names or the user's own.
        message: the `errorMessage`.
        trace: the `stackTrace`, a list of formatted frames.
    """

    def __init__(self, type: str, message: str, trace: "list[str] | None" = None) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.trace = trace or []
