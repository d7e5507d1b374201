"""The Linux agent, from boot to power-off, as the process that systemd runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.desktop.world import INSTANCE, PAIR, World, agents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.desktop.world import Agent

    Start = Callable[[], Agent]

GET, HEALTHY, FINISHED = "GET /desktop", "POST /desktop/healthy", "POST /desktop/finished"
DENIED = {"x-amzn-ErrorType": "AccessDeniedException"}


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="desktops run Linux or Windows")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path).running() as world:
        yield world


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    with agents(world) as start:
        yield start


def polls(world: World, count: int | str) -> bool:
    return world.calls[-1].query == f"connections={count}"


def reported(world: World) -> object:
    return json.loads(world.made(FINISHED)[-1].body)


def test_a_desktop_is_ready_for_its_meeting_and_is_off_after_it(world: World, start: Start) -> None:
    conf = world.root / "etc/dcv/dcv.conf"
    conf.write_text('[security]\nauth-token-verifier="old"\nauthentication="system"\n[log]\n')
    world.hook(
        "start.d/10-note", 'env | grep ^ELEPHANT_R >"$ELEPHANT_ROOT/env"; echo $PPID; exit 1'
    )
    agent = start()
    world.wait_for(lambda: world.calls and polls(world, 0))

    assert [call.route for call in world.calls[:3]] == [GET, HEALTHY, GET]
    for name, text in PAIR.items():
        file = world.root / "etc/dcv" / name
        assert (file.read_text().strip(), file.stat().st_mode & 0o777) == (text, 0o600)
    verifier = f'auth-token-verifier="{world.url}/api/dcv/{INSTANCE}"'
    port = (world.root / "etc/elephant/desktop.conf").read_text().split("=")[-1]
    assert conf.read_text() == (
        f'[security]\n{verifier}\nos-auto-lock=false\nauthentication="system"\n[log]\n'
        f"[connectivity]\nidle-timeout=0\nweb-port={port}"
    )
    assert world.ran("systemctl") == ["restart dcvserver"]
    create = "create-session --type virtual --user elephant --owner elephant"
    assert f"{create} --max-concurrent-clients 1 elephant" in world.ran("dcv")
    environment = (world.root / "env").read_text()
    assert "ELEPHANT_ROLE=teacher\n" in environment
    assert f"ELEPHANT_ROOM_URL={world.room_url}\n" in environment
    assert "start.d/10-note failed with status 1" in agent.journal

    world.connect(1)
    world.wait_for(lambda: polls(world, 1))
    world.hook("finish.d/10-upload", 'echo working\necho \'{"recording": "s3://b/k"}\'\necho done')
    world.hook("finish.d/20-other", "echo no object; exit 2")
    world.hook("finish.d/30-silent", "echo to the journal >&2")
    (world.root / "etc/elephant/finish.d/README").write_text("not executable")
    world.over = True
    assert agent.ended() == 0
    expected = {"finished": True, "recording": "s3://b/k", "20-other": "no object\n"}
    assert reported(world) == expected
    assert world.ran("poweroff") == [""]
    assert "the meeting is over: it has ended" in agent.journal
    assert "to the journal" in agent.journal
    assert world.unsigned == []
    assert not any(secret in agent.journal for secret in ("secret/", "token/", "PRIVATE"))


def test_after_a_reboot_it_goes_on_where_it_was(world: World, start: Start) -> None:
    world.hook("start.d/10-once", 'echo run >>"$ELEPHANT_ROOT/runs"')
    start_again = start()
    world.wait_for(lambda: world.calls and polls(world, 0))
    start_again.stop(signal.SIGTERM)
    assert world.made(FINISHED) == []  # a shutdown is no finish
    (world.commands / "session").unlink()
    calls = len(world.calls)

    start()
    world.wait_for(lambda: len(world.calls) > calls and polls(world, 0))
    assert len(world.made(HEALTHY)) == 1
    assert (world.root / "runs").read_text() == "run\n"
    assert world.ran("systemctl") == ["restart dcvserver", "start dcvserver"]
    assert (world.commands / "session").exists()


def test_a_reboot_while_finishing_repeats_no_hook_and_loses_no_data(
    world: World, start: Start
) -> None:
    world.over = True
    world.hook("finish.d/10-upload", 'echo "{\\"meeting\\": \\"$ELEPHANT_MEETING_ID\\"}"')
    world.answers[FINISHED] = [(503, {})] * 1000
    agent = start()
    world.wait_for(lambda: world.made(FINISHED))
    agent.stop()
    world.hook("finish.d/10-upload", "echo again")
    world.answers.clear()
    again = start()
    assert again.ended() == 0
    assert reported(world) == {"finished": True, "meeting": "m-1"}
    calls = len(world.calls)
    assert start().ended() == 0  # somebody has switched it on again
    assert (len(world.calls), len(world.ran("poweroff"))) == (calls, 2)


def test_an_api_that_is_down_or_not_ready_delays_a_desktop_only(world: World, start: Start) -> None:
    world.answers[GET] = [(502, {}), (429, {"Retry-After": "1"}), (403, DENIED), (404, {})]
    world.answers[HEALTHY] = [(409, {"Retry-After": "5"}), (500, {}), (409, {})]
    agent = start()
    world.wait_for(lambda: world.calls and polls(world, 0))
    assert len(world.made(HEALTHY)) == 4
    assert world.credentials_given == 2  # API Gateway may have refused old ones
    assert "GET /desktop was answered 502: a 502" in agent.journal

    world.answers[GET] = [(500, {})] * 3
    calls = len(world.calls)
    world.wait_for(lambda: len(world.calls) > calls + 3)
    assert world.ran("poweroff") == []


def test_a_desktop_that_the_api_refuses_stops_for_good(world: World, start: Start) -> None:
    world.answers[GET] = [(403, {})]
    agent = start()
    assert agent.ended() == 3  # which systemd does not restart
    assert "refused: a 403" in agent.journal
    assert world.ran("poweroff") == []


def test_an_instance_of_no_meeting_is_left_alone(world: World, start: Start) -> None:
    del world.metadata["tags/instance/elephant:api"]
    agent = start()
    assert agent.ended() == 0
    assert "no desktop of a meeting" in agent.journal
    assert (world.calls, world.ran("dcv"), world.ran("poweroff")) == ([], [], [])


def test_credentials_are_renewed_before_they_expire(world: World, start: Start) -> None:
    world.credential_life = timedelta(minutes=4)
    start()
    world.wait_for(lambda: len({call.access_key for call in world.calls}) > 3)
    assert world.unsigned == []


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "cannot be read: there is none"),
        ("not JSON", "is not a JSON object with a certificate"),
        (json.dumps(PAIR | {"dcv.key": None}), "is not a JSON object with a certificate"),
    ],
)
def test_a_desktop_without_a_certificate_says_why_and_waits_for_one(
    world: World, start: Start, secret: object, said: str
) -> None:
    world.secret = secret
    agent = start()
    world.wait_for(lambda: len(world.made(GET)) > 3)
    assert said in agent.journal
    assert world.made(HEALTHY) == []
    world.secret = json.dumps(PAIR)
    world.wait_for(lambda: world.made(HEALTHY))


def test_a_meeting_that_ends_while_its_desktop_is_not_ready_ends_the_desktop(
    world: World, start: Start
) -> None:
    world.configure(DCV_PORT="1")  # nothing answers there
    agent = start()
    world.wait_for(lambda: len(world.made(GET)) > 2)
    world.over = True
    assert agent.ended() == 0
    assert "DCV does not answer on port 1 yet" in agent.journal
    assert (world.made(HEALTHY), len(world.ran("poweroff"))) == ([], 1)


def test_a_desktop_that_nobody_uses_any_more_finishes(world: World, start: Start) -> None:
    world.configure(IDLE_MINUTES="15")
    agent = start()
    world.wait_for(lambda: world.calls and polls(world, 0))
    assert not world.state("connected").exists()  # before anybody came it waits
    world.connect(1)
    world.wait_for(lambda: polls(world, 1))
    world.connect("null")
    world.wait_for(lambda: not world.calls[-1].query)  # unknown is not nobody
    world.connect(0)
    calls = len(world.calls)
    world.wait_for(lambda: len(world.calls) > calls + 2)
    long_ago = time.time() - 16 * 60
    os.utime(world.state("connected"), (long_ago, long_ago))
    assert agent.ended() == 0
    assert "nobody has been connected for 15 minutes" in agent.journal
    assert reported(world) == {"finished": True}


def test_a_desktop_finishes_before_its_meeting_is_ended(world: World, start: Start) -> None:
    """A minute is left for what it has to save."""
    agent = start()
    world.wait_for(lambda: len(world.made(GET)) > 3)
    world.ends_in = [timedelta(seconds=55)]

    assert agent.ended() == 0
    assert reported(world) == {"finished": True}
    assert "finishing: the meeting's time is over" in agent.journal


def test_a_meeting_that_is_extended_at_the_last_moment_goes_on(world: World, start: Start) -> None:
    hour, soon = timedelta(hours=1), timedelta(seconds=30)
    world.ends_in = [hour, hour, soon, hour]

    start()

    world.wait_for(lambda: world.ends_in == [hour] and len(world.made(GET)) > 6)
    assert world.made(FINISHED) == []


def test_a_program_on_the_desktop_can_ask_to_finish(world: World, start: Start) -> None:
    agent = start()
    world.wait_for(lambda: world.calls and polls(world, 0))
    world.hook("finish.d/10-big", "head -c 9000 /dev/zero | tr '\\0' x")
    world.answers[FINISHED] = [(413, {})]
    request = world.root / "run/elephant/finish"
    request.parent.mkdir(parents=True)
    request.touch()
    assert agent.ended() == 0
    assert reported(world) == {"finished": True}
    assert "the session data was refused: a 413" in agent.journal


def test_dcv_gets_its_configuration_even_if_it_does_not_restart_at_once(
    world: World, start: Start
) -> None:
    conf = world.root / "etc/dcv/dcv.conf"
    conf.touch(0o640)
    world.command("systemctl", "[ -e tried ] || { touch tried; exit 1; }")
    start()
    world.wait_for(lambda: world.made(HEALTHY))
    assert world.ran("systemctl") == ["restart dcvserver"] * 2
    assert conf.stat().st_mode & 0o777 == 0o640


def test_a_user_who_logs_out_finds_a_new_session(world: World, start: Start) -> None:
    start()
    world.wait_for(lambda: world.calls and polls(world, 0))
    (world.commands / "session").unlink()
    world.wait_for((world.commands / "session").exists)


def test_with_a_log_in_of_the_operators_own_nothing_of_dcv_is_changed_but_its_port(
    world: World, start: Start
) -> None:
    world.configure(SIGN_IN="none", CERTIFICATE_SECRET="")
    world.connect(2)
    start()
    world.wait_for(lambda: world.calls and polls(world, 2))
    assert "auth-token-verifier" not in (world.root / "etc/dcv/dcv.conf").read_text()
    assert {line.split()[0] for line in world.ran("dcv")} == {"list-sessions"}
    assert not (world.root / "etc/dcv/dcv.pem").exists()
