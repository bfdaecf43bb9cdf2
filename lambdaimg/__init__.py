"""lambdaimg: container images on AWS Lambda, a make target at a time."""

__version__ = "0.1.0"
