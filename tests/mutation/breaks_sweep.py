"""Breaks of the sweep's survey, of its limit, and of its batches: rules 11 to 13."""

from __future__ import annotations

from typing import Final

from tests.mutation.broken import Break, Rule

_RECORDS: Final = """\
        found = steps.begin(
            f"list the records of {owner}", self._zone.records_of, owner, steps.deadline
        ).result()
        listed = found.records
"""
_OURS: Final = """\
        ours = tuple(each for each in listed if each.owner == owner and each.type == ADDRESS_RECORD)
"""
_INSTANCES: Final = """\
        instances: dict[str, Instance | None] = {
            each.id: each
            for each in steps.begin(
                "list the project's instances", self._instances.of_project
            ).result()
        }
"""

_SURVEY: Final = (
    Break(
        "instances-are-read-before-records",
        Rule.SURVEY,
        "survey",
        old=_RECORDS + _OURS + _INSTANCES,
        new=_INSTANCES + _RECORDS + _OURS,
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "records-and-instances-are-read-side-by-side",
        Rule.SURVEY,
        "survey",
        old=_RECORDS + _OURS + _INSTANCES,
        new=_RECORDS.replace(".result()\n        listed = found.records", "")
        + _INSTANCES
        + "        listed = found.result().records\n"
        + _OURS,
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "instances-that-only-a-record-names-are-not-described",
        Rule.SURVEY,
        "survey",
        old="            instances |= {each.id: each for each in known}\n",
        new="            _ = known\n",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "instances-that-only-a-row-names-are-not-looked-for",
        Rule.SURVEY,
        "survey",
        old="        named.update("
        "each for meeting in meetings.values() for each in meeting.instance_ids)\n",
        new="",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "instances-that-a-row-links-to-are-not-looked-for",
        Rule.SURVEY,
        "meeting",
        old="frozenset(each for each in noted | linked if each)",
        new="frozenset(each for each in noted if each or linked)",
        tests=("test_survey.py", "test_roster.py"),
    ),
    Break(
        "instances-that-a-row-notes-are-not-looked-for",
        Rule.SURVEY,
        "meeting",
        old="frozenset(each for each in noted | linked if each)",
        new="frozenset(each for each in linked if each or noted)",
        tests=("test_survey.py", "test_roster.py"),
    ),
    Break(
        "only-two-hundred-instances-are-described",
        Rule.SURVEY,
        "instance",
        old="for start in range(0, len(wanted), FILTER_VALUES)",
        new="for start in range(0, min(len(wanted), FILTER_VALUES), FILTER_VALUES)",
        tests=("test_instances.py", "test_survey.py"),
    ),
    Break(
        "described-instances-must-be-the-projects",
        Rule.SURVEY,
        "instance",
        old='{"Name": "instance-id", "Values": wanted[start : start + FILTER_VALUES]}',
        new='{"Name": "instance-id", "Values": wanted[start : start + FILTER_VALUES]},\n'
        '                {"Name": f"tag:{self._project_tag[0]}", "Values": ["*"]},',
        tests=("test_instances.py", "test_survey.py"),
    ),
    Break(
        "ended-instances-are-not-listed",
        Rule.SURVEY,
        "instance",
        old='        return self._every({"Name": f"tag:{key}", "Values": [_literal(value)]})\n',
        new="        return self._every(\n"
        '            {"Name": f"tag:{key}", "Values": [_literal(value)]},\n'
        '            {"Name": "instance-state-name", "Values": list(_NOT_ENDED_STATES)},\n'
        "        )\n",
        tests=("test_instances.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "another-owners-records-count-as-ours",
        Rule.SURVEY,
        "survey",
        old="each.owner == owner and each.type == ADDRESS_RECORD",
        new='(each.owner or "").startswith(owner) and each.type == ADDRESS_RECORD',
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "records-of-any-type-count-as-ours",
        Rule.SURVEY,
        "survey",
        old="each.owner == owner and each.type == ADDRESS_RECORD",
        new="each.owner == owner",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "what-stands-in-the-way-is-not-listed",
        Rule.SURVEY,
        "zone",
        old='("comment.startswith", owner), ("name.startswith", "i-")]',
        new='("comment.startswith", owner)]',
        tests=("test_zone_lists.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "only-what-stands-under-instances-names-is-listed",
        Rule.SURVEY,
        "zone",
        old='("comment.startswith", owner), ("name.startswith", "i-")]',
        new='("name.startswith", "i-")]',
        tests=("test_zone_lists.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "a-record-must-meet-both-filters",
        Rule.SURVEY,
        "zone",
        old='("match", "any")',
        new='("match", "all")',
        tests=("test_zone_lists.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "a-record-under-a-former-domain-stays",
        Rule.SURVEY,
        "plan",
        old="        if holding.ours:\n            findings[name] =",
        new="        if holding.ours and not name:\n            findings[name] =",
        tests=("test_plan.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "a-record-under-a-former-domain-is-nobodys",
        Rule.SURVEY,
        "plan",
        old="is_known = instance_id in observation.instances",
        new='is_known = record.name == settings.record_name(instance_id or "")',
        tests=("test_plan.py", "test_survey.py"),
    ),
    Break(
        "a-fresh-record-astray-is-removed-at-once",
        Rule.SURVEY,
        "plan",
        old="    if records.fresh:\n        reason =",
        new="    if not records.ours:\n        reason =",
        tests=("test_plan.py", "test_survey.py", "test_sweep.py"),
    ),
    Break(
        "rows-of-records-are-not-read",
        Rule.SURVEY,
        "survey",
        old="assignments = {record.assignment for record in records}",
        new="assignments = {None for _ in records}",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "rows-of-instances-without-a-record-are-not-read",
        Rule.SURVEY,
        "survey",
        old="        assignments |= {Assignment.of(each) for each in instances.values() if each}\n",
        new="        _ = instances, Assignment\n",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "a-survey-is-dated-when-it-ends",
        Rule.SURVEY,
        "survey",
        old="        plan = decide(Observation(at, instances, listed), self._settings)\n",
        new="        at = datetime.fromtimestamp(self._clock(), UTC)\n"
        "        plan = decide(Observation(at, instances, listed), self._settings)\n",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "a-failed-reading-of-rows-is-no-rows",
        Rule.SURVEY,
        "survey",
        old='return steps.begin("read the rows", self._meetings.rows_of, wanted).result()\n',
        new="try:\n"
        '            return steps.begin("rows", self._meetings.rows_of, wanted).result()\n'
        "        except Exception:\n"
        "            return {}\n",
        tests=("test_survey.py", "test_sweep.py"),
    ),
)

_SAFETY: Final = (
    Break(
        "either-limit-refuses-a-sweep",
        Rule.SAFETY,
        "safety",
        old="if deletions <= settings.delete_limit or deletions",
        new="if deletions <= settings.delete_limit and deletions",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "the-number-alone-refuses-a-sweep",
        Rule.SAFETY,
        "safety",
        old=" or deletions * 100 <= owned * settings.delete_percent:",
        new=":",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "the-share-alone-refuses-a-sweep",
        Rule.SAFETY,
        "safety",
        old="if deletions <= settings.delete_limit or deletions * 100",
        new="if deletions * 100",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "the-number-itself-is-too-many",
        Rule.SAFETY,
        "safety",
        old="deletions <= settings.delete_limit",
        new="deletions < settings.delete_limit",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "the-share-itself-is-too-much",
        Rule.SAFETY,
        "safety",
        old="deletions * 100 <= owned",
        new="deletions * 100 < owned",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "changes-of-any-kind-count-as-deletions",
        Rule.SAFETY,
        "safety",
        old="deletions = sum(isinstance(change, Delete) for change in plan.changes)",
        new="deletions = len(plan.changes)",
        tests=("test_safety.py", "test_sweep_safety.py"),
    ),
    Break(
        "the-share-is-that-of-all-instances",
        Rule.SAFETY,
        "sweep",
        old="refuse_unsafe(plan, len(survey.records), settings)",
        new="refuse_unsafe(plan, max(len(survey.records), len(survey.instances)), settings)",
        tests=("test_sweep_safety.py",),
    ),
    Break(
        "nothing-is-refused-as-unsafe",
        Rule.SAFETY,
        "sweep",
        old="        if not force:\n            refuse_unsafe(",
        new="        if force:\n            refuse_unsafe(",
        tests=("test_sweep_safety.py",),
    ),
    Break(
        "rows-are-told-before-a-sweep-is-refused",
        Rule.SAFETY,
        "sweep",
        old="        if not force:\n"
        "            refuse_unsafe(plan, len(survey.records), settings)\n"
        "        roster = Roster(survey, settings)\n"
        "        register = Register(self._meetings, survey.meetings, roster)"
        " if self._meetings else None\n"
        "        unsettled: set[str] = set()\n"
        "        if register:\n"
        "            register.tell(first=True, unsettled=(), steps=steps)\n",
        new="        roster = Roster(survey, settings)\n"
        "        register = Register(self._meetings, survey.meetings, roster)"
        " if self._meetings else None\n"
        "        unsettled: set[str] = set()\n"
        "        if register:\n"
        "            register.tell(first=True, unsettled=(), steps=steps)\n"
        "        if not force:\n"
        "            refuse_unsafe(plan, len(survey.records), settings)\n"
        "        if register:\n",
        tests=("test_sweep_safety.py",),
    ),
)

_BATCH: Final = (
    Break(
        "a-refused-batch-is-left-whole",
        Rule.BATCH,
        "batch",
        old="        except RejectedError as error:\n            return error\n",
        new="        except RejectedError as error:\n            self.leave(chunk, str(error))\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-batch-that-failed-passingly-is-split",
        Rule.BATCH,
        "batch",
        old="            self.unclear_calls += 1\n            self.leave(chunk, str(error))\n",
        new="            return RejectedError(str(error))\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-batch-of-unknown-outcome-counts-as-done",
        Rule.BATCH,
        "batch",
        old="            self.unclear_calls += 1\n            self.leave(chunk, str(error))\n",
        new="            self.applied.done.extend(chunk)\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "calls-go-on-after-a-429",
        Rule.BATCH,
        "batch",
        old="            self.stopped = str(error)\n            self.leave(chunk, self.stopped)\n",
        new="            self.leave(chunk, str(error))\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "batches-go-on-though-the-quota-is-spent",
        Rule.BATCH,
        "batch",
        old="            self.zone.quota.require()\n",
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "the-search-for-what-is-refused-has-no-bound",
        Rule.BATCH,
        "batch",
        old="            self.calls_left -= 1\n",
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "the-search-has-one-bound-for-every-batch",
        Rule.BATCH,
        "batch",
        old="            run.split(chunk, error)\n",
        new="            run.calls_left = SPLIT_CALLS\n            run.split(chunk, error)\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "one-half-of-a-refused-batch-is-forgotten",
        Rule.BATCH,
        "batch",
        old="for half in (chunk[:middle], chunk[middle:]):",
        new="for half in (chunk[:middle],):",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "what-is-not-searched-for-is-forgotten",
        Rule.BATCH,
        "batch",
        old='                self.leave(half, f"refused together with others ({error})")\n',
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "what-was-refused-is-tried-first-again",
        Rule.BATCH,
        "batch",
        old="        self._refused = frozenset(refused | (self._refused & left))\n",
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-run-that-is-cut-short-forgets-what-was-refused",
        Rule.BATCH,
        "batch",
        old="frozenset(refused | (self._refused & left))",
        new="frozenset(refused)",
        tests=("test_batch_refusals.py",),
    ),
    Break(
        "what-was-refused-once-is-tried-last-for-good",
        Rule.BATCH,
        "batch",
        old="frozenset(refused | (self._refused & left))",
        new="frozenset(refused | self._refused)",
        tests=("test_batch_refusals.py",),
    ),
    Break(
        "refused-batches-are-searched-before-others-are-made",
        Rule.BATCH,
        "batch",
        old="failed = [(chunk, error) for chunk in batches if (error := run.attempt(chunk))]\n",
        new="failed: list[tuple[list[Change], RejectedError]] = []\n"
        "        for chunk in batches:\n"
        "            if error := run.attempt(chunk):\n"
        "                run.split(chunk, error)\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-wrong-zone-is-searched-for-record-by-record",
        Rule.BATCH,
        "batch",
        old="        except WrongZoneError:\n            raise\n",
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-sweep-fails-when-its-time-is-up",
        Rule.BATCH,
        "batch",
        old="except (QuotaSpentError, RateLimitedError, OutOfTimeError) as error:",
        new="except (QuotaSpentError, RateLimitedError) as error:",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "what-changed-meanwhile-counts-as-refused",
        Rule.BATCH,
        "batch",
        old="        if isinstance(error, _LOOK_AGAIN):\n"
        '            self.leave([change], f"the zone has changed since it was read ({error})")\n'
        "            return\n",
        new="",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-full-zone-is-asked-for-every-record",
        Rule.BATCH,
        "batch",
        old="            self.full = str(error)\n",
        new="            pass\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "a-full-zone-stops-deletions",
        Rule.BATCH,
        "batch",
        old="(self.full if all(map(_is_create, chunk)) else",
        new="(self.full if chunk else",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "all-changes-are-one-batch",
        Rule.BATCH,
        "suspects",
        old="    return chunks(firm, size) + chunks(once, size), probes\n",
        new="    return [[*firm, *once]], probes\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "progress-is-told-of-what-is-done-alone",
        Rule.BATCH,
        "batch",
        old="        self.applied.left.extend((change, reason) for change in chunk)\n"
        "        self.progress(len(chunk))\n",
        new="        self.applied.left.extend((change, reason) for change in chunk)\n",
        tests=("test_batch.py", "test_batch_refusals.py"),
    ),
    Break(
        "what-makes-batches-fail-is-never-alone",
        Rule.BATCH,
        "batch",
        old="        self._suspicions = suspect(self._suspicions, run.unclear, left)\n",
        new="",
        tests=("test_suspects.py",),
    ),
    Break(
        "one-failure-divides-a-batch",
        Rule.BATCH,
        "suspects",
        old="_ENOUGH: Final = 2",
        new="_ENOUGH: Final = 1",
        tests=("test_suspects.py",),
    ),
    Break(
        "an-outage-is-probed-batch-by-batch",
        Rule.BATCH,
        "batch",
        old="is_outage = self.unclear_calls >= _OUTAGE and not self.applied.done",
        new="is_outage = False",
        tests=("test_suspects.py",),
    ),
    Break(
        "a-run-that-is-cut-short-clears-suspects",
        Rule.BATCH,
        "suspects",
        old="for name, suspicion in before.items() if name in left}",
        new="for name, suspicion in before.items() if name in unclear}",
        tests=("test_suspects.py",),
    ),
    Break(
        "an-old-plan-is-written-on",
        Rule.BATCH,
        "batch",
        old="self.stopped = self.applied.stopped = self.may_write()",
        new="self.applied.stopped = self.may_write()",
        tests=("test_batch.py",),
    ),
    Break(
        "records-are-made-before-others-are-removed",
        Rule.BATCH,
        "change",
        old="ORDER = (Delete, Update, Create)",
        new="ORDER = (Create, Update, Delete)",
        tests=("test_plan.py",),
    ),
    Break(
        "the-stages-batch-size-is-not-used",
        Rule.BATCH,
        "zone",
        old="self.batch_size = batch_size",
        new="self.batch_size = BATCH_SIZE",
        tests=("test_zone.py", "test_sweep_batches.py"),
    ),
    Break(
        "a-sweep-begins-though-the-quota-is-spent",
        Rule.BATCH,
        "sweep",
        old="            self._quota.require()\n            repair =",
        new="            repair =",
        tests=("test_sweep.py",),
    ),
    Break(
        "a-429-fails-the-sweep",
        Rule.BATCH,
        "sweep",
        old="except (QuotaSpentError, RateLimitedError) as reason:",
        new="except QuotaSpentError as reason:",
        tests=("test_sweep.py",),
    ),
)

BREAKS: Final = (*_SURVEY, *_SAFETY, *_BATCH)
