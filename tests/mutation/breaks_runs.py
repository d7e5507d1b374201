"""Breaks of what a run says of itself: rule 10."""

from __future__ import annotations

from typing import Final

from tests.mutation.broken import Break, Rule

BREAKS: Final = (
    Break(
        "a-failure-is-swallowed",
        Rule.REPORT,
        "watchdog",
        old='            self._reporter.failed(fields, self._counts("failed"), error)\n'
        "            raise\n",
        new='            self._reporter.failed(fields, self._counts("failed"), error)\n'
        "            return {}\n",
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-failure-is-not-reported",
        Rule.REPORT,
        "watchdog",
        old='            self._reporter.failed(fields, self._counts("failed"), error)\n',
        new="            _ = error\n",
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-success-is-not-reported",
        Rule.REPORT,
        "watchdog",
        old="        self._reporter.succeeded(fields | result, counts)\n",
        new="        _ = counts\n",
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-failure-counts-as-its-last-action",
        Rule.REPORT,
        "watchdog",
        old='self._counts("failed")',
        new='self._counts("ignored")',
        tests=("test_watchdog.py",),
    ),
    Break(
        "warnings-are-not-counted",
        Rule.REPORT,
        "watchdog",
        old='counts = self._counts(outcome.action) | {"Warnings": len(outcome.warnings)}',
        new="counts = self._counts(outcome.action)",
        tests=("test_watchdog.py",),
    ),
    Break(
        "what-is-left-of-the-quota-is-not-told",
        Rule.REPORT,
        "watchdog",
        old="if self._quota.remaining is not None:",
        new="if self._quota.is_spent:",
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-failed-run-does-not-name-its-instance",
        Rule.REPORT,
        "watchdog",
        old="        fields |= {\n",
        new="        fields = fields | {\n",
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-deletion-beside-an-update-is-told-as-one",
        Rule.REPORT,
        "watchdog",
        old='return "created" if is_new else "updated"',
        new='return "created" if is_new else "deleted"',
        tests=("test_watchdog.py",),
    ),
    Break(
        "a-row-that-was-told-goes-unsaid",
        Rule.REPORT,
        "watchdog",
        old='    if decision and decision.change:\n        return "updated"\n',
        new="",
        tests=("test_watchdog.py",),
    ),
    Break(
        "warnings-are-logged-as-information",
        Rule.REPORT,
        "telemetry",
        old='"WARNING" if fields.get("warnings") else "INFO"',
        new='"INFO"',
        tests=("test_telemetry.py",),
    ),
    Break(
        "a-failure-is-not-counted",
        Rule.REPORT,
        "telemetry",
        old='{**fields, "error": name})\n        self._count(counts)\n',
        new='{**fields, "error": name})\n        _ = counts\n',
        tests=("test_telemetry.py",),
    ),
    Break(
        "a-failure-loses-its-fields",
        Rule.REPORT,
        "telemetry",
        old='{**fields, "error": name}',
        new='{"error": name}',
        tests=("test_telemetry.py",),
    ),
    Break(
        "metrics-are-those-of-every-deployment",
        Rule.REPORT,
        "telemetry",
        old='"service": self._owner,',
        new='"service": "elephant",',
        tests=("test_telemetry.py",),
    ),
    Break(
        "a-success-is-not-counted",
        Rule.REPORT,
        "telemetry",
        old="fields)\n        self._count(counts)\n\n    def failed",
        new="fields)\n        _ = counts\n\n    def failed",
        tests=("test_telemetry.py",),
    ),
    Break(
        "a-sweeps-failure-is-swallowed",
        Rule.REPORT,
        "sweep",
        old="            self._reporter.failed(fields, self._with_quota(counts), error)\n"
        "            raise\n",
        new="            self._reporter.failed(fields, self._with_quota(counts), error)\n"
        "            return {}\n",
        tests=("test_sweep.py",),
    ),
    Break(
        "a-sweeps-failure-is-not-reported",
        Rule.REPORT,
        "sweep",
        old="            self._reporter.failed(fields, self._with_quota(counts), error)\n",
        new="",
        tests=("test_sweep.py",),
    ),
    Break(
        "a-sweep-is-not-reported",
        Rule.REPORT,
        "sweep",
        old="        self._reporter.succeeded(fields | result, self._with_quota(counts))\n",
        new="        _ = counts\n",
        tests=("test_sweep.py",),
    ),
    Break(
        "a-sweep-that-was-refused-is-not-counted-as-such",
        Rule.REPORT,
        "sweep",
        old="            if isinstance(error, UnsafePlanError):\n"
        '                counts["RefusedUnsafe"] = 1\n',
        new="",
        tests=("test_sweep_safety.py",),
    ),
    Break(
        "a-sweep-that-left-everything-is-not-counted-as-deferred",
        Rule.REPORT,
        "sweep",
        old='        if result["action"] == "deferred":\n            counts["Deferred"] = 1\n',
        new="",
        tests=("test_sweep_batches.py",),
    ),
    Break(
        "a-sweep-counts-what-it-planned-as-done",
        Rule.REPORT,
        "repair",
        old="done = self.applied.done\n",
        new="done = self.survey.plan.changes\n",
        tests=("test_repair.py", "test_sweep.py"),
    ),
    Break(
        "what-a-sweep-left-is-cut-in-its-count",
        Rule.REPORT,
        "repair",
        old="counts, left, refused, waiting = self.counts, self.left, ",
        new="counts, left, refused, waiting = self.counts, self.left[:SHOWN], ",
        tests=("test_repair.py", "test_sweep.py"),
    ),
    Break(
        "what-a-sweep-waits-for-goes-unsaid",
        Rule.REPORT,
        "repair",
        old="            if finding.waits\n",
        new="            if finding.waits and finding.changes\n",
        tests=("test_repair.py", "test_sweep.py"),
    ),
    Break(
        "what-is-too-fresh-to-be-judged-counts-as-left",
        Rule.REPORT,
        "repair",
        old='action = "repaired" if repaired else "deferred" if left else "unchanged"',
        new='action = "repaired" if repaired else "deferred" if left or waiting else "unchanged"',
        tests=("test_repair.py",),
    ),
    Break(
        "rows-that-a-sweep-left-go-unsaid",
        Rule.REPORT,
        "repair",
        old="for change, reason in self.applied.left), *self.told.left)",
        new="for change, reason in self.applied.left),)",
        tests=("test_repair.py", "test_sweep.py"),
    ),
    Break(
        "a-sweep-warns-of-what-ended-long-ago",
        Rule.REPORT,
        "repair",
        old="            if finding.presence is Presence.LIVE and"
        " (finding.in_the_way or finding.changes)\n",
        new="",
        tests=("test_repair.py", "test_sweep.py"),
    ),
    Break(
        "drift-is-that-of-the-freshest",
        Rule.REPORT,
        "survey",
        old="return max(ages)",
        new="return min(ages)",
        tests=("test_survey.py", "test_sweep.py"),
    ),
    Break(
        "drift-is-that-of-desktops-that-were-right-as-well",
        Rule.REPORT,
        "roster",
        old="            if more:\n"
        "                change = change.then(more) if change else more\n"
        "                instance_ids.append(desktop.instance_id)\n",
        new="            if more:\n"
        "                change = change.then(more) if change else more\n"
        "            instance_ids.append(desktop.instance_id)\n",
        tests=("test_roster.py", "test_repair.py", "test_sweep_drift.py"),
    ),
    Break(
        "drift-of-rows-goes-unsaid",
        Rule.REPORT,
        "repair",
        old="            yield from telling.instance_ids\n",
        new="            yield from telling.instance_ids[:0]\n",
        tests=("test_repair.py", "test_sweep.py"),
    ),
)
