from significand.plan.problems import (
    LONGEST_LINE,
    PlanError,
    capped,
    listed,
    nearest,
    shown,
    unknown_fields,
)

MANY = 300_000


def test_an_error_is_never_too_long_to_be_read() -> None:
    """A hundred lines at most, and of a long one its beginning and its end, where the remedy is."""
    error = PlanError([f"data: {'x' * 10**7}; give the path of a .csv file", *map(str, range(MANY))])
    assert len(error.problems) == 101
    assert error.problems[0].startswith("data: xxx")
    assert error.problems[0].endswith("x; give the path of a .csv file")
    assert len(error.problems[0]) < LONGEST_LINE + 10
    assert error.problems[-1] == f"and {MANY - 99} more mistakes; correct these first"
    assert capped(["a"]) == ("a",)


def test_a_value_is_shown_short() -> None:
    """Also one of which not even Python says what it is."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown("x" * 10**7)) < 100
    assert shown(10**5000) == "a int too long to show"
    assert shown(deep) == "a list too long to show"


def test_the_nearest_word_is_looked_for_among_few() -> None:
    """A word of millions of letters, and millions of words to choose from, take no time."""
    assert nearest("epoch", ["epochs"]) == " (did you mean 'epochs'?)"
    assert nearest("x" * 10**7, ["epochs"]) == ""
    assert nearest("epoch", map(str, range(10**9))) == ""
    assert nearest("epoch", ["e" * 10**7, "epochs"]) == " (did you mean 'epochs'?)"


def test_many_mistakes_of_one_kind_are_few_lines() -> None:
    """The first are told one by one, with a hint; how many more there are is a line."""
    names = [f"field{number}" for number in range(MANY)]
    lines = unknown_fields(names, ["field0x"])
    assert lines[0] == "field0: is not a field of an experiment (did you mean 'field0x'?); known: field0x"
    assert lines[10:] == [f"{MANY - 10} more names are not fields of an experiment; correct these first"]
    assert listed(names) == ", ".join(names[:10]) + f" and {MANY - 10} more"
    assert listed(["x" * 10**6]) == "x" * 80
