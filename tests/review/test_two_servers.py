"""Two review servers on one index, which end as servers do: no decision that a page called saved is lost."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import pytest

from embedkit.review import Decisions

from .conftest import Server, Site, sign_in

DECISIONS = 40
"""Of each reviewer; every tenth begins a new ranking."""


@pytest.mark.slow
def test_two_servers_that_rank_again_and_end_lose_no_decision(site: Site) -> None:
    saved: list[tuple[str, int]] = []
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(Server(site, "--reviewer", name, ranked=False)) for name in ("anna", "ben")
        }
        clients = {name: sign_in(server, name) for name, server in servers.items()}

        def decide(name: str, first: int) -> None:
            for number in range(first, first + DECISIONS // 2):
                answer = clients[name].decide(number % 60, "unusable", press=f"{name}{number}")
                assert answer.status == 200
                saved.append((name, answer.document["made"]))

        threads = [threading.Thread(target=decide, args=(name, 0)) for name in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        decide("anna", DECISIONS // 2)
        servers["anna"].end(signal.SIGINT)
        decide("ben", DECISIONS // 2)
        servers["ben"].end(signal.SIGKILL)
    assert len(saved) == 2 * DECISIONS
    with Decisions.open(site.index, read_only=True) as decisions:
        assert {(made.reviewer, made.number) for made in decisions.history()} == set(saved)
