from __future__ import annotations

import asyncio
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from aiolimiter import AsyncLimiter

from crawler.clock import Reading
from crawler.errors import Refused, Spent, StorageError, Throttled, Transient
from crawler.model import Request, Response
from crawler.policy.budget import DAY_SECONDS, STALE_SECONDS
from crawler.providers.oauth import OAuth
from crawler.sandbox.reply import read_call
from crawler.sandbox.tokens import Tokens
from crawler.transport.allowance import DayBudget
from crawler.transport.credentials import TokenOwner
from crawler.transport.vault import Granted, Vault, open_vault

from .virtual import FakeClock, run

TOKEN_URL = "https://token.example.test/oauth/token"
CLIENT_ID, SECRET = "the-client-id-of-the-app", "the-secret-of-the-app"


class Computer(FakeClock):
    """A clock whose date jumps, and that counts truly from its boot; it moves with what is slept."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0

    def epoch_seconds(self) -> float:
        return self.seconds + self.offset

    def reading(self) -> Reading:
        return Reading(self.epoch_seconds(), "boot", self.seconds)


class Endpoint:
    """The sandbox's token endpoint; `broken` answers 503 instead. Counts what it is asked."""

    def __init__(self, clock: Computer) -> None:
        self.tokens = Tokens(1, 3599, clock.monotonic_seconds)
        self.broken = False
        self.asked = 0

    async def __call__(self, request: Request) -> Response:
        self.asked += 1
        if self.broken:
            return Response(503, {}, b"")
        reply = self.tokens.exchange(read_call("POST", "/oauth/token", dict(request.headers), request.body or b""))
        return Response(reply.status, dict(reply.headers), reply.body)

    def accepts(self, authorization: str) -> bool:
        return self.tokens.accepts(authorization)


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.transport.vault.os.fsync", lambda _: None)


@pytest.fixture
def clock() -> Computer:
    return Computer()


@pytest.fixture
def vault(tmp_path: Path, clock: Computer) -> Vault:
    return open_vault(tmp_path / "state", TOKEN_URL, CLIENT_ID, clock.reading)


def owner_of(vault: Vault, clock: Computer) -> TokenOwner:
    """Return the owner of a new process."""
    return TokenOwner(OAuth(CLIENT_ID, SECRET, TOKEN_URL).exchange, clock, vault=vault)


def test_a_week_costs_one_exchange(vault: Vault, clock: Computer) -> None:
    """With a token that lives an hour, and a start every eight: one exchange, every other request a refresh."""

    async def main() -> None:
        endpoint = Endpoint(clock)
        for minute in range(7 * 24 * 60):
            if minute % 480 == 0:
                owner = owner_of(vault, clock)
            assert endpoint.accepts(await owner.authorization(endpoint))
            clock.seconds += 60
        assert endpoint.tokens.exchanged == {"client_credentials": 1, "refresh_token": endpoint.asked - 1}
        assert 168 <= endpoint.asked <= 190

    run(main())


@pytest.mark.parametrize("minutes_between_starts", [0, 7])
def test_an_outage_of_the_token_endpoint_costs_few_attempts(
    minutes_between_starts: int, vault: Vault, clock: Computer
) -> None:
    """In an hour without a token endpoint there are at most 30 attempts, however often the crawler is started."""

    async def main() -> None:
        endpoint = Endpoint(clock)
        endpoint.broken = True
        owner = owner_of(vault, clock)
        for second in range(3600):
            if minutes_between_starts and second % (60 * minutes_between_starts) == 0:
                owner = owner_of(vault, clock)
            with pytest.raises((Transient, Throttled)):
                await owner.authorization(endpoint)
            clock.seconds += 1
        assert endpoint.asked <= 30
        endpoint.broken = False
        clock.seconds += 901
        assert endpoint.accepts(await owner.authorization(endpoint))

    run(main())


