import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from significand.plan.experiment import TableFormat
from significand.plan.problems import PlanError
from significand.workload.data import Dataset, load_source

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
Write = Callable[[str | bytes], str]


@pytest.fixture
def write_csv(tmp_path: Path) -> Write:
    """Return a function that writes a .csv file and returns its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "a.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def problems(
    path: str,
    label_column: str | None = None,
    separator: str | None = None,
    missing: tuple[str, ...] | None = None,
) -> tuple[str, ...]:
    """Return what is wrong with a file."""
    with pytest.raises(PlanError) as caught:
        load_source(path, TableFormat(label_column, separator, None, missing))
    return caught.value.problems


def read(
    path: str, label_column: str | None = None, separator: str | None = None, header: str | None = None
) -> Dataset:
    """Read a file that is in order."""
    dataset = load_source(path, TableFormat(label_column, separator, header))
    assert dataset is not None
    return dataset


@pytest.mark.parametrize("content", ["1,2,0\n3,4,1\n5,7,0\n", "a,b,y\n1,2,0\n3,4,1\n5,7,0\n"], ids=["bare", "header"])
def test_csv_header_is_recognised(write_csv: Write, content: str) -> None:
    """A first line of names is a header, a first line of numbers is a sample; the label is last."""
    dataset = read(write_csv(content))
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa,b,y\n1,2,0\n3,4,1\n5,7,0\n",
        "a,b,y\r\n1,2,0\r\n3,4,1\r\n5,7,0\r\n",
        '"a","b","y"\n"1","2","0"\n"3","4","1"\n"5","7","0"\n',
        "\na,b,y\n\n1,2,0\n 3 , 4 , 1 \n5,7,0\n,,\n",
    ],
    ids=["byte-order mark", "windows line ends", "quoted", "blanks"],
)
@pytest.mark.parametrize("label_column", [None, "y"])
def test_csv_dialects_read_alike(write_csv: Write, content: str, label_column: str | None) -> None:
    """A byte-order mark, Windows line ends, quotes and blank lines change nothing."""
    dataset = read(write_csv(content), label_column)
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


def test_csv_label_column_is_found_by_name(write_csv: Write) -> None:
    """A named label column may stand anywhere; the others are the features."""
    dataset = read(write_csv('kind,a,"b, c"\ncat,1,2\ndog,3,4\ncat,5,7\n'), "kind")
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["cat", "dog", "cat"], [0, 1, 0]),
        (["10", "9", "-3"], [2, 1, 0]),
        (["1.0", "2.0", "10.0"], [0, 1, 2]),
        (["b", "1", "a"], [2, 0, 1]),
        (["true", "false", "true"], [1, 0, 1]),
    ],
)
def test_labels_count_from_zero_in_sorted_order(write_csv: Write, labels: list[str], classes: list[int]) -> None:
    """Labels become 0 .. classes - 1 in their order: numbers by value, texts by alphabet."""
    lines = [f"{a},{b},{label}" for (a, b), label in zip(X, labels, strict=True)]
    dataset = read(write_csv("\n".join(lines)))
    np.testing.assert_array_equal(dataset.y, classes)
    assert dataset.facts.n_classes == len(set(classes))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n,\n", "is empty"),
        ("f,g\n", "has 0 samples of 1 features"),
        ("1\n2\n", "has one column, where features and a label belong"),
        ("1,2,0\n3,4\n5,7,1,1\n", "separated by comma, is ragged: line 2 has 2 columns, line 1 has 3 (2 such lines)"),
        ("1,0\nx,1\n", "line 2, column 1 holds 'x'; features must be numbers"),
        ("f,y\n1,0\n,1\n", "has 1 missing values: line 3, column f holds ''"),
        ("1,0\nnan,1\n", "has 1 missing values: line 2, column 1 holds 'nan'"),
        ("1,0\n1e999,1\n", "has 1 values that float64 cannot hold: line 2, column 1 holds '1e999'"),
        ("1,0\n2,0\n", "has one class, '0'; at least two are needed"),
        ("1,0.5\n2,1\n", "labels that are not whole numbers, such as 0.5"),
        ("1,nan\n2,1\n", "has 1 samples without a label ('nan')"),
        ("1,\n2,1\n", "has 1 samples without a label"),
        (b"\xff\xfe\n", "save it as UTF-8"),
        ("1," + 200_000 * "9", "field larger than field limit"),
    ],
)
def test_csv_that_does_not_fit_is_one_problem(write_csv: Write, content: str | bytes, words: str) -> None:
    """A broken .csv file is one line with its path, the place and the remedy."""
    path = write_csv(content)
    (line,) = problems(path)
    assert repr(path) in line
    assert words in line


def test_absent_label_column_is_named_with_those_present(write_csv: Write) -> None:
    """A label column that is not there is refused with the columns that are."""
    (line,) = problems(write_csv("a,b,y\n1,2,0\n3,4,1\n"), "z")
    assert "has no column 'z'; its columns: a, b, y" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,0\n\0,1\n", r"line 2, column 1 holds '\x00'"),
        (",".join(map(str, range(10**5))), "has 0 samples of 99999 features"),
        (",".join("ab" for _ in range(10**5)) + "\n" + "1," * (10**5 - 1) + "1", "has one class"),
        ("9" * 100_000 + ",0\n1,1\n", "1 values that float64 cannot hold"),
        ("x" * 100_000 + ",0\n1,1\n2,0\ny,1\n", "line 4, column xxx"),
        ("1," + "x" * 100_000 + "\n2,y\n", "with 100000 characters; at most 200 fit"),
        ("1,0\n" + "x" * 100_000 + ",1\n", "line 2, column 1 holds 'xxx"),
    ],
    ids=["NUL", "wide", "wide header", "digits", "long name", "long label", "long cell"],
)
def test_csv_of_any_size_is_one_short_problem(write_csv: Write, content: str, words: str) -> None:
    """NULs, many columns, long numbers, names, labels and cells are one problem that fits a screen."""
    path = write_csv(content)
    (line,) = problems(path)
    assert words in line
    assert len(line) < len(path) + 300


INFERRED = [
    ("0,1,2,3,4\n5,3,1,0,1\n4,3,1,0,0\n", ("0", "1", "2", "3")),
    ("0,1,2\n5.1,3.5,1\n4.9,3.0,0\n", ("0", "1")),
    ("0,1,2,target\n5,3,1,0\n4,3,1,1\n", ("0", "1", "2")),
    ("0,1,2,3,species\n5,3,1,0,a\n4,3,1,0,b\n", ("0", "1", "2", "3")),
    ("1,2,3,4\n5.1,3.5,1.4,1\n4.9,3.0,1.4,0\n", ("1", "2", "3")),
    (",0,1,y\n0,5.1,3.5,a\n1,4.9,3.0,b\n", ("0", "1")),
    ("2019,2020,rain\n5.1,3.5,1\n4.9,3.0,0\n", ("2019", "2020")),
]


@pytest.mark.parametrize(("content", "names"), INFERRED, ids=[content.split("\n")[0] for content, _ in INFERRED])
def test_names_that_are_numbers_are_no_sample(write_csv: Write, content: str, names: tuple[str, ...]) -> None:
    """A heading of numbers, as pandas writes it for want of names, is recognised and not trained on."""
    dataset = read(write_csv(content))
    assert dataset.names == names
    assert len(dataset.y) == 2


@pytest.mark.parametrize(
    "content", ["0,1\n1,0\n", "0,1,2\n3,4,1\n5,6,0\n", "2019,2020,2021\n5,7,0\n6,1,1\n3,2,1\n7,7,0\n"]
)
def test_first_line_that_may_be_either_is_asked_about(write_csv: Write, content: str) -> None:
    """Where nobody can know whether numbers are names, the field that says so is named, and both answers are taken."""
    path = write_csv(content)
    (line,) = problems(path)
    assert line.endswith("may be names or a sample; give header yes or no")
    rows = content.count("\n")
    assert len(read(path, header="no").y) == rows
    with contextlib.suppress(PlanError):  # of two lines one sample is left, and that is one class
        assert len(read(path, header="yes").y) == rows - 1


def test_numbers_that_hardly_count_are_a_sample(write_csv: Write) -> None:
    """A first sample whose class others have too is a sample, whatever its numbers are."""
    assert len(read(write_csv("0,1,2,cat\n5,3,1,dog\n4,3,1,cat\n")).y) == 3
    (line,) = problems(write_csv("NA,2,cat\n3,4,dog\n5,7,cat\n"))
    assert "has 1 missing values: line 1, column 1 holds 'NA'" in line


@pytest.mark.parametrize(
    "content",
    [
        ",a,b,y\n0,1,2,0\n1,3,4,1\n2,5,7,0\n",
        ",a,b,y\n7,1,2,0\n7,3,4,1\n0,5,7,0\n",
        "Unnamed: 0,a,b,y\n0,1,2,0\n1,3,4,1\n2,5,7,0\n",
        ",Unnamed: 0,a,b,y\n0,0,1,2,0\n1,1,3,4,1\n2,2,5,7,0\n",
        '"","a","b","y"\n"1",1,2,0\n"2",3,4,1\n"3",5,7,0\n',
    ],
    ids=["pandas", "shuffled", "written twice", "both", "R"],
)
def test_row_numbers_are_no_feature(write_csv: Write, content: str) -> None:
    """Row numbers without a name, as pandas and R write them in front, are left out."""
    dataset = read(write_csv(content))
    assert dataset.names == ("a", "b")
    np.testing.assert_array_equal(dataset.x, X)


def test_a_first_column_that_is_no_row_number_stays(write_csv: Write) -> None:
    """Without a name but with fractions, or with a name, a column is a feature."""
    assert read(write_csv(",b,y\n0.5,2,0\n1,4,1\n")).facts.n_features == 2
    assert read(write_csv("id,b,y\n0,2,0\n1,4,1\n")).facts.n_features == 2


@pytest.mark.parametrize(
    "content",
    [
        "a;b;y\n1;2;0\n3;4;1\n5;7;0\n",
        "a\tb\ty\n1\t2\t0\n3\t4\t1\n5\t7\t0\n",
        "a|b|y\n1|2|0\n3|4|1\n5|7|0\n",
        "a  b  y\n 1   2  0\n 3   4  1\n 5   7  0\n",
        "a;b;y\n1,0;2,0;0\n3,0;4;1\n5;7e0;0\n",
        "1.0;2,0;0\n".replace(".", ",") + "3,0;4;1\n5;7;0\n",
        "sep=;\na;b;y\n1;2;0\n3;4;1\n5;7;0\n",
        "a,b,y,\n1,2,0,\n3,4,1,\n5,7,0,\n",
        "a;b;y\n1;2;0;\n3;4;1;\n5;7;0;\n",
        '"a;x",b,y\n1,2,0\n3,4,1\n5,7,0\n',
    ],
    ids=[
        *("semicolons", "tabs", "pipes", "aligned", "decimal commas", "decimal commas, no names", "told to Excel"),
        *("trailing", "trailing samples", "semicolon in a name"),
    ],
)
def test_the_separator_is_found(write_csv: Write, content: str) -> None:
    """Whatever plainly separates the cells is taken; a comma in a number is a decimal comma then."""
    dataset = read(write_csv(content))
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.y, [0, 1, 0])


@pytest.mark.parametrize(
    ("content", "given", "words"),
    [
        ("1,5;a\n2,5;b\n", None, "may be separated by comma or semicolon; give separator comma or semicolon"),
        ("a;y\n1,5;0\n1.234;1\n", None, "line 3, column a holds '1.234'"),
        ("a;y\n1,234;0\n999;1\n", None, "in column a whose commas may group digits or be decimal ones"),
        ("a;y\n1,5;0\n1,2,3;1\n", None, "line 3, column a holds '1,2,3'"),
        ('a,y\n"1,5",0\n"2,5",1\n', None, "write a decimal point, or separate the columns by semicolons"),
        ("a,y\n1,0\n2,1\n", "semicolon", "it is read as separated by semicolon; give separator"),
        ("a;b;y\n1;2\n3;4;5\n", None, "separated by semicolon, is ragged: line 2 has 2 columns"),
        ("a,b,y\n1,2,3,0\n2,3,4,1\n", None, "give the first column a name, or write the table without row names"),
        ("a,b,y\nTrue,2,0\nFalse,3,1\n", None, "holds 'True'; features must be numbers: write 1 and 0"),
        ("a,b,c,y\n7,1,0,0\n8,0,1,0\n9,0,0,1\n", None, "has one-hot labels in its last columns; give the class as"),
        ("a,b,c,y\n7,1.0,0.0,0.0\n8,0.0,1.0,0.0\n9,0,0,1.0\n", None, "has one-hot labels in its last columns"),
        ("a,b,c,y\n7,1,0,False\n8,0,1,False\n9,0,0,True\n", None, "has one-hot labels in its last columns"),
    ],
)
def test_what_is_not_plain_is_told_with_its_remedy(
    write_csv: Write, content: str, given: str | None, words: str
) -> None:
    """The separator is named wherever it may be what is wrong, and never guessed where two would do."""
    (line,) = problems(write_csv(content), separator=given)
    assert words in line


def test_a_given_separator_is_taken(write_csv: Write) -> None:
    """Where two separators would do, the one that is given decides."""
    path = write_csv("1,5;a\n2,5;b\n")
    np.testing.assert_array_equal(read(path, separator="semicolon").x, [[1.5], [2.5]])
    np.testing.assert_array_equal(read(path, separator="comma").x, [[1], [2]])


def test_a_label_column_named_twice_is_refused(write_csv: Write) -> None:
    """Which of two columns of one name is the label is not guessed; among features a name may stand twice."""
    path = write_csv("a,y,y\n1,2,0\n3,4,1\n")
    (line,) = problems(path, "y")
    assert "has 2 columns 'y'; give each its own name" in line
    assert read(write_csv("a,a,y\n1,2,0\n3,4,1\n"), "y").names == ("a", "a")


def test_missing_values_are_what_is_said(write_csv: Write) -> None:
    """A word that is given means a missing value in features and labels, a number too; an empty cell always does."""
    path = write_csv("a,b,y\n1,?,cat\n-999,2,?\n3,,dog\n")
    label, features = problems(path, missing=("?", "-999"))
    assert "has 1 samples without a label ('?')" in label
    assert "has 3 missing values: line 2, column b holds '?'" in features
    assert "is not numeric: line 2, column b holds '?'" in problems(path)[0]


@pytest.mark.parametrize(
    "column",
    [
        ["1e-400", "2e-400", "3e-400"],
        ["9007199254740992", "9007199254740993", "9007199254740992"],
        ["1000000000000000000.1", "1000000000000000000.2", "1000000000000000000.3"],
        ["1e-322", "1.2e-322", "1.4e-322"],
        ["1e-99999999999999999999", "2e-99999999999999999999", "0"],
    ],
    ids=["below float64", "beyond 2**53", "fractions", "subnormal", "far below"],
)
def test_a_feature_that_float64_would_lose_is_refused(write_csv: Write, column: list[str]) -> None:
    """Numbers that would become one, or nearly, are refused with the name of their column."""
    (line,) = problems(
        write_csv("kept,lost,y\n" + "".join(f"{at},{cell},{at % 2}\n" for at, cell in enumerate(column)))
    )
    assert "loses its column lost: the values, such as" in line


@pytest.mark.parametrize(
    "column",
    [
        ["9007199254740993", "9007199254740993", "9007199254740993"],
        ["5", "5.0", "5e0"],
        ["0", "1e-400", "1"],
        ["1700000000000000001", "1700000010000000003", "1700000090000000005"],
        ["0.1", "0.2", "0.30000000000000000001"],
        ["1e200", "2e200", "-3e200"],
    ],
    ids=["constant", "spelt differently", "beside large ones", "nanoseconds", "fractions", "large"],
)
def test_what_float64_rounds_a_little_is_kept(write_csv: Write, column: list[str]) -> None:
    """Rounding that is nothing beside the range of the column is no reason to refuse it."""
    dataset = read(write_csv("a,y\n" + "".join(f"{cell},{at % 2}\n" for at, cell in enumerate(column))))
    np.testing.assert_array_equal(dataset.x[:, 0], [float(cell) for cell in column])
