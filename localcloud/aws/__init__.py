"""AWS on this machine, without an account; see README.md."""

from .account import ACCOUNT_ID, DEFAULT_REGION, aws_client, aws_environment, aws_settings
from .bridge import Bridge, Delivery
from .chalice_project import copy_project
from .clock import Clock
from .fixtures import ANY_IMAGE, make_image, make_security_group
from .functions import Functions, ThrottledError
from .invocation import FunctionError, Invocation
from .permissions import role_may
from .refusals import Refusal
from .scheduler import OneOffs
from .schedules import Schedules
from .server import MotoServer, PortTakenError
from .state import UnknownFunctionError
from .time_travel import TimeTravel

__all__ = [
    "ACCOUNT_ID",
    "ANY_IMAGE",
    "DEFAULT_REGION",
    "Bridge",
    "Clock",
    "Delivery",
    "FunctionError",
    "Functions",
    "Invocation",
    "MotoServer",
    "OneOffs",
    "PortTakenError",
    "Refusal",
    "Schedules",
    "ThrottledError",
    "TimeTravel",
    "UnknownFunctionError",
    "aws_client",
    "aws_environment",
    "aws_settings",
    "copy_project",
    "make_image",
    "make_security_group",
    "role_may",
]
