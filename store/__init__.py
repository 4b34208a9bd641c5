"""What is looked up: the time-series view and the desk's operational records."""
