"""`python -m lambdaimg.runtime [HANDLER]`: see `lambdaimg.runtime.start`."""

import sys

from .start import main

if __name__ == "__main__":
    main(
        sys.argv[1:],
        [sys.executable, "-m", "lambdaimg.runtime"],
        foreign=0 if sys.flags.safe_path else 1,
    )
