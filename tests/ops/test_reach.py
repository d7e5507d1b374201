"""Which calls a function's code can reach: all of them, and none that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from chalicelib.settings.stage import Settings
from ops.reach import Code, UnreadableCallError

PROJECT = Path(__file__).parent.parent.parent

BOUNDARY = """
    class Ec2Client(Protocol):
        def describe_instances(self, **request): ...
        def describe_images(self, **request): ...

    class DynamoDbClient(Protocol):
        def get_item(self, **request): ...

    class Instances:
        def __init__(self, client: Ec2Client): self._client = client
        def find(self): return self._client.describe_instances()
        def images(self): return self._client.describe_images()

    class Rows:
        def __init__(self, client: DynamoDbClient): self._client = client
        @property
        def row(self): return self._read()
        def _read(self): return self._client.get_item()
"""


def project(tmp_path: Path, app: str, boundary: str = BOUNDARY) -> Code:
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "app.py").write_text(dedent(app))
    (tmp_path / "chalicelib/boundary.py").write_text(dedent(boundary))
    return Code(tmp_path)


def actions(code: Code, function: str) -> list[str]:
    return [call.action for call in code.calls(function)]


def test_a_function_reaches_what_its_code_names_and_no_more(tmp_path: Path) -> None:
    code = project(
        tmp_path,
        """
        @app.on_cw_event({})
        def watch(event): return helper().find()
        def helper(): return Instances(client)
        @app.schedule("rate(1 minute)")
        def sweep(event): return Rows(client).row
        @app.lambda_function()
        def idle(event, context): return 1
        """,
    )

    assert code.functions == ("idle", "sweep", "watch")
    assert actions(code, "watch") == ["ec2:DescribeInstances"]
    assert actions(code, "sweep") == ["dynamodb:GetItem"]
    assert actions(code, "idle") == []


def test_a_call_is_found_through_classes_bases_callbacks_and_constructors(tmp_path: Path) -> None:
    code = project(
        tmp_path,
        """
        from chalicelib.boundary import Instances
        class Base:
            def run(self): return self.pool.submit(self.work)
        class Worker(Base):
            def __init__(self): self.boundary = Instances(None)
            def work(self): return [each() for each in (self.boundary.images,)]
        @app.on_dynamodb_record("arn")
        def records(event): return Worker().run()
        """,
    )

    assert actions(code, "records") == ["ec2:DescribeImages"]


def test_an_annotation_reaches_nothing(tmp_path: Path) -> None:
    code = project(
        tmp_path,
        """
        @app.on_cw_event({})
        def watch(event: Instances) -> Instances:
            found: Instances = event
            return found.find()
        """,
    )

    assert actions(code, "watch") == []


def test_all_routes_are_one_function_also_where_they_are_conditional(tmp_path: Path) -> None:
    code = project(
        tmp_path,
        """
        @app.route("/a")
        def first(): return Rows(client).row
        if local:
            @app.route("/b")
            def second(): return Instances(client).images()
        """,
    )

    assert code.functions == ("api_handler",)
    assert actions(code, "api_handler") == ["dynamodb:GetItem", "ec2:DescribeImages"]


def test_a_call_names_the_line_that_makes_it(tmp_path: Path) -> None:
    code = project(tmp_path, "@app.schedule('x')\ndef watch(e): return Instances(e).find()\n")

    (call,) = code.calls("watch")

    assert call.file == "chalicelib/boundary.py"
    line = (tmp_path / call.file).read_text().splitlines()[call.line - 1]
    assert "self._client.describe_instances()" in line


def test_a_client_of_unknown_service_is_refused(tmp_path: Path) -> None:
    boundary = """
        class Queue:
            def __init__(self, client: SqsClient): self._client = client
            def send(self): return self._client.send_message()
    """
    code = project(tmp_path, "@app.schedule('x')\ndef watch(e): return Queue(e).send()\n", boundary)

    with pytest.raises(UnreadableCallError, match=r"chalicelib/boundary\.py:4: send_message"):
        code.calls("watch")


FIND = "Instances(client).find()"


@pytest.mark.parametrize(
    "app",
    [
        # a function passed as a callback, and one in a table of a module
        f"def look(): return {FIND}\n@app.schedule('x')\ndef watch(e): return pool.map(look, e)",
        (
            f"def look(): return {FIND}\nTABLE = {{'a': look}}\n@app.schedule('x')\n"
            "def watch(e): return TABLE[e]()"
        ),
        f"look = partial(lambda: {FIND})\n@app.schedule('x')\ndef watch(e): return look()",
        # names that are imported under others, classes and functions
        (
            "from chalicelib.boundary import Instances as Machines\n@app.schedule('x')\n"
            "def watch(e): return Machines(e).find()"
        ),
        # what runs when a class or a module is read
        (
            f"class Task:\n    run = staticmethod(lambda: {FIND})\n@app.schedule('x')\n"
            "def watch(e): return Task.run()"
        ),
        (
            "@dataclass\nclass Task:\n    each: object = field(default_factory=Instances)\n"
            "@app.schedule('x')\ndef watch(e): return Task().each.find()"
        ),
        f"register(lambda: {FIND})\n@app.schedule('x')\ndef watch(e): return 1",
        # what stands around a function
        f"def wrap(f): return lambda e: {FIND}\n@app.schedule('x')\n@wrap\ndef watch(e): return 1",
        (
            f"@app.middleware('all')\ndef each(event, go): return {FIND}\n@app.schedule('x')\n"
            "def watch(e): return 1"
        ),
        # where a function stands
        (
            f"if local:\n    pass\nelse:\n    def look(): return {FIND}\n@app.schedule('x')\n"
            "def watch(e): return look()"
        ),
        (
            f"try:\n    import fast\nexcept ImportError:\n    def look(): return {FIND}\n"
            "@app.schedule('x')\ndef watch(e): return look()"
        ),
        # a base by its module, a comprehension, a name that two modules have
        (
            "class Own(boundary.Instances):\n    pass\n@app.schedule('x')\n"
            "def watch(e): return [each.find() for each in (Own(e),)]"
        ),
        f"def twice(): return {FIND}\n@app.schedule('x')\ndef watch(e): return twice()",
    ],
)
def test_a_call_is_found_however_it_is_reached(tmp_path: Path, app: str) -> None:
    (tmp_path / "chalicelib/more").mkdir(parents=True)
    (tmp_path / "chalicelib/more/deep.py").write_text("def twice(): return 1\n")
    (tmp_path / "chalicelib/boundary.py").write_text(dedent(BOUNDARY))
    (tmp_path / "app.py").write_text(app + "\n")

    assert "ec2:DescribeInstances" in actions(Code(tmp_path), "watch")


def test_a_package_below_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "chalicelib/deep").mkdir(parents=True)
    (tmp_path / "chalicelib/deep/boundary.py").write_text(dedent(BOUNDARY))
    (tmp_path / "app.py").write_text(f"@app.schedule('x')\ndef watch(e): return {FIND}\n")

    assert actions(Code(tmp_path), "watch") == ["ec2:DescribeInstances"]


def test_a_function_goes_by_the_name_that_it_is_given(tmp_path: Path) -> None:
    code = project(
        tmp_path, "@app.lambda_function(name='launch-ec2')\ndef launch(e, c): return 1\n"
    )

    assert code.functions == ("launch-ec2",)


@pytest.mark.parametrize("call", ["get_paginator('x')", "get_waiter('x')", "describe_nothing()"])
def test_a_call_whose_rights_cannot_be_read_is_refused(tmp_path: Path, call: str) -> None:
    boundary = f"""
        class Instances:
            def __init__(self, client: Ec2Client): self._client = client
            def find(self): return self._client.{call}
    """
    code = project(tmp_path, f"@app.schedule('x')\ndef watch(e): return {FIND}\n", boundary)

    with pytest.raises(UnreadableCallError, match="is not an operation of ec2"):
        code.calls("watch")


def test_a_class_with_clients_of_two_services_is_refused(tmp_path: Path) -> None:
    boundary = """
        class Both:
            def __init__(self, one: Ec2Client, two: DynamoDbClient): self._client = one
    """
    with pytest.raises(UnreadableCallError, match="Both takes clients of several services"):
        project(tmp_path, "x = 1\n", boundary)


def test_a_decorator_of_chalice_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCallError, match=r"@app\.on_new_thing"):
        project(tmp_path, "@app.on_new_thing()\ndef watch(e): return 1\n")


def test_the_watchdog_reaches_exactly_these_calls() -> None:
    found = {call.action for call in Code(PROJECT).calls("dns_watchdog")}

    assert found == {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "ec2:DescribeInstances",
        "secretsmanager:GetSecretValue",
    }


# Features

VARIABLES = {
    "DOMAIN_ROOT": "example.com",
    "ZONE_ID": "0" * 32,
    "SECRET_ARN": "x",
    "OWNER": "elephant:x",
}
FEATURE = {"FEATURES": "meetings", "AMI_ID": "ami-00000000", "SECURITY_GROUP_IDS": "sg-00000000"}
PLAIN = Settings.parse(VARIABLES)
LOCAL = replace(PLAIN, cloudflare_api_url="http://127.0.0.1:8052/client/v4")
WITH = Settings.parse(VARIABLES | FEATURE)
OF_A_FEATURE = """
    @app.schedule("x")
    def watch(e): return more(e)
    def more(e):
        if settings.meetings:
            return Rows(e).row
        return 1
    if settings.is_local:
        @app.route("/events")
        def events(): return Instances(client).find()
    if settings.meetings:
        @app.route("/join")
        def join(): return Rows(client).row
        @app.on_dynamodb_record("arn")
        def records(e): return Rows(e).row
    else:
        @app.schedule("y")
        def idle(e): return 1
