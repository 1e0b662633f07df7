"""Who takes part in a match."""

from dataclasses import dataclass
from types import ModuleType

from hardlight.attacks import Attack
from peers.calls import Call, hardlight
from peers.matches import Match, Ours

HARDLIGHT = "hardlight"


@dataclass(frozen=True)
class Contestant:
    """A library's attack: ``ours`` is one of ours, None a peer's; ``note`` says in what it differs from ours."""

    library: str
    name: str
    call: Call
    norm: str
    eps: float | None
    note: str = ""
    ours: Ours | None = None


def contestants(match: Match, peers: dict[str, ModuleType]) -> tuple[list[Contestant], list[str]]:
    """Ours first, then the peers that have such an attack; and a sentence on each of ours that is not there yet."""
    asked = match.asked.made()
    if asked is None:
        return [], [f"{match.name} is left out, as there is no attack {match.asked.attack} yet"]
    found, missing = [], []
    for ours in match.ours:
        attack = ours.made()
        if attack is None:
            missing.append(f"{ours.name} is left out, as there is no attack {ours.attack} yet")
        else:
            found.append(_contestant(HARDLIGHT, ours.name, hardlight(attack), attack, ours=ours))
    for library, module in peers.items():
        for counterpart in module.COUNTERPARTS.get(match.asked.attack, ()):
            call = counterpart(asked)
            if call is not None:
                name = f"{library} {counterpart.__name__.replace('_', ' ')}"
                note = " ".join((counterpart.__doc__ or "").split())
                found.append(_contestant(library, name, call, asked, note=note))
    return found, missing


def _contestant(library: str, name: str, call: Call, attack: Attack, **own: object) -> Contestant:
    return Contestant(library, name, call, attack.norm, getattr(attack, "eps", None), **own)
