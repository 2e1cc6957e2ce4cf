"""What is timed, and against what. Timings are printed, never asserted: a busy machine is no bug."""
