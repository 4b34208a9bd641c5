"""From streets to rounds: network, travel times, the collection problem, its solution, replanning and the check."""
