"""What every attack is: settings in the constructor, data in the call."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from hardlight import backward, checks
from hardlight.attacks import inputs
from hardlight.attacks.attackable import attackable
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import GradientError, Model, ModelRefused, Queries, Watch
from hardlight.attacks.randomness import reseeded
from hardlight.attacks.worst import Worst

LABELS = ("true", "predicted")
MOST_RESTARTS = 100_000


@dataclass(frozen=True)
class Outcome:
    """What an attack made and what it cost: ``x_adv`` like x; passes per sample, each (N,)."""

    x_adv: Tensor
    forward_passes: Tensor
    backward_passes: Tensor


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """A frozen, callable set of settings.

    ``label`` is what an untargeted attack moves away from: the ``true`` label, or the one the model ``predicted`` on
    the clean image. ``seed`` is that of its random numbers. What any attack can wear: the worst of ``restarts`` runs
    with other random numbers; of a randomised model the expectation over ``eot`` draws; and ``backward``, the backward
    pass asked of layers that hide their gradient: ``adaptive`` the most helpful that each layer offers, ``exact``,
    ``straight_through``, ``soft`` or ``leaky`` of those that offer it, None what each is set to.
    """

    label: str | bool = "true"
    seed: int = 0
    restarts: int = 1
    eot: int = 1
    backward: str | None = None

    draws: ClassVar[bool] = False
    """Whether it draws random numbers, so that a restart is another attack."""
    gradients: ClassVar[bool] = True
    """Whether it asks for gradients; one that does not also runs on a net that has none."""
    per_sample: ClassVar[bool] = True
    """Whether what it does to a sample is the same in any batch."""

    def __post_init__(self) -> None:
        if self.label is True:  # what YAML and the command line make of the word true
            object.__setattr__(self, "label", "true")
        checks.one_of("label", self.label, LABELS)
        checks.whole("seed", self.seed, high=2**63 - 1)
        checks.whole("restarts", self.restarts, low=1, high=MOST_RESTARTS)
        if self.restarts > 1 and not self.draws:
            raise ValueError(
                f"restarts must be 1, as {type(self).__name__} draws no numbers of its own, got {self.restarts!r}"
            )
        checks.whole("eot", self.eot, low=1)
        if self.backward is not None:
            checks.one_of("backward", self.backward, backward.BACKWARDS)

    def __call__(
        self, model: Model, x: Tensor, y: Tensor, *, index: Tensor | None = None, y_target: Tensor | None = None
    ) -> Tensor:
        """Adversarial images like ``x``.

        ``model`` maps pixels (N, C, H, W) in [0, 1] to logits (N, K), ``y`` holds labels (N,) int. ``index`` (N,) names
        the samples for their random numbers, 0…N-1 by default. With ``y_target`` (N,) the attack is targeted.
        Raises ``ValueError`` for pixels outside [0, 1], not finite or not float32 or float64, for labels of another
        shape or below 0, for a model that gives no logits (N, K) of so many classes or no finite gradient, and for a
        ``backward`` that no layer of it offers.
        """
        return self.run(model, x, y, index=index, y_target=y_target).x_adv

    def run(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        *,
        index: Tensor | None = None,
        y_target: Tensor | None = None,
        watch: Watch | None = None,
    ) -> Outcome:
        """As the call, with what each sample cost; ``watch`` is told of every forward pass while it runs."""
        with attackable(model, x.device):
            index = torch.arange(len(x), device=x.device) if index is None else index
            classes = inputs.classes(x, index=index, y=y, y_target=y if y_target is None else y_target)
            x, y = x.detach().clone(), y.clone().long()  # also turns tensors of inference mode into ordinary ones
            queries = Queries(model, len(x), x.device, watch, classes)
            if y_target is not None:
                goal = Goal(y_target.clone().long(), targeted=True)
            elif self.label == "predicted" and len(x):
                with self._asking(queries, x) as asked:
                    goal = Goal(asked.logits(x).argmax(1))
            else:
                goal = Goal(y)
            x_adv = self.worn(queries, x, goal, index) if len(x) else x
            return Outcome(x_adv.detach(), queries.forward_passes, queries.backward_passes)

    def check(self, model: Model, x: Tensor) -> None:
        """Raises ``ModelRefused`` where ``model`` is none for this attack, having seen the first image of x alone."""
        with attackable(model, x.device), self._asking(Queries(model, 1, x.device), x) as queries:
            trace = queries.trace(x[:1])
            if self.gradients:
                with suppress(GradientError):  # which another image may not have
                    trace.gradient(torch.ones_like(trace.logits))

    def worn(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        """As ``perturb``, with what the attack wears; also for one attack inside another."""
        with self._asking(queries, x) as queries:
            if self.restarts == 1:
                return self.perturb(queries, x, goal, index)
            worst = Worst(queries, x, goal, smallest=self.smallest)
            for restart in range(self.restarts):
                rows = worst.standing if self.stops_early else torch.arange(len(x), device=x.device)
                if not len(rows):
                    break
                found = self.again(restart).perturb(queries.part(rows), x[rows], goal[rows], index[rows])
                worst.offer(found, rows)
            return worst.x_adv

    @contextmanager
    def _asking(self, queries: Queries, x: Tensor) -> Iterator[Queries]:
        with ExitStack() as stack:
            if self.backward is not None:
                stack.enter_context(backward.asked_for(self.backward))
                with torch.no_grad():
                    queries.model(x[:1])
                if not backward.heard():
                    raise ModelRefused(f"backward must be one that a layer of the model offers, got {self.backward!r}")
            if self.eot > 1:
                devices = [x.device] if x.device.type == "cuda" else []
                stack.enter_context(torch.random.fork_rng(devices))
                torch.default_generator.manual_seed(self.seed)  # and not torch.manual_seed, which seeds every GPU
                if devices:
                    stack.enter_context(torch.cuda.device(x.device))
                    torch.cuda.manual_seed(self.seed)
                queries = queries.expected(self.eot)
            yield queries

    def again(self, restart: int) -> Self:
        """The attack of one restart, the first of which is 0."""
        return replace(self, restarts=1, seed=reseeded(self.seed, restart, type(self).__name__))

    @property
    def passes(self) -> int:
        """Roughly how many forward passes a sample takes at most, in one run on a model without randomness."""
        return 1

    @property
    def work(self) -> int:
        """As ``passes``, of all restarts and draws."""
        return self.passes * self.restarts * self.eot

    @property
    def stops_early(self) -> bool:
        """Whether a sample is let go as soon as it fools the model."""
        return False

    def exhaustive(self) -> Self:
        """The same attack, spending its whole budget on every sample: for sets that are trained on or transferred."""
        return self

    @property
    def smallest(self) -> str | None:
        """The norm in which it looks for the smallest perturbation; None if it has a budget."""
        return None

    @abstractmethod
    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        """The attack itself, on a model that is attackable and samples that may be kept or overwritten."""


@dataclass(frozen=True, kw_only=True)
class FixedBudget(Attack):
    """An attack that stays within ``eps`` of the image in ``norm`` and does there the worst it can.

    For every sample it returns a point inside the budget, whether or not that fools the model.
    """

    eps: float
    norm: str = "linf"

    norms: ClassVar[tuple[str, ...]] = ("linf",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("eps", self.eps)
        checks.one_of("norm", self.norm, self.norms)


@dataclass(frozen=True, kw_only=True)
class MinimalNorm(Attack):
    """An attack that looks for the smallest perturbation in ``norm`` that fools the model, without a budget.

    A sample that it does not fool is returned unchanged.
    """

    norm: str = "l2"

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("norm", self.norm, self.norms)

    @property
    def smallest(self) -> str:
        return self.norm
