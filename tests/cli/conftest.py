"""What tests of several commands share."""

import _thread
import time

import pytest
import responses


@pytest.fixture
def real(lgp):
    """A run against the answers planned in `run.planned`; no sleep between attempts."""
    environ = {"LGP_API_KEY": "lgp_" + "5" * 64, "LGP_MAX_WAIT": "0"}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as planned:

        def run(*words, **more):
            return lgp(*words, sandbox=False, environ=environ, **more)

        run.planned = planned
        yield run


@pytest.fixture
def interrupting(serve):
    """A served sandbox that gets Ctrl-C typed here while it answers."""
    served = serve()

    def answer(environ, ask):
        _thread.interrupt_main()
        time.sleep(0.2)  # until that is noticed
        return ask(environ)

    served.around(answer)
    return served
