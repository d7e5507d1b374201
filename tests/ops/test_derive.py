"""Which calls a function's code can reach: all of them, and none that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from ops.derive import Tree, derive
from ops.iam_page import EXAMPLE, PLAIN
from ops.reach import CALLS, UnreadableCallError
from ops.worlds import WORLDS, condition, holds, world_of

PROJECT = Path(__file__).parent.parent.parent

AWS = """
    from typing import Any, Literal, Protocol, overload
    class Ec2Client(Protocol):
        def describe_instances(self, **request: object) -> dict[str, str]: ...
        def describe_images(self, **request: object) -> dict[str, str]: ...
        def get_paginator(self, name: str) -> Any: ...
        def get_waiter(self, name: str) -> Any: ...
        def describe_nothing(self) -> None: ...
    class TableClient(Protocol):
        def get_item(self, **request: object) -> dict[str, str]: ...
        def put_item(self, **request: object) -> dict[str, str]: ...
    class MailClient(Protocol):
        def send_email(self, **request: object) -> dict[str, str]: ...
    @overload
    def client(service: Literal["ec2"]) -> Ec2Client: ...
    @overload
    def client(service: Literal["dynamodb"]) -> TableClient: ...
    @overload
    def client(service: Literal["sesv2"]) -> MailClient: ...
    def client(service: Any) -> Any:
        return service.create_client()
"""
PARTS = """
    from functools import cached_property
    from threading import Thread
    from typing import Any, Protocol, TypeVar
    from chalicelib.aws import Ec2Client, TableClient, client

    class Settings:
        meetings = notifications = is_local = False
    settings = Settings()

    class Instances:
        def __init__(self, ec2: Ec2Client) -> None: self._ec2 = ec2
        def read(self) -> object: return self._ec2.describe_instances()
        def images(self) -> object: return self._ec2.describe_images()
        def never(self) -> object: return self._ec2.describe_images()
    class Rows:
        def __init__(self, table: TableClient) -> None: self._table = table
        def read(self) -> object: return self._table.get_item()
        @property
        def row(self) -> object: return self.read()
        @cached_property
        def kept(self) -> object: return self.read()
    class Both:
        def __init__(self, ec2: Ec2Client, table: TableClient) -> None:
            self.ec2, self.table = ec2, table
        def first(self) -> object: return self.ec2.describe_images()
        def second(self) -> object: return self.table.put_item()
    class Reader(Protocol):
        def read(self) -> object: ...
    class Copy(Rows):
        def read(self) -> object: return super().read()
    class Eager(Rows):
        def __init__(self) -> None: self.read()
        def read(self) -> object: return None
    class Entered:
        def __enter__(self) -> None: client("ec2").describe_instances()
        def __exit__(self, *_: object) -> None: ...
    class Worker(Thread):
        def run(self) -> None: rows().read()
    class Holder:
        kind = Both
        class Inner:
            def go(self) -> object: return rows().row
    Any_Reader = TypeVar("Any_Reader", bound=Reader)
    Alias = Rows

    def rows() -> Rows: return Rows(client("dynamodb"))
    def instances() -> Instances: return Instances(client("ec2"))
    def read_rows(*_: object) -> object: return rows().read()
    def call(function: Any, *arguments: Any) -> Any: return function(*arguments)
    def read(reader: Reader) -> object: return reader.read()
    def read_any(reader: Any_Reader) -> Any_Reader:
        reader.read()
        return reader
"""
APP = """
    import sys
    from typing import Any
    from chalicelib import parts as p
    from chalicelib.aws import client
    from chalicelib.parts import read_rows as renamed, settings
    app: Any = None
    context: Any = None
    def decorated(function: Any) -> Any: return lambda event: p.rows().read()