def test_a_kill_between_answer_and_keeping_costs_one_exchange(vault: Vault, clock: Computer) -> None:
    """A refresh token that was used and whose successor was lost is replaced by one exchange, when it must be."""

    async def main() -> None:
        endpoint = Endpoint(clock)
        await owner_of(vault, clock).authorization(endpoint)

        async def dies(request: Request) -> Response:
            await endpoint(request)
            raise asyncio.CancelledError

        clock.seconds += 3300
        with pytest.raises(asyncio.CancelledError):
            await owner_of(vault, clock).authorization(dies)
        assert endpoint.accepts(await owner_of(vault, clock).authorization(endpoint))
        clock.seconds += 300
        assert endpoint.accepts(await owner_of(vault, clock).authorization(endpoint))
        assert endpoint.tokens.exchanged["client_credentials"] == 2

    run(main())


def test_both_limits_on_exchanges_hold_over_starts(tmp_path: Path, clock: Computer) -> None:
    """However often an app starts without a token, 30 exchanges an hour leave the computer, and 50 in twelve hours."""

    async def main() -> None:
        endpoint, sent = Endpoint(clock), list[tuple[float, int]]()
        for _ in range(24 * 15):
            for app in range(2):
                forgetful = open_vault(tmp_path / "state", TOKEN_URL, f"app {app}", clock.reading)
                forgetful._keeps_token = False
                asked = endpoint.asked
                with suppress(Throttled):
                    await owner_of(forgetful, clock).authorization(endpoint)
                sent += [(clock.seconds, app)] * (endpoint.asked - asked)
            clock.seconds += 240
        moments = [moment for moment, _ in sent]
        assert all(later - first >= 3600 for first, later in zip(moments, moments[30:], strict=False))
        for app in range(2):
            own = [moment for moment, which in sent if which == app]
            assert all(later - first >= 12 * 3600 for first, later in zip(own, own[50:], strict=False))
            assert len(own) == 100

    run(main())


def test_a_refused_credential_is_no_outage(vault: Vault, clock: Computer) -> None:
    """A refusal is not kept: whoever mends the secret may start at once."""

    async def main() -> None:
        async def refuses(_: Request) -> Response:
            return Response(401, {}, b'{"error":"invalid_client"}')

        with pytest.raises(Refused):
            await owner_of(vault, clock).authorization(refuses)
        endpoint = Endpoint(clock)
        assert endpoint.accepts(await owner_of(vault, clock).authorization(endpoint))

    run(main())


def test_two_processes_share_one_token(vault: Vault, clock: Computer) -> None:
    """Who comes second waits for the first, and takes over its token."""

    async def main() -> None:
        endpoint = Endpoint(clock)

        async def slow(request: Request) -> Response:
            await asyncio.sleep(3)
            return await endpoint(request)

        owners = [owner_of(vault, clock) for _ in range(4)]
        tokens = await asyncio.gather(*(owner.authorization(slow) for owner in owners))
        assert len(set(tokens)) == 1
        assert endpoint.asked == 1

    run(main())


def test_only_its_owner_reads_the_file(tmp_path: Path, vault: Vault, clock: Computer) -> None:
    """The folder and every file in it are closed to others, and no name or text of it shows the app."""

    async def main() -> None:
        await owner_of(vault, clock).authorization(Endpoint(clock))

    run(main())
    folder = tmp_path / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert CLIENT_ID not in path.name
        assert all(text.encode() not in path.read_bytes() for text in (CLIENT_ID, SECRET))


def test_a_damaged_file_is_a_sentence(vault: Vault) -> None:
    """What cannot be read is named, and not shown; nothing is overwritten."""
    vault.keep("token", None, 1, 2)
    vault._path.write_bytes(b'{"token": "a-secret-in-a-damaged-file')
    with pytest.raises(StorageError, match="is damaged; remove it") as error:
        vault.token()
    assert "a-secret" not in f"{error.value!r} {error.value.__cause__!r}"


