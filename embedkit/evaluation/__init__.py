"""How right the heads are: splits, accuracy with intervals, label fractions, calibration."""
