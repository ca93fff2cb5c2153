"""Short forms of ids."""

from euguess.terminal.ids import shortest_starts


def test_ids_are_cut_where_they_still_differ() -> None:
    first, second, third = "a" * 32, "a" * 10 + "b" * 22, "c" * 32
    assert shortest_starts([third, second, first]) == {
        first: "a" * 11,
        second: "a" * 10 + "b",
        third: "c" * 8,
    }
