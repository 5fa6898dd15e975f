"""What a pool was told about its workers."""

import os
from dataclasses import dataclass

from samovar.worker_main import WorkerConfig


@dataclass(frozen=True)
class StaffOptions:
    """What concerns the workers. Times in seconds, sizes in kB."""

    target: str
    brokers: tuple[str, ...]  # endpoints.parse()
    workers: int
    service_name: str | None
    credit: int
    hide_tracebacks: bool
    hard_timeout: float | None = None
    spares: int = 0
    preload: bool = True
    allow_native_threads: bool = False
    max_requests: int | None = None
    max_memory_kb: int | None = None
    report_memory: bool = False
    health_interval: float = 10.0
    key_files: tuple[str, str] | None = None

    def worker_config(self, token: str, board_fd: int) -> WorkerConfig:
        """What all workers have in common; `token` is their supervisor's."""
        return WorkerConfig(
            target=self.target,
            service_name=self.service_name,
            worker_name="",
            credit=self.credit,
            token=token,
            hide_tracebacks=self.hide_tracebacks,
            supervisor_pid=os.getpid(),
            generation=0,
            health_interval=self.health_interval,
            hard_timeout=self.hard_timeout,
            key_files=self.key_files,
            board_fd=board_fd,
            slot=0,
            parked=False,
        )
