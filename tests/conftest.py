"""Settings of all tests."""

import os

from hypothesis import settings

# Threads of boosting wait for each other by spinning: on a busy machine that takes minutes instead of seconds. Before
# anything loads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run: a red test must be red for whoever runs it next. Without a deadline, because a
# machine that is busy with something else is no fault of the code.
settings.register_profile("ronde", deadline=None, derandomize=True, max_examples=60, print_blob=True)
settings.load_profile("ronde")
