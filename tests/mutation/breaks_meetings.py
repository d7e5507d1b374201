"""Breaks of what ends meetings and what starts their desktops: rules 15 to 17."""

from __future__ import annotations

from typing import Final

from tests.mutation.broken import Break, Rule

_CLAIM: Final = (
    Break(
        "desktops-are-ended-before-the-claim",
        Rule.CLAIM,
        "meetings/ending",
        old=(
            "        claimed = self._claim(meeting, reason)\n"
            "        ended = self._end(meeting.id, claimed)\n"
        ),
        new=(
            "        ended = self._end(meeting.id, meeting)\n"
            "        claimed = self._claim(meeting, reason)\n"
        ),
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-claim-relies-on-nothing",
        Rule.CLAIM,
        "meetings/ending",
        old="RowUpdate(meeting, {REASON: reason}, _relied_on(meeting))",
        new="RowUpdate(meeting, {REASON: reason})",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-claim-does-not-see-that-somebody-joined",
        Rule.CLAIM,
        "meetings/ending",
        old='return ("status", REASON, JOINED_AT, MEET_TIME, *unfinished)',
        new='return ("status", REASON, MEET_TIME, *unfinished)',
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-claim-does-not-see-that-a-side-has-finished",
        Rule.CLAIM,
        "meetings/ending",
        old='return ("status", REASON, JOINED_AT, MEET_TIME, *unfinished)',
        new='return ("status", REASON, JOINED_AT, MEET_TIME)',
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-claim-whose-answer-was-lost-is-not-known-again",
        Rule.CLAIM,
        "meetings/ending",
        old=(
            "            now = self._reader.read_row(meeting.id)\n"
            "            if now is None or not is_over(now):\n"
            "                raise\n"
            "            return now\n"
        ),
        new="            raise\n",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "one-ended-desktop-makes-the-meeting-terminated",
        Rule.CLAIM,
        "meetings/ending",
        old="        if errors:\n",
        new="        if errors and not ended:\n",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-desktop-that-ec2-refuses-to-end-protects-the-next",
        Rule.CLAIM,
        "meetings/ending",
        old="                errors.append(error)\n",
        new=("                errors.append(error)\n                break\n"),
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "whatever-the-row-names-is-ended",
        Rule.CLAIM,
        "meetings/ending",
        old="mine = [each for each in others if self._is_of(each, meeting_id)]",
        new="mine = others",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "another-projects-instance-is-ended",
        Rule.CLAIM,
        "meetings/ending",
        old="and instance.belongs_to(settings.project_tag, settings.owner)",
        new="",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "another-stages-desktop-is-ended",
        Rule.CLAIM,
        "instance",
        old=" and self.tags.get(OWNER_TAG, owner) == owner",
        new="",
        tests=("meetings/test_two_stages.py", "test_instance.py"),
    ),
    Break(
        "without-a-row-what-may-be-another-stages-is-ended",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="patience = longest if meeting else _longest_without_row(desktops, longest)",
        new="patience = longest",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "only-desktops-that-the-row-names-are-ended",
        Rule.CLAIM,
        "meetings/ending",
        old="tagged = self._instances.of_meeting(meeting_id)",
        new="tagged = self._instances.among(())",
        tests=("meetings/test_ending.py",),
    ),
    Break(
        "a-desktop-that-is-gone-cannot-be-ended",
        Rule.CLAIM,
        "meetings/desktops",
        old='error.response["Error"]["Code"] == _NOT_FOUND:',
        new='error.response["Error"]["Code"] == "":',
        tests=(
            "meetings/test_desktops.py",
            "meetings/test_ending.py",
        ),
    ),
)

