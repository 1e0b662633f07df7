import math

import numpy as np
import pytest

from hardlight import checks

NOT_A_NUMBER = [math.nan, math.inf, -math.inf, 1e16, 10**400, True, False, "1", None, [1], 1j]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.number, [0, -1.5, 1e15, np.float64(0.1)], []),
        (checks.positive, [1e-300, 1, 2.5], [0, 0.0, -0.0, -1]),
        (checks.non_negative, [0, 0.0, 3], [-1e-300, -1]),
        (checks.fraction, [0, 1, 0.5], [-0.1, 1.1]),
    ],
)
def test_numbers(check, good, bad):
    for value in good:
        check("eps", value)
    for value in [*bad, *NOT_A_NUMBER]:
        with pytest.raises(ValueError, match=r"^eps must be ") as error:
            check("eps", value)
        assert str(error.value).endswith(f"got {value!r}")


@pytest.mark.parametrize(
    ("settings", "value", "sentence"),
    [
        ({}, None, "eps must be a number, got None"),
        ({"low": 0}, "x", "eps must be a number of at least 0, got 'x'"),
        ({"low": 0}, -1, "eps must be a number of at least 0, got -1"),
        ({"low": 0, "strict_low": True}, 0, "eps must be a number greater than 0, got 0"),
        ({"low": 0, "high": 1}, 2, "eps must be a number from 0 to 1, got 2"),
        ({"low": 0, "high": 1, "strict_low": True}, 0, "eps must be a number from 0 to 1, 0 excluded, got 0"),
        ({"high": 1}, 2, "eps must be a number of at most 1, got 2"),
        ({"low": 0}, math.inf, "eps must be a number of at most 1e+15, got inf"),
    ],
)
def test_the_sentence_says_what_would_be_right(settings, value, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        checks.number("eps", value, **settings)
    assert str(error.value) == sentence


def test_whole():
    checks.whole("steps", 0)
    checks.whole("steps", 2**63 - 1, low=1)
    checks.whole("bits", 8, low=1, high=8)
    for value in [-1, 1.0, "3", None, True, math.nan]:
        with pytest.raises(ValueError, match=r"^steps must be a whole number of at least 0, got "):
            checks.whole("steps", value)
    for value in (0, 9):
        with pytest.raises(ValueError, match=rf"^bits must be a whole number from 1 to 8, got {value}$"):
            checks.whole("bits", value, low=1, high=8)


def test_a_whole_number_fits_64_bits():
    with pytest.raises(ValueError, match=f"^steps must be a whole number from 0 to {2**63 - 1}, got {2**63}$"):
        checks.whole("steps", 2**63)


def test_text():
    checks.text("path", "a")
    for value in ["", None, 1, True, ["a"], {"a": 1}]:
        with pytest.raises(ValueError, match=r"^path must be text, got "):
            checks.text("path", value)


def test_shape():
    checks.shape("shape", (1, 28, 28))
    checks.shape("shape", [3, 1, 9])
    for value in [(1, 28), (1, 28, 28, 1), "abc", None, 28, {1, 2, 3}]:
        with pytest.raises(ValueError, match=r"^shape must be \(channels, height, width\), got "):
            checks.shape("shape", value)
    for size in (0, -1, 1.0, True, None):
        with pytest.raises(ValueError, match=rf"^shape must be a whole number of at least 1, got {size}$"):
            checks.shape("shape", (1, 28, size))


def test_flag():
    checks.flag("clip", True)
    checks.flag("clip", False)
    for value in [0, 1, "true", None]:
        with pytest.raises(ValueError, match=r"^clip must be true or false, got "):
            checks.flag("clip", value)


def test_one_of():
    checks.one_of("norm", "l2", ("linf", "l2"))
    with pytest.raises(ValueError, match=r"^norm must be one of linf, l2, got 'lnf'; did you mean linf[?]$"):
        checks.one_of("norm", "lnf", ("linf", "l2"))
    for value in ["zzzz", None, 3]:
        with pytest.raises(ValueError, match=r"^norm must be one of linf, l2, got [^;]*$"):
            checks.one_of("norm", value, (name for name in ("linf", "l2")))
    with pytest.raises(ValueError, match=r"^norm must be one of linf, l2, got "):
        checks.one_of("norm", ["l2"], ("linf", "l2"))


def test_nearest():
    assert checks.nearest("fgms", ["pgd", "fgsm"]) == "fgsm"
    assert checks.nearest("xyz", ["pgd", "fgsm"]) is None
