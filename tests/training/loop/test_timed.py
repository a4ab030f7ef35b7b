import pytest

pytestmark = pytest.mark.slow


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    from training.loop.timed import share_at

    shares = [share_at(progress / 100) for progress in range(1, 101)]
    peak = shares.index(max(shares))
    assert max(shares) == pytest.approx(1, abs=0.01)
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert share_at(1.0) == pytest.approx(0)
    assert share_at(1.3) == pytest.approx(0)


def test_training_ends_before_an_epoch_that_would_exceed_the_time() -> None:
    from types import SimpleNamespace

    from training.loop.timed import TimedSchedule

    now_s = 0.0
    model = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=None), stop_training=False)
    callback = TimedSchedule(100.0, 1e-3, lambda: now_s)
    callback.set_model(model)
    callback.on_train_begin()
    epochs, rates = 0, []
    while not model.stop_training:
        callback.on_epoch_begin(epochs)
        rates.append(model.optimizer.learning_rate)
        now_s += 9.0
        epochs += 1
        callback.on_epoch_end(epochs)
    assert (epochs, now_s) == (11, 99.0)
    assert 0 < rates[-1] < 0.05e-3 < rates[1]
