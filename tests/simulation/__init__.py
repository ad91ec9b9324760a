"""Whole crawls on virtual time, every chance of which is drawn from one seed. `make sim SEED=7` runs one."""
