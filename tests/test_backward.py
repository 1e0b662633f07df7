"""A backward pass that is asked for: by whom, for how long, and who hears of it."""

import threading

import pytest

from hardlight.backward import BACKWARDS, asked_for, heard, in_use

SQUEEZING = ("straight_through", "soft", "exact")
BOUNDED = ("leaky", "exact")


def test_a_layers_own_unless_asked():
    assert in_use("soft", SQUEEZING) == "soft"
    with asked_for(None):
        assert in_use("soft", SQUEEZING) == "soft"
        assert heard()  # nothing was asked for


@pytest.mark.parametrize(
    ("backward", "squeezing", "bounded"),
    [
        ("adaptive", "straight_through", "leaky"),
        ("exact", "exact", "exact"),
        ("straight_through", "straight_through", "exact"),
        ("soft", "soft", "exact"),
        ("leaky", "soft", "leaky"),
    ],
)
def test_each_layer_gives_what_it_offers_and_else_its_own(backward, squeezing, bounded):
    assert backward in BACKWARDS
    with asked_for(backward):
        assert in_use("soft", SQUEEZING) == squeezing
        assert in_use("exact", BOUNDED) == bounded
    assert in_use("soft", SQUEEZING) == "soft"


@pytest.mark.parametrize("backward", ["adaptive", "soft"])
def test_heard_only_once_a_layer_that_offers_it_was_asked(backward):
    with asked_for(backward):
        assert not heard()
        if backward == "soft":
            in_use("exact", BOUNDED)
            assert not heard()
        in_use("exact", SQUEEZING)
        assert heard()
        in_use("exact", BOUNDED)
        assert heard()
    with asked_for(backward):
        assert not heard()


def test_the_innermost_counts_and_the_outer_comes_back():
    with asked_for("leaky"):
        with asked_for("soft"):
            assert (in_use("exact", SQUEEZING), in_use("exact", BOUNDED)) == ("soft", "exact")
            with asked_for(None):
                assert (in_use("exact", SQUEEZING), in_use("exact", BOUNDED)) == ("exact", "exact")
            assert heard()
        assert not heard()
        assert in_use("exact", BOUNDED) == "leaky"


def test_also_after_an_exception():
    with asked_for("soft"):
        with pytest.raises(RuntimeError), asked_for("leaky"):
            raise RuntimeError
        assert in_use("exact", SQUEEZING) == "soft"
    assert in_use("exact", SQUEEZING) == "exact"


def test_another_thread_asks_for_itself():
    """Two threads inside at once, each of which hears only its own."""
    both = threading.Barrier(2, timeout=10)
    found = {}

    def attack(backward):
        with asked_for(backward):
            both.wait()
            found[backward] = in_use("exact", SQUEEZING)
            both.wait()

    threads = [threading.Thread(target=attack, args=(backward,)) for backward in ("soft", "straight_through")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"soft": "soft", "straight_through": "straight_through"}
    assert in_use("exact", SQUEEZING) == "exact"
