import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from incubator.errors import Cancelled
from incubator.signals import cancel_on_signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_exception(number: int, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Cancelled) as caught, cancel_on_signals() as cancellation:  # noqa: PT012
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert caught.value.exit_code == code
    assert cancellation.signal_number == number
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_disturb_cleaning_up() -> None:
    cleaned = False
    with pytest.raises(Cancelled), cancel_on_signals() as cancellation:  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert (cancellation.signal_number, cancellation.received) == (signal.SIGINT, 2)


def test_the_third_signal_ends_the_process() -> None:
    code = (
        "import signal, time\n"
        "from incubator.signals import cancel_on_signals\n"
        "with cancel_on_signals():\n"
        "    try: signal.raise_signal(signal.SIGINT)\n"
        "    finally:\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        time.sleep(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=8).returncode == -signal.SIGTERM


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run() -> None:
        with cancel_on_signals() as cancellation:
            seen.append((signal.getsignal(signal.SIGINT), cancellation.signal_number))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(before, None)]


def test_nobody_takes_a_signal_for_a_fault_that_can_be_borne() -> None:
    with pytest.raises(Cancelled), cancel_on_signals():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGINT)
        except Exception as error:
            raise AssertionError from error
