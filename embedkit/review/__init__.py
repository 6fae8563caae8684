"""What a person decides of suspects: the decisions kept, the page they are made on."""

from embedkit.review.agreement import Agreement, Consensus, find_consensus, measure_agreement, outcome_of
from embedkit.review.decisions import VERDICTS, Decision, Decisions

__all__ = [
    "VERDICTS",
    "Agreement",
    "Consensus",
    "Decision",
    "Decisions",
    "find_consensus",
    "measure_agreement",
    "outcome_of",
]
