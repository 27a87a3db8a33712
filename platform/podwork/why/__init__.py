"""Why a job does not run: `explain` answers with the one thing that it waits for, and what to do about it."""

from podwork.why.explain import explain
from podwork.why.reasons import MEANINGS, Code, Why

__all__ = ["MEANINGS", "Code", "Why", "explain"]
