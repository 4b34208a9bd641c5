"""What readings mean: fill, dumping, congestion, sensor health. Pure numpy, vectorised, no I/O."""
