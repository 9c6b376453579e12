"""One desk a test."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.session.desk import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    task = asyncio.create_task(desk.book.run())
    yield desk
    task.cancel()
