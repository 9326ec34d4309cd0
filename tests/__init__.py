"""The tests of asgitest, which run under unittest and under pytest alike."""