_LIFETIME: Final = (
    Break(
        "whoever-joined-is-forgotten-when-the-status-goes-back",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="(meeting.status == IN_PROGRESS or JOINED_AT in meeting.item)",
        new="meeting.status == IN_PROGRESS",
        tests=(
            "meetings/test_lifetime.py",
            "meetings/test_safety_net.py",
        ),
    ),
    Break(
        "one-sides-data-ends-a-live-meeting",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="    if is_in_progress(meeting):\n",
        new="    if is_in_progress(meeting) and not has_data(meeting, ROLES[0]):\n",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "a-live-meeting-has-no-longest-time",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="        if now >= start + longest:\n",
        new="        if now >= start + longest + longest:\n",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "a-meeting-may-be-ended-as-soon-as-it-starts",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="if now < start + SHORTEST - SLACK:",
        new="if now < start - SLACK:",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "what-is-left-of-a-terminated-meeting-runs-on",
        Rule.LIFETIME,
        "meetings/lifetime",
        old=("    if desktops:\n        return End("),
        new=("    if len(desktops) > len(ROLES):\n        return End("),
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "desktops-without-a-row-run-on",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="return _decide_by_age(what, desktops, now, patience)",
        new="return Leave(what)",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "a-start-far-ahead-keeps-desktops-running",
        Rule.LIFETIME,
        "meetings/lifetime",
        old="        due = min(due, latest)\n",
        new="",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "an-end-that-was-begun-is-not-finished",
        Rule.LIFETIME,
        "meetings/lifetime",
        old='return End(_reason_of(meeting), "it is being ended")',
        new='return Leave("it is being ended")',
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "empty-data-counts-as-data",
        Rule.LIFETIME,
        "meetings/lifetime",
        old='return "NULL" not in value and any(value.values())',
        new="return bool(value)",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "every-run-books-a-look-of-its-own",
        Rule.LIFETIME,
        "meetings/lifetime",
        old=" - (earliest - datetime.min.replace(tzinfo=UTC)) % BETWEEN_LOOKS",
        new="",
        tests=("meetings/test_lifetime.py",),
    ),
    Break(
        "a-live-meeting-is-not-looked-at-again",
        Rule.LIFETIME,
        "meetings/safety_net",
        old=(
            "                again = found.at\n"
            '                return Look(meeting_id, "waiting", found.why, next_look=again)'
        ),
        new=(
            "                again = None\n"
            '                return Look(meeting_id, "waiting", found.why, next_look=found.at)'
        ),
        tests=("meetings/test_safety_net.py",),
    ),
    Break(
        "after-a-failed-look-there-is-none",
        Rule.LIFETIME,
        "meetings/safety_net",
        old="again: datetime | None = next_look(now)",
        new="again: datetime | None = None",
        tests=("meetings/test_safety_net.py",),
    ),
    Break(
        "after-an-end-nobody-looks-what-is-left",
        Rule.LIFETIME,
        "meetings/safety_net",
        old="            return self._end(meeting_id, meeting, found, again)\n",
        new=(
            "            again = None\n"
            "            return self._end(meeting_id, meeting, found, next_look(now))\n"
        ),
        tests=("meetings/test_safety_net.py",),
    ),
    Break(
        "the-overseer-leaves-desktops-without-a-row",
        Rule.LIFETIME,
        "meetings/overseer",
        old="            if isinstance(\n",
        new="            if meeting_id in rows and isinstance(\n",
        tests=("meetings/test_overseer.py",),
    ),
    Break(
        "the-overseer-does-not-wait-for-the-safety-net",
        Rule.LIFETIME,
        "meetings/overseer",
        old="left, now - PATIENCE, self._longest",
        new="left, now, self._longest",
        tests=("meetings/test_overseer.py",),
    ),
    Break(
        "the-overseer-calls-a-person-for-every-end",
        Rule.LIFETIME,
        "meetings/overseer",
        old="if each not in rows or not is_over(rows[each]))",
        new="if each not in rows or rows[each])",
        tests=("meetings/test_overseer.py",),
    ),
    Break(
        "the-overseer-ends-what-a-launch-is-just-starting",
        Rule.LIFETIME,
        "meetings/overseer",
        old=" and each.launched_at <= now - PATIENCE:",
        new=":",
        tests=("meetings/test_overseer.py",),
    ),
    Break(
        "the-terminator-ends-what-has-just-started",
        Rule.LIFETIME,
        "meetings/terminator",
        old="< start + SHORTEST:",
        new="< start:",
        tests=("meetings/test_terminator.py",),
    ),
    Break(
        "the-terminators-own-writes-end-the-meeting-again",
        Rule.LIFETIME,
        "meetings/terminator",
        old="if is_over(change.meeting) or not has_all_data(change.meeting):",
        new="if not has_all_data(change.meeting):",
        tests=("meetings/test_terminator.py",),
    ),
    Break(
        "a-record-that-fails-is-lost",
        Rule.LIFETIME,
        "meetings/terminator",
        old="batch.errors[change.sequence_number] = error",
        new="batch.warnings.append(str(error))",
        tests=("meetings/test_terminator.py",),
    ),
    Break(
        "a-record-that-fails-blocks-the-shard",
        Rule.LIFETIME,
        "meetings/terminator",
        old="                batch.errors[change.sequence_number] = error\n",
        new=(
            "                batch.errors[change.sequence_number] = error\n                raise\n"
        ),
        tests=("meetings/test_terminator.py",),
    ),
)

