"""A first signal is noted while an update is made; a second one, or one at another time, is not."""

import os
import signal

import pytest

from keras_attn.training.stop_signals import StopSignals, TrainingInterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_interrupts(number):
    shown = []
    with StopSignals(shown.append) as signals:
        signals.deferred = True
        os.kill(os.getpid(), number)
        assert signals.received == number and "stopping after this update" in shown[0]
        with pytest.raises(TrainingInterrupted) as raised:
            os.kill(os.getpid(), number)
    assert raised.value.number == number and isinstance(raised.value, KeyboardInterrupt)


@pytest.mark.parametrize("error", [BrokenPipeError, SystemExit])
def test_a_signal_is_noted_though_nobody_reads_the_output(error):
    def show(line):
        raise error

    with StopSignals(show) as signals:
        signals.deferred = True
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT


def test_outside_an_update_it_interrupts_at_once_and_handlers_come_back():
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals() as signals:
        signals.install()  # again, as after a strategy
        with pytest.raises(TrainingInterrupted):
            os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
