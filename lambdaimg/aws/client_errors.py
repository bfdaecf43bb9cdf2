"""botocore's own exceptions, which no answer of AWS stands behind, and what the user is told."""

from __future__ import annotations

from collections.abc import Mapping

from lambdaimg.aws.error_table import Row
from lambdaimg.errors import AwsError, CredentialsError, ResourceFailedError, SettingsError

# botocore's exceptions for an answer that did not come, or not whole.
NO_ANSWER = ("HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError")

# By the name of the exception's class, or of one that it derives from.
CLIENT_ROWS: Mapping[str, Row] = {
    "NoCredentialsError": Row(
        "",
        CredentialsError,
        "There are no AWS credentials.",
        "Run `aws configure` or `aws sso login`, set AWS_PROFILE, or use --local.",
    ),
    "PartialCredentialsError": Row(
        "",
        CredentialsError,
        "The AWS credentials are incomplete: {message}",
        "Set both the access key id and the secret access key.",
    ),
    "CredentialRetrievalError": Row(
        "",
        CredentialsError,
        "The AWS credentials could not be fetched: {message}",
        "Look at the profile's credential_process.",
    ),
    "ProfileNotFound": Row(
        "",
        SettingsError,
        "There is no AWS profile of this name: {message}",
        "`aws configure list-profiles` lists them.",
    ),
    "ConfigParseError": Row(
        "",
        SettingsError,
        "The AWS configuration file is damaged: {message}",
        "Mend ~/.aws/config, or the file that AWS_CONFIG_FILE names.",
    ),
    "TokenRetrievalError": Row(
        "",
        CredentialsError,
        "The SSO session is over: {message}",
        "Run `aws sso login`.",
    ),
    "SSOTokenLoadError": Row(
        "",
        CredentialsError,
        "There is no SSO session: {message}",
        "Run `aws sso login`.",
    ),
    "UnauthorizedSSOTokenError": Row(
        "",
        CredentialsError,
        "The SSO session is over.",
        "Run `aws sso login`.",
    ),
    "NoRegionError": Row("", SettingsError, "No AWS region is set.", "Set AWS_REGION or region."),
    "InvalidRegionError": Row(
        "", SettingsError, "This is no AWS region: {message}", "Check AWS_REGION or region."
    ),
    "UnknownRegionError": Row(
        "", SettingsError, "This is no AWS region: {message}", "Check AWS_REGION or region."
    ),
    "EndpointConnectionError": Row(
        "",
        AwsError,
        "AWS cannot be reached: {message}",
        "Check the network, the region and AWS_ENDPOINT_URL.",
    ),
    "ConnectTimeoutError": Row(
        "",
        AwsError,
        "AWS does not answer: {message}",
        "Check the network and proxies.",
    ),
    "ReadTimeoutError": Row(
        "",
        AwsError,
        "AWS did not answer in time: {message}",
        "Run the same command again: what was done is not done twice.",
    ),
    "ConnectionClosedError": Row(
        "",
        AwsError,
        "AWS closed the connection: {message}",
        "Run the same command again.",
    ),
    "ProxyConnectionError": Row(
        "",
        AwsError,
        "The proxy cannot be reached: {message}",
        "Check HTTPS_PROXY.",
    ),
    "SSLError": Row(
        "",
        AwsError,
        "The certificate of AWS is not trusted: {message}",
        "Behind a company's proxy, set AWS_CA_BUNDLE to its CA bundle.",
    ),
    "ParamValidationError": Row(
        "",
        SettingsError,
        "A value does not fit: {message}",
        "`lambdaimg settings` shows every setting and where it came from.",
    ),
    "IncompleteReadError": Row(
        "",
        AwsError,
        "AWS's answer was cut short.",
        "Run the same command again: what was done is not done twice.",
    ),
    "ResponseParserError": Row(
        "",
        AwsError,
        "What answered is not AWS, or its answer was damaged: {message}",
        "Check AWS_ENDPOINT_URL and proxies, then run the same command again.",
    ),
    "WaiterError": Row(
        "",
        ResourceFailedError,
        "AWS did not get there: {message}",
        "Run the same command again.",
    ),
}
