"""The embedded AWS in the foreground, whose functions become active at once.

MiniStack lets half a second pass before a function is active; with hundreds of deployments that
is most of the time of the tests. Told by its arguments: folder, port, engine, pipe.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ministack.services import lambda_svc

from lambdaimg.local.process import Launch, run

ACCOUNT, REGION = "000000000000", "us-east-1"
ACTIVE_AFTER_S = 0.03

if __name__ == "__main__":
    assert lambda_svc._LAMBDA_STATE_TRANSITION_DELAY
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = ACTIVE_AFTER_S
    home, port, engine, pipe = sys.argv[1:]
    sys.exit(run(Launch(Path(home), int(port), ACCOUNT, REGION, engine, int(pipe))))
