"""Settings of all tests."""

from hypothesis import settings

# The same examples in every run: a red test must be red for whoever runs it next. Without a deadline, because a
# machine that is busy with something else is no fault of the code.
settings.register_profile("ronde", deadline=None, derandomize=True, max_examples=60, print_blob=True)
settings.load_profile("ronde")
