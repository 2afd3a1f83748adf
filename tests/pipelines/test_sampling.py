"""Sampling counters: bounded in number, the first and the last always there."""

from pipelines.sampling import Sampling


class CountingWitness:
    """Answers with its own clock."""

    def __init__(self):
        self.asked = 0

    def usage(self, pids):
        self.asked += 1
        counters = dict.fromkeys(("memory_peak", "disk_read", "disk_write", "network_in", "network_out"), None)
        return {name: {"cpu_s": float(self.asked), "memory": 1, **counters} for name in pids}


def test_a_long_trial_keeps_its_first_sample_and_thins_out_the_rest_evenly():
    """Else a trial of a day would hold a million rows, or only its beginning."""
    sampling = Sampling(CountingWitness(), {"target": 1}, moments=16)
    sampling.take()
    for _second in range(1000):
        sampling.tick()
    sampling.take()
    moments = [sample.cpu_s for sample in sampling.samples()]
    assert (len(moments) <= 17, moments[0], moments == sorted(moments)) == (True, 1.0, True)
    assert moments[-1] == max(moments)


def test_a_short_trial_has_a_sample_at_its_beginning_and_at_its_end():
    sampling = Sampling(CountingWitness(), {"target": 1, "agent": 2})
    with sampling.running():
        pass
    names = [sample.container for sample in sampling.samples()]
    assert names[:2] == ["target", "agent"]
    assert len(names) >= 4
