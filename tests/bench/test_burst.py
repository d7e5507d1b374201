"""A burst beyond the quota: the guide stops at half of its starts, ours comes to its end."""

from bench import burst


def test_the_guide_is_blocked_once_the_quota_is_spent() -> None:
    found = burst.guides_burst(620)
    assert (found.resolved, found.seconds) == (600, None)
    assert found.refused == 3 * 20
    assert found.used == 1200


def test_the_rows_of_both() -> None:
    figures = {each.name: each for each in burst.measure(quick=True, say=lambda _: None)}
    for name in ("never resolved of 400", "refused calls for 400"):
        assert figures[name].is_kept
    last = figures["time until the last of 400 resolves"]
    assert last.ours
    assert last.ours.middle > 0
