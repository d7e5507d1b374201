"""AWS on a laptop, without an account.

moto's server takes what Chalice deploys, unchanged; the deployed functions really run, under AWS's
own runtime client; a bridge makes the events that EC2 would make; schedules fire; and the time in
between can be skipped.

    with MotoServer() as server, Functions(server.endpoint) as functions:
        server.run_functions(functions)
        with Bridge(functions), Schedules(functions):
            deploy(project, "dev", server.endpoint)
"""

from .account import (
    ACCOUNT_ID,
    DEFAULT_REGION,
    aws_client,
    aws_environment,
    aws_settings,
)
from .bridge import Bridge, Delivery
from .clock import Clock
from .deploy import copy_project, deploy
from .functions import Functions, ThrottledError
from .invocation import FunctionError, Invocation
from .passing import Passing
from .permissions import role_may
from .premises import make_image, make_security_group
from .refusals import Refusal
from .scheduler import OneOffs
from .schedules import Schedules
from .server import MotoServer
from .state import UnknownFunctionError

__all__ = [
    "ACCOUNT_ID",
    "DEFAULT_REGION",
    "Bridge",
    "Clock",
    "Delivery",
    "FunctionError",
    "Functions",
    "Invocation",
    "MotoServer",
    "OneOffs",
    "Passing",
    "Refusal",
    "Schedules",
    "ThrottledError",
    "UnknownFunctionError",
    "aws_client",
    "aws_environment",
    "aws_settings",
    "copy_project",
    "deploy",
    "make_image",
    "make_security_group",
    "role_may",
]
