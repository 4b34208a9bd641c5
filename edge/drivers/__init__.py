"""Sensors: one module each. A simulated city brings its own, with the same contract (`edge.driver.Driver`)."""
