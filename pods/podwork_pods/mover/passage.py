"""What every step of a move is told: which shop, from where to where, under which numbers."""

from typing import NamedTuple


class Passage(NamedTuple):
    """One leg of a move in the hands of one mover. A successor has the same passage with a later `mover`."""

    move_id: int
    shop_id: int
    source: int
    """The pod that the shop leaves on this leg: on leg 2 the pod to which it had moved."""
    target: int
    """The pod to which this leg brings the shop."""
    epoch: int
    """The shop's epoch at the source, `e` of the protocol; at the target the shop opens under `epoch + 1`."""
    mover: int
    """The mover epoch, `m` of the protocol: what fences, gates and the move's row refuse when it is an
    earlier one.
    """
    leg: int
    """1 there, 2 back."""
