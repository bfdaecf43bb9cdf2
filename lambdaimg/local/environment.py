"""The two environments: the server's own, and that of whoever talks to it.

Neither lets the user's AWS settings through. The server would take `AWS_ENDPOINT_URL` or
`LAMBDA_EXECUTOR` of the user's shell for its own; a client would sign with real credentials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# Names in MiniStack's own table of services; whatever is not named is neither imported nor bound.
SERVICES = ("iam", "sts", "ecr", "lambda", "sqs", "sns", "s3", "events", "logs")

_PASSED = frozenset(
    {
        "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONPATH",
        "PYTHONHOME", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV",
        "XDG_RUNTIME_DIR",
        "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_HOST",
        "DOCKER_TLS_VERIFY",
    }
)  # fmt: skip


def server_environment(
    outer: Mapping[str, str], *, port: int, account: str, region: str, docker_host: str | None
) -> dict[str, str]:
    """The environment of the server's process.

    Args:
        outer: the environment of the caller; little of it is passed on.
        port: the port on which it serves.
        account: twelve digits; the account of unsigned requests, such as a push.
        region: the region of unsigned requests.
        docker_host: the engine that runs functions; None for the one that `outer` names.
    """
    from lambdaimg.local.containers import server_name

    env = {name: value for name, value in outer.items() if name in _PASSED}
    if docker_host:
        env["DOCKER_HOST"] = docker_host
    env.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "SERVICES": ",".join(SERVICES),
            "LAMBDA_EXECUTOR": "docker",
            "LAMBDA_STRICT": "1",
            "MINISTACK_ACCOUNT_ID": account,
            "MINISTACK_REGION": region,
            "MINISTACK_HOSTNAME": server_name(),
            "MINISTACK_AUTOCREATE_AWS_MANAGED": "0",
            "PERSIST_STATE": "0",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            # What function containers are given; twelve digits name the account.
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "PYTHONUNBUFFERED": "1",
        }
    )
    return env


def client_environment(endpoint: str, account: str, region: str) -> dict[str, str]:
    """AWS's own variables for a client of the embedded AWS (the kit, the AWS CLI, any SDK).

    Configuration files and instance metadata are pointed away, so that nothing of the user's
    real account is read. MiniStack takes an access key of twelve digits for that account.
    These are to be laid over an environment by `laid_over`, which also takes things out of it.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def laid_over(outer: Mapping[str, str], inner: Mapping[str, str]) -> dict[str, str]:
    """`outer` without any of AWS's variables (a profile, a role, an endpoint), plus `inner`."""
    kept = {name: value for name, value in outer.items() if not name.startswith("AWS_")}
    return kept | dict(inner)
