"""Which calls a function's code can reach: all of them, and none that it cannot."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

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

    with pytest.raises(UnreadableCallError, match="is no operation of ec2"):
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
