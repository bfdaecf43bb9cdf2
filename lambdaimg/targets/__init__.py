"""Every target, in one tuple: commands, `status`, `clean`, the docs and the graph come from it."""

from __future__ import annotations

from lambdaimg.context import Context
from lambdaimg.make.graph import table_of
from lambdaimg.make.target import Target
from lambdaimg.targets.deploy import DEPLOY
from lambdaimg.targets.ecr import ECR_REPO
from lambdaimg.targets.function import LAMBDA_FUNCTION, UPDATE_FUNCTION
from lambdaimg.targets.image import IMAGE
from lambdaimg.targets.layers import PUBLISH_LAYERS
from lambdaimg.targets.policies import LAMBDA_POLICIES, UPDATE_POLICIES
from lambdaimg.targets.role import LAMBDA_ROLE, POLICY_DOCUMENT
from lambdaimg.targets.sqs import QUEUE
from lambdaimg.targets.trigger import LAMBDA_SQS_TRIGGER
from lambdaimg.targets.zip_function import ZIP_FUNCTION, ZIP_UPDATE

TARGETS: tuple[Target[Context], ...] = (
    IMAGE,
    ECR_REPO,
    DEPLOY,
    POLICY_DOCUMENT,
    LAMBDA_ROLE,
    LAMBDA_POLICIES,
    UPDATE_POLICIES,
    LAMBDA_FUNCTION,
    UPDATE_FUNCTION,
    QUEUE,
    LAMBDA_SQS_TRIGGER,
)

TABLE = table_of(TARGETS)

_OF_IMAGES = (IMAGE, ECR_REPO, DEPLOY)
_OF_ZIP = {
    LAMBDA_FUNCTION.name: (PUBLISH_LAYERS, ZIP_FUNCTION),
    UPDATE_FUNCTION.name: (ZIP_UPDATE,),
}

# By the setting `package`: for a zip function some targets are others, under the same names.
TABLES = {
    "image": TABLE,
    "zip": table_of(
        other
        for target in TARGETS
        if target not in _OF_IMAGES
        for other in _OF_ZIP.get(target.name, (target,))
    ),
}
