"""Breaks of what people and programs meet, scheduling and joining: rules 18 and 19."""

from __future__ import annotations

from typing import Final

from tests.mutation.broken import Break, Rule

_BOOKING: Final = (
    Break(
        "the-launch-is-booked-before-what-ends-it",
        Rule.BOOKING,
        "meetings/reservation",
        old=(
            '            (_safety_name(row), safety_at, "safety_net", {"meetingId": row.id}),\n'
            '            (_launch_name(row), launch_at, "launch_ec2", {"meeting_id": row.id}),\n'
        ),
        new=(
            '            (_launch_name(row), launch_at, "launch_ec2", {"meeting_id": row.id}),\n'
            '            (_safety_name(row), safety_at, "safety_net", {"meetingId": row.id}),\n'
        ),
        tests=(
            "meetings/test_scheduling.py",
            "meetings/test_reservation.py",
        ),
    ),
    Break(
        "a-launch-is-told-of-the-meeting-in-other-words",
        Rule.BOOKING,
        "meetings/reservation",
        old='{"meeting_id": row.id}',
        new='{"meetingId": row.id}',
        tests=("meetings/test_scheduling.py",),
    ),
    Break(
        "a-schedule-that-could-not-be-made-is-passed-over",
        Rule.BOOKING,
        "meetings/reservation",
        old="            row = self._give_up(row, wanted, error)\n",
        new="            _ = error\n",
        tests=("meetings/test_reservation.py",),
    ),
    Break(
        "what-was-taken-back-is-confirmed",
        Rule.BOOKING,
        "meetings/reservation",
        old="RowUpdate(row, {SCHEDULED_AT: made_at}, (REASON,))",
        new="RowUpdate(row, {SCHEDULED_AT: made_at})",
        tests=("meetings/test_reservation.py",),
    ),
    Break(
        "what-was-confirmed-is-taken-back",
        Rule.BOOKING,
        "meetings/reservation",
        old='RowUpdate(row, texts, ("status", REASON, SCHEDULED_AT))',
        new='RowUpdate(row, texts, ("status", REASON))',
        tests=("meetings/test_reservation.py",),
    ),
    Break(
        "a-row-that-stays-loses-its-safety-net",
        Rule.BOOKING,
        "meetings/reservation",
        old="        if not may_deceive:\n",
        new="        if row:\n",
        tests=("meetings/test_reservation.py",),
    ),
    Break(
        "a-schedule-is-made-for-the-past",
        Rule.BOOKING,
        "meetings/reservation",
        old="max(at, soonest)",
        new="at",
        tests=("meetings/test_scheduling.py",),
    ),
    Break(
        "a-key-that-was-used-makes-any-meeting",
        Rule.BOOKING,
        "meetings/reservation",
        old="if text_of(row, REQUEST_HASH) != wanted.booking.fingerprint:",
        new="if not text_of(row, REQUEST_HASH):",
        tests=("meetings/test_scheduling.py",),
    ),
    Break(
        "a-row-is-made-over-another",
        Rule.BOOKING,
        "meetings/rows",
        old='ConditionExpression="attribute_not_exists(#id)",',
        new='ConditionExpression="attribute_not_exists(#id) OR attribute_exists(#id)",',
        tests=("meetings/test_rows.py",),
    ),
    Break(
        "an-update-makes-a-row",
        Rule.BOOKING,
        "meetings/rows",
        old='conditions = ["attribute_exists(#id)"]',
        new='conditions = ["attribute_exists(#id) OR attribute_not_exists(#id)"]',
        tests=("meetings/test_rows.py",),
    ),
    Break(
        "the-offset-is-dropped",
        Rule.BOOKING,
        "meetings/booking",
        old="in_utc = read.astimezone(UTC).replace(microsecond=0)",
        new="in_utc = read.replace(tzinfo=UTC, microsecond=0)",
        tests=("meetings/test_booking.py",),
    ),
    Break(
        "a-time-without-an-offset-is-utc",
        Rule.BOOKING,
        "meetings/booking",
        old="offset = read.utcoffset()",
        new="offset = read.utcoffset() or timedelta()",
        tests=("meetings/test_booking.py",),
    ),
    Break(
        "a-meeting-may-be-in-the-past",
        Rule.BOOKING,
        "meetings/booking",
        old="booking.meet_time < now.replace(microsecond=0)",
        new="booking.meet_time < now - FURTHEST",
        tests=("meetings/test_booking.py",),
    ),
    Break(
        "a-schedule-stays-when-it-has-fired",
        Rule.BOOKING,
        "meetings/schedules",
        old='ActionAfterCompletion="DELETE"',
        new='ActionAfterCompletion="NONE"',
        tests=("meetings/test_schedules.py",),
    ),
    Break(
        "a-schedule-that-is-there-is-an-error",
        Rule.BOOKING,
        "meetings/schedules",
        old='["Code"] != "ConflictException":',
        new='["Code"] != "":',
        tests=("meetings/test_schedules.py",),
    ),
    Break(
        "ids-can-be-guessed",
        Rule.BOOKING,
        "meetings/keys",
        old="return cls(secrets.token_bytes(32))",
        new='return cls(__import__("random").randbytes(32))',
        tests=("meetings/test_keys.py",),
    ),
    Break(
        "an-idempotency-key-gives-the-links-away",
        Rule.BOOKING,
        "meetings/keys",
        old='_derive(secret, f"idempotency key',
        new='_derive(b"", f"idempotency key',
        tests=("meetings/test_keys.py",),
    ),
    Break(
        "a-meeting-is-made-twice-when-its-callers-key-is-rotated",
        Rule.BOOKING,
        "meetings/scheduling",
        old="self._seeds.seed_of(caller.name, key,",
        new='self._seeds.seed_of(request.headers["authorization"], key,',
        tests=("meetings/test_scheduling.py",),
    ),
)