_LAUNCH: Final = (
    Break(
        "a-meeting-is-launched-long-before-it-is-due",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old="if now < start - LEAD - SLACK:",
        new="if now < start - LEAD - LEAD:",
        tests=(
            "meetings/test_launch_plan.py",
            "meetings/test_launch.py",
        ),
    ),
    Break(
        "what-was-never-confirmed-is-launched",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old="return is_begun or REQUEST_HASH",
        new="return not is_begun or REQUEST_HASH",
        tests=(
            "meetings/test_launch_plan.py",
            "meetings/test_launch.py",
        ),
    ),
    Break(
        "two-runs-take-the-lease",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old='return RowUpdate(meeting, texts, (LEASE, REASON, "status", *_INSTANCE_IDS))',
        new='return RowUpdate(meeting, texts, (REASON, "status", *_INSTANCE_IDS))',
        tests=(
            "meetings/test_launch_faults.py",
            "meetings/test_launch_plan.py",
        ),
    ),
    Break(
        "a-lease-is-not-asked-in-before-a-zone-is-left",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old='(name, instance_attribute(role), LEASE, REASON, "status")',
        new='(name, instance_attribute(role), REASON, "status")',
        tests=(
            "meetings/test_launch_plan.py",
            "meetings/test_starter.py",
            "meetings/test_launch_faults.py",
        ),
    ),
    Break(
        "launched-puts-a-status-back",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old="if is_complete and meeting.status in {None, SCHEDULED}:",
        new="if is_complete:",
        tests=("meetings/test_launch_plan.py",),
    ),
    Break(
        "a-noted-desktop-is-replaced",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old=("    if noted[role] is not None:\n        return settle(meeting)\n"),
        new="",
        tests=("meetings/test_launch_plan.py",),
    ),
    Break(
        "a-launch-is-tried-for-ever",
        Rule.LAUNCH,
        "meetings/launch_plan",
        old="return begun_at is not None and now - begun_at > PATIENCE",
        new="return begun_at is None",
        tests=("meetings/test_launch_plan.py",),
    ),
    Break(
        "a-lease-is-only-its-holders-business",
        Rule.LAUNCH,
        "meetings/launch",
        old="if lease and now < lease.until:",
        new="if lease and lease.holder == holder and now < lease.until:",
        tests=("meetings/test_launch_faults.py",),
    ),
    Break(
        "what-was-just-started-runs-on-when-the-meeting-is-over",
        Rule.LAUNCH,
        "meetings/launch",
        old=("        self._end_started(work.started)\n        meeting = self._reader"),
        new="        meeting = self._reader",
        tests=(
            "meetings/test_launch_faults.py",
            "meetings/test_launch.py",
        ),
    ),
    Break(
        "giving-up-ends-a-meeting-that-somebody-is-in",
        Rule.LAUNCH,
        "meetings/launch",
        old="if meeting and is_in_progress(meeting):",
        new="if meeting and is_over(meeting):",
        tests=("meetings/test_launch.py",),
    ),
    Break(
        "a-run-that-failed-keeps-its-lease",
        Rule.LAUNCH,
        "meetings/launch",
        old=(
            "        except (BotoCoreError, ClientError, OutOfTimeError):\n"
            "            self._rest(work)\n"
        ),
        new="        except (BotoCoreError, ClientError, OutOfTimeError):\n",
        tests=("meetings/test_launch_faults.py",),
    ),
    Break(
        "what-a-dead-run-asked-for-is-not-waited-for",
        Rule.LAUNCH,
        "meetings/launch",
        old="Lease(end + IN_FLIGHT, holder)",
        new="Lease(end, holder)",
        tests=("meetings/test_launch_faults.py",),
    ),
    Break(
        "a-desktop-of-an-earlier-try-is-not-looked-for",
        Rule.LAUNCH,
        "meetings/starter",
        old="found = self._instances.of_meeting(work.meeting.id)",
        new="found = self._instances.among(())",
        tests=("meetings/test_starter.py",),
    ),
    Break(
        "the-row-does-not-remember-the-subnet",
        Rule.LAUNCH,
        "meetings/starter",
        old="intend(now, role, to))",
        new="None)",
        tests=(
            "meetings/test_starter.py",
            "meetings/test_launch_faults.py",
        ),
    ),
    Break(
        "one-zone-without-the-type-ends-the-meeting",
        Rule.LAUNCH,
        "meetings/starter",
        old="if refusals and all(refusal.lasts",
        new="if refusals and any(refusal.lasts",
        tests=("meetings/test_starter.py",),
    ),
    Break(
        "a-retry-begins-in-any-subnet",
        Rule.LAUNCH,
        "meetings/subnets",
        old="[first, *ids] if first else ids",
        new="ids",
        tests=("meetings/test_subnets.py",),
    ),
    Break(
        "another-zone-is-tried-whatever-was-refused",
        Rule.LAUNCH,
        "meetings/refusals",
        old="if code in _FULL or code in _UNFIT:",
        new='if code not in {_ALREADY, ""}:',
        tests=("meetings/test_refusals.py",),
    ),
    Break(
        "a-full-zone-ends-the-search",
        Rule.LAUNCH,
        "meetings/refusals",
        old='        "InsufficientInstanceCapacity",\n',
        new="",
        tests=("meetings/test_refusals.py",),
    ),
    Break(
        "what-will-never-work-is-tried-again",
        Rule.LAUNCH,
        "meetings/refusals",
        old=" or code.startswith(_HOPELESS_BEGINNINGS):",
        new=":",
        tests=("meetings/test_refusals.py",),
    ),
    Break(
        "each-subnet-has-a-token-of-its-own",
        Rule.LAUNCH,
        "meetings/desktops",
        old='"ClientToken": self.client_token,',
        new='"ClientToken": f"{self.client_token}-{subnet_id}",',
        tests=("meetings/test_desktops.py",),
    ),
    Break(
        "a-desktop-that-shuts-down-is-kept",
        Rule.LAUNCH,
        "meetings/desktops",
        old='"InstanceInitiatedShutdownBehavior": "terminate"',
        new='"InstanceInitiatedShutdownBehavior": "stop"',
        tests=("meetings/test_desktops.py",),
    ),
    Break(
        "a-desktop-gives-credentials-to-whoever-asks",
        Rule.LAUNCH,
        "meetings/desktops",
        old='"HttpTokens": "required"',
        new='"HttpTokens": "optional"',
        tests=("meetings/test_desktops.py",),
    ),
    Break(
        "the-root-device-is-guessed",
        Rule.LAUNCH,
        "meetings/images",
        old='root = image.get("RootDeviceName")',
        new='root = "/dev/xvda"',
        tests=("meetings/test_images.py",),
    ),
)

BREAKS: Final = (*_CLAIM, *_LIFETIME, *_LAUNCH)
