"""A covering array of strength 2: few rows in which any two levels of different factors meet."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

Level = tuple[str, str]
Pair = frozenset[Level]


def pairs(factors: Mapping[str, Sequence[str]], refused: Collection[Pair] = ()) -> set[Pair]:
    """Every two levels of different factors, as {(factor, level), (factor, level)}, but those ``refused``."""
    found = {
        frozenset({(one, this), (other, that)})
        for one, other in combinations(factors, 2)
        for this in factors[one]
        for that in factors[other]
    }
    return found - set(refused)


def covering(factors: Mapping[str, Sequence[str]], refused: Collection[Pair] = ()) -> Iterator[dict[str, str]]:
    """Rows, a level for each factor, that hold all ``pairs`` and none ``refused``; greedy, so not the fewest."""
    left = pairs(factors, refused)
    while left:
        row: dict[str, str] = dict(min(left, key=sorted))
        for factor in sorted(factors, key=lambda name: -len(factors[name])):
            if factor not in row:
                allowed = [
                    level
                    for level in factors[factor]
                    if not any(frozenset({(factor, level), other}) in refused for other in row.items())
                ]
                row[factor] = max(allowed, key=lambda level: len(left & _meets(row, (factor, level))))
        left -= {frozenset(pair) for pair in combinations(row.items(), 2)}
        yield row


def _meets(row: Mapping[str, str], level: Level) -> set[Pair]:
    return {frozenset({level, other}) for other in row.items()}