_DOOR: Final = (
    Break(
        "any-key-may-schedule",
        Rule.DOOR,
        "meetings/authorizer",
        old=(
            "        if name is None:\n"
            '            raise UnauthorizedError("the key is not one that may schedule meetings")\n'
            "        return Caller(name)\n"
        ),
        new="        return Caller(name or ONLY_CALLER)\n",
        tests=("meetings/test_authorizer.py",),
    ),
    Break(
        "a-key-is-compared-until-it-differs",
        Rule.DOOR,
        "meetings/authorizer",
        old="if hmac.compare_digest(digest, shown):",
        new="if digest == shown:",
        tests=("meetings/test_authorizer.py",),
    ),
    Break(
        "every-wrong-key-reads-the-secret",
        Rule.DOOR,
        "meetings/authorizer",
        old="if name is None and self._age() >= FRESH:",
        new="if name is None:",
        tests=("meetings/test_authorizer.py",),
    ),
    Break(
        "a-stranger-is-told-what-is-wrong-with-a-request",
        Rule.DOOR,
        "meetings/scheduling",
        old=(
            "        caller = self._caller_of(request, place)\n"
            '        fields["caller"] = caller.name\n'
            "        _require_readable(request)\n"
        ),
        new=(
            "        _require_readable(request)\n"
            "        caller = self._caller_of(request, place)\n"
            '        fields["caller"] = caller.name\n'
        ),
        tests=("meetings/test_scheduling_refusals.py",),
    ),
    Break(
        "refusals-are-hidden-from-browsers",
        Rule.DOOR,
        "meetings/scheduling",
        old="return with_cors(self._answer(request, context), request, origins, METHODS)",
        new=(
            "answer = self._answer(request, context)\n"
            "        readable = origins if answer.status < 400 else ()\n"
            "        return with_cors(answer, request, readable, METHODS)"
        ),
        tests=("meetings/test_scheduling_refusals.py",),
    ),
    Break(
        "any-page-may-read-answers",
        Rule.DOOR,
        "meetings/http",
        old="    if origin in allowed_origins:\n",
        new="    if origin:\n",
        tests=("meetings/test_http.py",),
    ),
    Break(
        "a-cache-gives-one-pages-answer-to-another",
        Rule.DOOR,
        "meetings/http",
        old='    headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Origin")))\n',
        new="",
        tests=("meetings/test_http.py",),
    ),
    Break(
        "a-teachers-key-opens-the-students-link",
        Rule.DOOR,
        "meetings/join",
        old="key_hash = text_of(meeting, key_hash_attribute(visit.role))",
        new="key_hash = text_of(meeting, key_hash_attribute(ROLES[0]))",
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-row-without-a-hash-opens-for-anyone",
        Rule.DOOR,
        "meetings/join",
        old="return meeting if is_open else None",
        new="return meeting if is_open or not key_hash else None",
        tests=("meetings/test_join.py",),
    ),
    Break(
        "an-unknown-meeting-is-answered-sooner-than-a-wrong-key",
        Rule.DOOR,
        "meetings/join",
        old="key_hash or _NO_HASH",
        new='key_hash or ""',
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-join-key-is-compared-until-it-differs",
        Rule.DOOR,
        "meetings/keys",
        old='hmac.compare_digest(hash_of(key or "").encode(), key_hash',
        new='(lambda a, b: a == b)(hash_of(key or "").encode(), key_hash',
        tests=("meetings/test_keys.py",),
    ),
    Break(
        "a-role-in-another-case-is-a-role",
        Rule.DOOR,
        "meetings/join",
        old="if visit.role not in ROLES:",
        new="if visit.role.lower() not in ROLES:",
        tests=("meetings/test_join.py",),
    ),
    Break(
        "the-gate-opens-before-the-desktop-is-healthy",
        Rule.DOOR,
        "meetings/admission",
        old="if link and status in OPEN_STATUSES:",
        new="if link:",
        tests=("meetings/test_admission.py",),
    ),
    Break(
        "a-meeting-that-is-being-ended-lets-people-in",
        Rule.DOOR,
        "meetings/admission",
        old="    if is_over(meeting):\n",
        new="    if is_over(meeting) and status == STATUSES[-1]:\n",
        tests=("meetings/test_admission.py",),
    ),
    Break(
        "any-address-in-the-row-is-handed-out",
        Rule.DOOR,
        "meetings/admission",
        old="(instance_id and link == link_to(instance_id))",
        new="instance_id",
        tests=("meetings/test_admission.py",),
    ),
    Break(
        "joining-begins-what-has-ended-meanwhile",
        Rule.DOOR,
        "meetings/join",
        old='relies_on = ("status", link_attribute(visit.role), REASON)',
        new='relies_on = ("status", link_attribute(visit.role))',
        tests=("meetings/test_join.py",),
    ),
    Break(
        "joining-is-not-conditional",
        Rule.DOOR,
        "meetings/join",
        old="RowUpdate(meeting, texts, relies_on)",
        new="RowUpdate(meeting, texts)",
        tests=("meetings/test_join.py",),
    ),
    Break(
        "who-joined-is-not-noted",
        Rule.DOOR,
        "meetings/join",
        old='texts = {"status": IN_PROGRESS, JOINED_AT: joined_at}',
        new='texts = {"status": IN_PROGRESS, "seen_at": joined_at}',
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-preview-of-a-link-joins",
        Rule.DOOR,
        "meetings/join",
        old='return self.request.query.get("enter") == "1"',
        new="return True",
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-preview-by-a-library-joins",
        Rule.DOOR,
        "meetings/join",
        old='return self._accepts("application/json") or is_fetched',
        new='return self._accepts("application/json") or self._accepts("*/*") or is_fetched',
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-prefetched-link-joins",
        Rule.DOOR,
        "meetings/join",
        old="if any(name in headers for name in _OF_PREVIEWS):",
        new='if "range" in headers:',
        tests=("meetings/test_join.py",),
    ),
    Break(
        "a-name-is-markup",
        Rule.DOOR,
        "meetings/page",
        old="<bdi>{escape(name)}</bdi>",
        new="<bdi>{name}</bdi>",
        tests=("meetings/test_page.py",),
    ),
    Break(
        "the-page-can-be-framed",
        Rule.DOOR,
        "meetings/page",
        old="; frame-ancestors 'none'\"",
        new='"',
        tests=("meetings/test_page.py",),
    ),
)

BREAKS: Final = (*_BOOKING, *_DOOR)