def test_a_thousand_a_day_are_a_thousand(vault: Vault, clock: Computer) -> None:
    """`AsyncLimiter(1000, 86400)`, meant as a thousand a day, grants 1,999 on the first day; we do not."""

    async def granted_by_the_limiter() -> int:
        limiter, loop, count = AsyncLimiter(1000, 86_400), asyncio.get_running_loop(), 0
        end = loop.time() + DAY_SECONDS
        while loop.time() < end:
            await limiter.acquire()
            count += loop.time() < end
        return count

    async def granted_by_the_budget(days: int) -> list[float]:
        granted, end = list[float](), clock.seconds + days * DAY_SECONDS
        budget = DayBudget(vault, 1000, "requests_per_day")

        async def take() -> None:
            with suppress(Spent):
                while not budget.take():
                    await budget.reserve()
                granted.append(clock.seconds)

        while clock.seconds < end:
            await asyncio.gather(*(take() for _ in range(64)))
            clock.seconds += 60 if len(granted) % 1000 else 1800
        return granted

    assert run(granted_by_the_limiter()) == 1999
    granted = run(granted_by_the_budget(3))
    assert all(later - first >= DAY_SECONDS for first, later in zip(granted, granted[1000:], strict=False))
    assert len([moment for moment in granted if moment < granted[0] + DAY_SECONDS]) == 1000
    assert len(granted) == 3000


@pytest.mark.parametrize("jump_days", [-400, -1, 1, 400])
def test_a_clock_that_jumps_begins_no_day(jump_days: int, vault: Vault, clock: Computer) -> None:
    """Wherever the date goes, a day's requests come back when a day is over, and the date that is told follows."""

    async def main() -> None:
        async def take() -> None:
            budget = DayBudget(vault, 5, "requests_per_day in [x]")
            while not budget.take():
                await budget.reserve()

        for _ in range(5):
            await take()
        clock.offset = jump_days * DAY_SECONDS
        clock.seconds += 3600
        with pytest.raises(Spent, match="there is room for more from") as spent:
            await take()
        wait_seconds = (spent.value.until_epoch_seconds or 0) - clock.epoch_seconds()
        assert wait_seconds == pytest.approx(DAY_SECONDS + STALE_SECONDS - 3600, abs=1)
        clock.seconds += wait_seconds + 1
        await take()

    run(main())


def test_what_was_booked_and_not_sent_is_given_back_or_counts(vault: Vault) -> None:
    """An ordinary end gives back what is left of a booking, a kill does not; what was not sent is there again."""

    async def main() -> None:
        vault.reserve(3, 10)
        ordinary = DayBudget(vault, 10, "requests_per_day")
        await ordinary.reserve()
        assert vault.peek(10).left == 6
        ordinary.close()
        assert vault.peek(10).left == 7
        await ordinary.reserve()
        assert ordinary.take()
        ordinary.give_back()
        assert ordinary.take()
        assert vault.peek(10).left == 6

    run(main())


def test_what_is_given_back_after_the_day_was_spent_is_there_for_the_next_start(vault: Vault, clock: Computer) -> None:
    """Others may hold requests when one is told that none is left; what they did not send is not lost for a day."""

    async def main() -> None:
        vault.time()
        clock.seconds += 3600
        budget = DayBudget(vault, 3, "requests_per_day")
        for _ in range(3):
            await budget.reserve()
            assert budget.take()
        with pytest.raises(Spent):
            await budget.reserve()
        budget.give_back()
        budget.give_back()
        budget.close()
        assert vault.peek(3).left == 2

    run(main())


def test_what_is_given_back_while_more_is_booked_counts(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread books while requests come back in the loop: the booking does not overwrite them."""

    async def main() -> None:
        budget, reserve = DayBudget(vault, 10, "requests_per_day"), Vault.reserve
        await budget.reserve()
        assert budget.take()

        def booked_meanwhile(self: Vault, requests: int, allowed: int) -> Granted:
            granted = reserve(self, requests, allowed)
            budget.give_back()
            return granted

        monkeypatch.setattr(Vault, "reserve", booked_meanwhile)
        await budget.reserve()
        assert [budget.take() for _ in range(3)] == [True, True, False]

    run(main())
