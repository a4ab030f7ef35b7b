"""Made-up runs."""

from benchmarks.report.results import (
    Ceiling,
    Flooded,
    Job,
    Load,
    Mixed,
    OpenLoad,
    Overload,
    Parts,
    PeerRun,
    Published,
    Round,
    Run,
    Single,
    Switch,
)


def load(connections: int, requests: int = 1000, p50_ms: float = 1.0, p99_ms: float = 3.0) -> Load:
    """Return a load that lasted one second."""
    return Load(
        connections=connections,
        requests=requests,
        failed=0,
        seconds=1.0,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        tool="wrk",
    )


def single(connections: int, requests: int = 1000, p50_ms: float = 1.0, batch_images: int = 8) -> Single:
    return Single(
        load=load(connections, requests, p50_ms),
        parts=Parts(socket_ms=0.2, decode_ms=0.1, queue_ms=0.3, model_ms=0.25, reply_ms=0.15),
        batch_images=[batch_images],
        max_error=1e-8,
        cpu_cores={"api": 0.6, "worker-1": 0.7},
    )


def job(images: int, images_per_s: float = 10_000, workers: int = 1, peak_mib: float = 100) -> Job:
    return Job(
        images=images,
        workers=workers,
        seconds=images / images_per_s,
        peak_mib={"api": peak_mib, "worker-1": 2 * peak_mib},
        cpu_s={"api": 0.1, "worker-1": 0.9},
    )


def flooded(connections: int, p99_ms: float = 10.0, failed: int = 0) -> Flooded:
    """Return a load that lasted two seconds."""
    return Flooded(
        connections=connections,
        patient=False,
        seconds=2.0,
        accepted=4000,
        p50_ms=5.0,
        p99_ms=p99_ms,
        refused_p99_ms=1.0,
        refused={"429": 1500},
        failed={"closed": failed} if failed else {},
        normal_s=0.01,
        before_mib={"api": 70.0},
        peak_mib={"api": 100.0},
        after_mib={"api": 90.0},
    )


def published(model: str, correct: int, engine: str = "litert") -> Published:
    return Published(
        model=model, engine=engine, multiply_adds=5_600_000, images=10_000, correct=correct, images_per_s=15_000
    )


def one_round(ours_per_s: int = 3000, bulk_per_s: float = 9_500) -> Round:
    """Return a round with every section. The peers `slow` (100/s) and `fast` (1,000/s) batch, `direct` does not."""
    return Round(
        foreign_cores=0.0,
        ceiling=Ceiling(images_per_s=10_000, batch_images=64, threads=2, engines=2),
        bulk=[job(1_000, 8_000), job(10_000, bulk_per_s), job(100_000, 10_000, peak_mib=120)],
        single=[single(1, p50_ms=0.5), single(16, ours_per_s)],
        open_loop=[
            OpenLoad(
                share_of_capacity=0.5,
                wanted_per_s=1500,
                achieved_per_s=1499,
                failed=0,
                p50_ms=1.1,
                p99_ms=4.4,
                late_p99_ms=0.2,
            )
        ],
        mixed=Mixed(
            singles_alone=load(8, p99_ms=2),
            job_alone=job(100_000, 10_000),
            singles_beside=load(8, p99_ms=8),
            job_beside=job(100_000, 8_000),
            small_behind=[job(10, 50), job(10, 25)],
        ),
        overload=Overload(full=flooded(256), impatient=flooded(2560, 30.0, 2), patient=flooded(2560, 20.0)),
        published=[published("cnn@2", 9_980), published("cnn@10", 9_970), published("cnn@10", 9_990, "tensorflow")],
        switch=Switch(
            changes=4,
            requests=20_000,
            failed=0,
            misnamed=1,
            before_p50_ms=2.0,
            before_p99_ms=5.0,
            during_p50_ms=2.5,
            during_p99_ms=7.5,
            longest_ms=11.0,
            canary_percent=5.0,
            canary_requests=7600,
            canary_answers=399,
        ),
        workers=[job(10_000, 5_000), job(10_000, 9_000, workers=2)],
        peers=[
            PeerRun(name="slow", batches=True, singles=[single(1, p50_ms=1.0), single(16, 100)]),
            PeerRun(name="fast", batches=True, singles=[single(1, p50_ms=2.0), single(16, 1000)], max_error=1e-6),
            PeerRun(name="direct", batches=False, singles=[single(1, p50_ms=0.4), single(16, 10)]),
            PeerRun(name="broken", batches=True, error="was never ready"),
        ],
    )


def run_of(*rounds: Round) -> Run:
    machine = {
        "cpu": "A CPU",
        "cores": 2,
        "memory_mib": 1024,
        "system": "Linux",
        "python": "3.11",
        "packages": {"numpy": "2.0"},
        "date": "2026-01-01 00:00 UTC",
        "dataset": "sample",
        "dataset_images": 200,
    }
    return Run(machine=machine, plan={}, rounds=list(rounds), max_error={"idx": 2e-8})
