"""What ends a contestant's turn, and is reported in place of its figures."""

from __future__ import annotations


class Trouble(Exception):
    """Raised when a contestant does not do what it should in time. Never an error of the harness."""
