"""The `lambdaimg` command, and `python -m lambdaimg`: Ctrl-C is said while it starts, too."""

import sys


def main() -> None:
    """Runs the command.

    Raises:
        SystemExit: with the exit status.
    """
    try:
        # The imports take longer than many a run.
        from lambdaimg.cli import main as command

        command()
    except KeyboardInterrupt:
        print("error: Interrupted.", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
