"""The process that people start: forks a worker for each core, keeps them alive, answers health, passes signals on."""

from __future__ import annotations

import datetime
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, Final

from services.store_scp import logs, metrics, tls, worker
from services.store_scp.acceptor import listen
from services.store_scp.configuration import Configuration, ConfigurationError, Listener
from services.store_scp.health import HealthServer

START_SECONDS: Final = 30
FAILING: Final = 5
"""Puts that fail in a row in one worker until the receiver calls itself not ready."""
_RESTART_SECONDS: Final = 1.0
_TURN_SECONDS: Final = 0.2


class StartError(Exception):
    """The receiver could not start; the sentence says why."""


class Supervisor:
    """Runs the receiver until it is told to end."""

    def __init__(self, configuration: Configuration, announce: Callable[[str], None] = lambda _: None) -> None:
        self._configuration = _with_fixed_ports(configuration)
        self._announce = announce
        self._context = multiprocessing.get_context("fork")
        self._board = metrics.Board(self._configuration.process_count)
        self._workers: list[BaseProcess | None] = [None] * self._configuration.process_count
        self._started: list[float] = [0.0] * self._configuration.process_count
        self._listening: list[socket.socket] = []
        self._ending = False
        health = self._configuration.health
        self._health = HealthServer((health.address, health.port), probe=self.not_ready, totals=self._board.totals)
        self._reported: dict[str, float] = {}
        self._report_at = time.monotonic() + (health.emf_seconds or 0)

    def not_ready(self) -> str:
        """Why no instances are taken, "" when they are."""
        if self._ending:
            return "draining"
        if any(one is None or not one.is_alive() for one in self._workers):
            return "a worker is not running"
        if self._board.failing() >= FAILING:
            return "the store fails"
        troubles = [_certificate_trouble(listener) for listener in self._configuration.listeners]
        return next((trouble for trouble in troubles if trouble), "")

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code. Raises OSError when an address is taken."""
        self._listening = [listen(one) for one in self._configuration.listeners]
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._end)
        for index in range(len(self._workers)):
            self._start(index)
        self._health.start()
        ports = ", ".join(f"{one.address}:{one.port}" for one in self._configuration.listeners)
        self._announce(
            f"{self._configuration.ae_title} listens on {ports} in {len(self._workers)} processes; "
            f"health on http://{self._configuration.health.address}:{self._health.port}/readyz"
        )
        logs.event("started", processes=len(self._workers), ports=[one.port for one in self._configuration.listeners])
        while not self._ending:
            self._keep_alive()
            self._report()
            time.sleep(_TURN_SECONDS)
        return self._drain()

    def _end(self, _number: int, _frame: Any) -> None:
        self._ending = True

    def _start(self, index: int) -> None:
        """Fork a worker and wait until it listens. Raises StartError."""
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=worker.run,
            args=(self._configuration, self._board.row(index), sending, self._listening),
            name=f"store-scp-{index}",
        )
        process.start()
        sending.close()
        self._workers[index] = process
        self._started[index] = time.monotonic()
        try:
            if not receiving.poll(START_SECONDS):
                raise StartError("a worker does not listen")
            receiving.recv()
        except EOFError:
            raise StartError("a worker ended while it started; is the store out of reach?") from None
        finally:
            receiving.close()

    def _keep_alive(self) -> None:
        for index, process in enumerate(self._workers):
            if process is None or process.is_alive():
                continue
            if time.monotonic() - self._started[index] < _RESTART_SECONDS:
                continue  # one that dies at once is not started again and again without a pause
            logs.problem("worker-died", worker=index, exit_code=process.exitcode)
            try:
                self._start(index)
            except StartError as error:
                logs.problem("worker-not-started", worker=index, reason=str(error))

    def _report(self) -> None:
        health = self._configuration.health
        if health.emf_seconds is None or time.monotonic() < self._report_at:
            return
        totals = self._board.totals()
        logs.raw(metrics.emf(totals, self._reported, health.namespace))
        self._reported = totals
        self._report_at = time.monotonic() + health.emf_seconds

    def _drain(self) -> int:
        logs.event("draining", seconds=self._configuration.limits.drain_seconds)
        for listening in self._listening:
            listening.close()  # with the workers' own gone as well, a new connection is refused and does not wait
        running = [one for one in self._workers if one is not None and one.is_alive()]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._configuration.limits.drain_seconds + 10
        for process in running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                logs.problem("worker-killed", worker=process.name)
                process.kill()
                process.join()
        self._health.shutdown()
        self._health.server_close()
        logs.event("ended")
        return 0


def _with_fixed_ports(configuration: Configuration) -> Configuration:
    """Port 0 made a real one, the same for all workers."""
    listeners = tuple(
        one if one.port else one.model_copy(update={"port": _free_port(one.address)}) for one in configuration.listeners
    )
    return configuration.model_copy(update={"listeners": listeners})


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _certificate_trouble(listener: Listener) -> str:
    """What is wrong with the listener's certificate now: its files may be exchanged while the receiver runs."""
    if listener.tls is None:
        return ""
    try:
        not_after = tls.inspect(listener.tls).not_after
    except ConfigurationError:
        return "a certificate cannot be read"
    return "a certificate has expired" if not_after < datetime.datetime.now(datetime.UTC) else ""
