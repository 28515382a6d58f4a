"""The functions of `benchmarks.everyday`: a package as a user would have, here or installed."""
