"""What a person decides of suspects: the decisions kept, the page they are made on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.lazy import import_on_use
from embedkit.review.agreement import Agreement, Consensus, find_consensus, measure_agreement, outcome_of
from embedkit.review.decision import VERDICTS, Decision
from embedkit.review.decisions import Decisions

if TYPE_CHECKING:
    from embedkit.review.erasing import erase_decisions
    from embedkit.review.merging import merge_decisions
    from embedkit.review.ranking import find_open_issues, rank_suspects
    from embedkit.review.server import ReviewSettings, serve_review
    from embedkit.review.suspects import Suspect, correct_labels, list_suspects, read_suspects, settle_rows

_MODULES = {
    "ReviewSettings": "server",
    "Suspect": "suspects",
    "correct_labels": "suspects",
    "erase_decisions": "erasing",
    "find_open_issues": "ranking",
    "list_suspects": "suspects",
    "merge_decisions": "merging",
    "rank_suspects": "ranking",
    "read_suspects": "suspects",
    "serve_review": "server",
    "settle_rows": "suspects",
}

__all__ = [
    "VERDICTS",
    "Agreement",
    "Consensus",
    "Decision",
    "Decisions",
    "ReviewSettings",
    "Suspect",
    "correct_labels",
    "erase_decisions",
    "find_consensus",
    "find_open_issues",
    "list_suspects",
    "measure_agreement",
    "merge_decisions",
    "outcome_of",
    "rank_suspects",
    "read_suspects",
    "serve_review",
    "settle_rows",
]

__getattr__ = import_on_use(__name__, _MODULES)  # scikit-learn and starlette, which rank and serve, take their time