"""


def test_a_stage_has_the_functions_of_its_features_and_no_more(tmp_path: Path) -> None:
    code = project(tmp_path, OF_A_FEATURE)

    assert code.functions == ("api_handler", "idle", "records", "watch")
    assert code.functions_of(PLAIN) == ("idle", "watch")
    assert code.functions_of(LOCAL) == ("api_handler", "idle", "watch")
    assert code.functions_of(WITH) == ("api_handler", "records", "watch")
    assert code.reads_stream("records")
    assert not code.reads_stream("watch")


def test_a_stage_has_no_rights_of_features_that_it_lacks(tmp_path: Path) -> None:
    code = project(tmp_path, OF_A_FEATURE)

    def found(function: str, settings: Settings) -> list[str]:
        return [call.action for call in code.calls(function, settings)]

    assert found("watch", PLAIN) == []
    assert found("watch", WITH) == ["dynamodb:GetItem"]
    assert found("api_handler", LOCAL) == ["ec2:DescribeInstances"]
    assert found("api_handler", WITH) == ["dynamodb:GetItem"]


@pytest.mark.parametrize(
    ("test", "has"),
    [
        ("settings.meetings", False),
        ("not settings.meetings", True),
        ("self._settings.meetings", False),
        ("other.meetings", True),  # it is not known what that is
        ("settings.meetings and other", True),
        ("not other", True),
    ],
)
@pytest.mark.parametrize(
    "way",
    ["    if {}: return {}", "    return {1} if {0} else 1", "    if not {}: pass\n    else: {}"],
)
def test_a_test_that_is_not_read_leaves_the_code_in(
    tmp_path: Path, test: str, *, has: bool, way: str
) -> None:
    body = way.format(test, FIND)
    code = project(tmp_path, f"@app.schedule('x')\ndef watch(e):\n{body}\n")

    assert bool(code.calls("watch", PLAIN)) is has
    assert code.calls("watch", WITH) or test == "not settings.meetings"
    assert code.calls("watch")


@pytest.mark.parametrize(
    "body",
    [
        "zone = 1; return zone",
        "return [zone for zone in e]",
        "return {zone: 1 for zone in e}",
        "return lambda zone: zone",
        "def of(zone, *more, key=1, **rest): return zone\n    return of",
        "return e.zone",
        "for zone in e: print(zone)",
        "with e as zone: print(zone)",
    ],
)
def test_a_variable_is_not_the_function_of_its_name(tmp_path: Path, body: str) -> None:
    app = f"def zone(): return {FIND}\n@app.schedule('x')\ndef watch(e):\n    {body}\n"
    code = project(tmp_path, app)

    assert code.calls("watch") == ()


@pytest.mark.parametrize(
    "body",
    [
        "return zone()",
        "return [zone for zone in zone()]",
        "def of(zone=zone()): return zone\n    return of",
        "return lambda zone=zone: zone",
        "def of(*, zone=zone): return zone\n    return of",
        "global zone; zone = zone or 1; return zone",
        "return [1 for each in e if (zone(), [zone for zone in e])]",
        "import app; return app.zone()",
    ],
)
def test_a_function_is_found_beside_a_variable_of_its_name(tmp_path: Path, body: str) -> None:
    app = f"import app\ndef zone(): return {FIND}\n@app.schedule('x')\ndef watch(e):\n    {body}\n"
    code = project(tmp_path, app)

    assert actions(code, "watch") == ["ec2:DescribeInstances"]


def test_a_decorator_is_outside_of_its_function(tmp_path: Path) -> None:
    app = (
        f"def wrap(f): return lambda e: {FIND}\n"
        "@app.schedule('x')\n@wrap\ndef watch(wrap): return wrap\n"
    )

    assert actions(project(tmp_path, app), "watch") == ["ec2:DescribeInstances"]
