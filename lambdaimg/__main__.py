"""`python -m lambdaimg` is the `lambdaimg` command."""

from lambdaimg.cli import main

if __name__ == "__main__":
    main()
