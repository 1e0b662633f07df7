"""The bar of the attacks, which counts passes that were only estimated."""

import io

from rich.console import Console

from hardlight.callbacks.progress import bar, working


def test_it_never_shows_more_than_the_estimate_and_ends_at_it() -> None:
    progress = bar(Console(file=io.StringIO()))
    task = progress.add_task("attacking", total=100)
    seen = []
    for passes in ([10, 10], [30, 30, 30], []):
        with working(progress, task, 30) as watch:
            for each in passes:
                watch(each)
                seen.append(progress.tasks[task].completed)
        seen.append(progress.tasks[task].completed)
    assert seen == [10, 20, 30, 60, 60, 60, 60, 90]
