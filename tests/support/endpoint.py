"""An AWS endpoint on this machine, and clients for it that know nothing of the developer's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

# A caller's own settings would lead a test to a real account, or just make it fail.
AWS_PREFIX = "AWS_"


@dataclass(frozen=True)
class AwsEndpoint:
    """Where an emulator answers.

    Attributes:
        url: such as `http://127.0.0.1:14566`.
        account: twelve digits; the access key of every client, which emulators take for it.
        region: the region of every client.
    """

    url: str
    account: str = "000000000000"
    region: str = "us-east-1"

    @property
    def port(self) -> int:
        """The port alone."""
        return int(self.url.rpartition(":")[2])

    @property
    def variables(self) -> dict[str, str]:
        """AWS's own variables for a process that is to talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of the service; it does not retry, so a fault shows at once."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.account,
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )
