"""Every break of the mutation check."""

from __future__ import annotations

from typing import Final

from tests.mutation.breaks_calls import BREAKS as CALLS
from tests.mutation.breaks_certainty import BREAKS as CERTAINTY
from tests.mutation.breaks_meetings import BREAKS as MEETINGS
from tests.mutation.breaks_meetings_front import BREAKS as MEETINGS_FRONT
from tests.mutation.breaks_records import BREAKS as RECORDS
from tests.mutation.breaks_rows import BREAKS as ROWS
from tests.mutation.breaks_runs import BREAKS as RUNS
from tests.mutation.breaks_sweep import BREAKS as SWEEP
from tests.mutation.breaks_sweep_rows import BREAKS as SWEEP_ROWS

BREAKS: Final = (
    *RECORDS,
    *CERTAINTY,
    *ROWS,
    *CALLS,
    *RUNS,
    *SWEEP,
    *SWEEP_ROWS,
    *MEETINGS,
    *MEETINGS_FRONT,
)
