"""What to do next, decided from values alone: no clock, no file, no worker, no randomness.

Its constants are set on some seeds of the simulator and frozen before others are drawn, on which
docs/dev/regret.md judges them. What these show is mended before the next are drawn, not after.
"""