"""
READ, WRITE = "dynamodb:GetItem", "dynamodb:PutItem"
INSTANCES, IMAGES = "ec2:DescribeInstances", "ec2:DescribeImages"
FOUND = {
    "nothing but what is referred to": ("return 1", set()),
    "the method of one of two classes that have it": ("return p.rows().read()", {READ}),
    "the one that the other has": ("return p.instances().read()", {INSTANCES}),
    "one of two clients of a class": ("return p.Both(*context).second()", {WRITE}),
    "the calls of both": ("b = p.Both(*context); return b.first(), b.second()", {IMAGES, WRITE}),
    "a client by itself": ("return client('ec2').describe_images()", {IMAGES}),
    "a client of which IAM has another name": ("client('sesv2').send_email()", {"ses:SendEmail"}),
    "a client's method as a value": ("return p.call(client('ec2').describe_images)", {IMAGES}),
    "a paginator": ("client('ec2').get_paginator('describe_images').paginate()", {IMAGES}),
    "a waiter": ("return client('ec2').get_waiter('instance_running').wait()", {INSTANCES}),
    "a function that is passed": ("return map(p.read_rows, event)", {READ}),
    "a method that is passed": ("return p.call(p.instances().images)", {IMAGES}),
    "a lambda": ("return p.call(lambda: p.rows().read())", {READ}),
    "a function inside": ("def inner() -> Any: return p.rows().read()\n    return inner", {READ}),
    "a function by another name": ("return renamed()", {READ}),
    "a default argument": ("def inner(e: Any = p.read_rows) -> Any: ...\n    return inner", {READ}),
    "a comprehension": ("return [each.images() for each in [p.instances()]]", {IMAGES}),
    "a pattern": ("match event:\n        case 1: return p.rows().read()", {READ}),
    "a property": ("return p.rows().row", {READ}),
    "a cached property": ("return p.rows().kept", {READ}),
    "a class by an alias": ("return p.Alias(context).read()", {READ}),
    "a class in a class": ("return p.Holder.Inner().go()", {READ}),
    "a class that is an attribute": ("return p.Holder().kind(context, context).first()", {IMAGES}),
    "what a constructor calls on itself": ("p.Eager()", set()),
    "what `with` calls": ("with p.Entered(): pass", {INSTANCES}),
    "what `super` finds": ("return p.Copy(context).read()", {READ}),
    "what another library calls": ("p.Worker().start()", {READ}),
    "what a protocol's objects may be": ("return p.read(p.rows())", {READ}),
    "what a type variable stands for": ("return p.read_any(p.rows())", {READ}),
    "none of what no object is of": ("def f(e: p.Instances) -> Any: return e.read()", set()),
    "either of two types": (
        "each = p.rows() if event else p.instances()\n    return each.read()",
        {READ, INSTANCES},
    ),
}
REFUSED = {
    "a call on what may be a client": ("return context.put_item()", "annotate what has put_item"),
    "a call on what may have one": ("return context.images()", "annotate what has images"),
    "another client": ("return context.create_client()", "may create_client"),
    "a client of another library": ("import boto3 as b\n    b.resource('x')", "boto3 hides what"),
    "a part of that library": ("from boto3 import client as c\n    c('x')", "boto3 hides what"),
    "a name that is computed": ("return getattr(p, event)", "getattr hides what is reached"),
    "no operation": ("client('ec2').describe_nothing()", "describe_nothing has to name an op"),
    "any paginator": ("client('ec2').get_paginator(event)", "get_paginator has to name an op"),
    "code for another system": ("if sys.platform == 'x':\n        renamed()", "mypy does not read"),
}


OF_FEATURES = """
    @app.schedule("x")
    def watch(event: Any) -> object:
        if settings.meetings:
            return p.rows().read()
        elif settings.notifications:
            return p.Both(context, context).second()
        return 1 if settings.is_local else p.instances().images()

    @app.on_cw_event({})
    def look(event: Any) -> object:
        if not settings.meetings:
            p.instances().read()
        return renamed() if event and settings.is_local else 1

    if settings.is_local:
        @app.route("/events")
        def events() -> object: return p.instances().read()
    if settings.meetings:
        @app.route("/join")
        def join() -> object: return p.rows().read()
        @app.on_dynamodb_record("arn")
        def records(event: Any) -> object: ...
        @app.lambda_function(name="launch-ec2")
        def launch(event: Any) -> object: ...
    else:
        @app.schedule("y")
        @decorated
        def idle(event: Any) -> object: return 1
    @app.on_new_thing()
    def new(event: Any) -> object: return 1
