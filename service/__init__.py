"""The composition root: application, pages, live events, command line, detection and planning."""
