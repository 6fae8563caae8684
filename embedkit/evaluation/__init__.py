"""How right the heads are: splits, accuracy with intervals, label fractions, calibration."""

from embedkit.evaluation.baseline import SUPERVISED, BaselineSettings, SupervisedBaseline
from embedkit.evaluation.calibration import Calibration, ReliabilityBin
from embedkit.evaluation.evaluating import Evaluation, EvaluationSettings, Score, evaluate, evaluate_index
from embedkit.evaluation.fractions import FRACTIONS, FractionScore, Learner
from embedkit.evaluation.intervals import Interval, mean_interval

__all__ = [
    "FRACTIONS",
    "SUPERVISED",
    "BaselineSettings",
    "Calibration",
    "Evaluation",
    "EvaluationSettings",
    "FractionScore",
    "Interval",
    "Learner",
    "ReliabilityBin",
    "Score",
    "SupervisedBaseline",
    "evaluate",
    "evaluate_index",
    "mean_interval",
]