"""


def project(directory: Path, app: str, parts: str = PARTS) -> Path:
    (directory / "chalicelib").mkdir()
    (directory / "app.py").write_text(dedent(APP) + dedent(app))
    (directory / "chalicelib/__init__.py").touch()
    (directory / "chalicelib/aws.py").write_text(dedent(AWS))
    (directory / "chalicelib/parts.py").write_text(dedent(parts))
    return directory


def function(name: str, body: str) -> str:
    return f"@app.schedule('x')\ndef {name}(event: Any) -> Any:\n    {body}\n"


NAMES = {case: f"f{number}" for number, case in enumerate([*FOUND, *REFUSED])}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    app = "".join(function(NAMES[case], body) for case, (body, _) in (FOUND | REFUSED).items())
    return Tree(project(tmp_path_factory.mktemp("project"), dedent(OF_FEATURES) + app))


@pytest.mark.parametrize("case", FOUND)
def test_a_function_reaches(tree: Tree, case: str) -> None:
    found = {call.action for call in tree.calls(NAMES[case], WORLDS[0])}

    assert found == FOUND[case][1]


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused_with_its_place(tree: Tree, case: str) -> None:
    with pytest.raises(UnreadableCallError, match=rf"^app\.py:\d+: .*{REFUSED[case][1]}"):
        tree.calls(NAMES[case], WORLDS[0])


def test_an_unknown_decorator_of_chalice_and_wrong_types_are_refused(
    tree: Tree, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableCallError, match=r"^app\.py:\d+: add @app\.on_new_thing to"):
        tree.calls("new", WORLDS[0])
    with pytest.raises(UnreadableCallError, match=r"mypy finds errors:\n.*app\.py:\d+: error: "):
        Tree(project(tmp_path, "number: int = 'text'"))


def test_a_call_that_seems_to_be_made_by_no_function_is_named(tree: Tree) -> None:
    found = set().union(*(tree.calls(NAMES[case], WORLDS[0]) for case in FOUND))
    (missed,) = tree.unreached(found)

    assert missed.endswith(": no function is found to reach this call")
    file, line = missed.split(":")[0], int(missed.split(":")[1])
    assert file == "chalicelib/parts.py"
    assert "def never" in dedent(PARTS).splitlines()[line - 1]
    assert "chalicelib.aws.TableClient names put_item, which nothing calls" in tree.unreached([])


@pytest.mark.parametrize(
    ("name", "condition_of_it", "conditions"),
    [
        (
            "watch",
            "always",
            {READ: "meetings", WRITE: "not meetings and notifications", IMAGES: "not is_local"},
        ),
        ("look", "always", {INSTANCES: "not meetings", READ: "always"}),
        ("api_handler", "is_local or meetings", {INSTANCES: "is_local", READ: "meetings"}),
        ("records", "meetings", {}),
        ("launch-ec2", "meetings", {}),
        ("idle", "not meetings", {READ: "not meetings"}),
    ],
)
def test_a_stage_has_the_functions_and_calls_of_its_features_and_no_more(
    tree: Tree, name: str, condition_of_it: str, conditions: dict[str, str]
) -> None:
    worlds = tree.worlds(name)
    found = {world: {call.action for call in tree.calls(name, world)} for world in worlds}

    assert condition(worlds) == condition_of_it
    assert conditions == {
        action: condition(world for world in worlds if action in found[world])
        for action in set().union(*found.values())
    }


def test_a_condition_holds_for_exactly_the_stages_that_it_is_made_of() -> None:
    for number in range(1, 1 << len(WORLDS)):
        meant = [world for place, world in enumerate(WORLDS) if number >> place & 1]
        text = condition(meant)
        assert [world for world in WORLDS if holds(text, world)] == meant, text

    local = replace(PLAIN.settings, cloudflare_api_url="http://127.0.0.1:8052/client/v4")
    assert world_of(PLAIN.settings) == frozenset()
    assert world_of(EXAMPLE.settings) == {"meetings", "notifications", "invites"}
    quiet = replace(EXAMPLE, variables={**EXAMPLE.variables, "INVITATIONS": "off"})
    assert world_of(quiet.settings) == {"meetings", "notifications"}
    assert world_of(local) == {"is_local"}


@pytest.mark.usefixtures("untraced")
def test_the_file_in_the_repository_is_what_this_code_calls() -> None:
    """Both ways: every call that is reached is in it, and nothing else."""
    assert CALLS.read_text() == derive(PROJECT), "run `python -m ops.derive`"
