//! Delivers log files and signed digests on the simulated clock.
