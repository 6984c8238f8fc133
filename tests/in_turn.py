"""Many values in one test: what pytest spends on each test of thousands is more than they cost."""

import inspect


def in_turn(argument, values):
    """Call a test for each value of one of its arguments; a failure says at which.

    `@pytest.mark.parametrize` over the other arguments stands above it. Not for tests that skip.
    """

    def over(test):
        def every(**given):
            for value in values:
                try:
                    test(**given, **{argument: value})
                except Exception as error:
                    error.add_note(f"at {argument} = {value!r}")
                    raise

        own = inspect.signature(test)
        left = [one for name, one in own.parameters.items() if name != argument]
        assert len(left) < len(own.parameters), f"{test.__name__} has no argument {argument}"
        every.__signature__ = own.replace(parameters=left)
        for name in ("__name__", "__doc__", "__module__"):
            setattr(every, name, getattr(test, name))
        every.__wrapped__ = test  # of one value, for tests of tests
        return every

    return over
