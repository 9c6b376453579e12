"""Demucs' own weights: cached on this machine, or fetched from the Hugging Face hub or from Demucs' first archive.

Only names that the installed Demucs knows are fetched, from Demucs' own addresses: a file of either place can run code
when it is read. Nothing here waits long for a network that is not there.
"""

import http.client
import logging
import math
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name, load_safetensors_model
from demucs.pretrained import REMOTE_ROOT, _parse_remote_files
from demucs.repo import check_checksum
from demucs.states import load_model
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars
from torch import nn

from bridge.errors import ErrorCode
from bridge.inference.separate_sources import Definition, UnreachableError, read_definition, read_network

_log = logging.getLogger(__name__)

PROBE_S = 3.0
"""How long an address may take to give any answer before it counts as out of reach."""
_STALL_S = 20.0
"""How long a running download may bring nothing."""
_RETRY_S = 60.0
"""How long what failed is not tried again: whoever falls back to another model would wait for it at every job."""


class DemucsHub:
    """The models that Demucs publishes."""

    def __init__(
        self,
        *,
        allow_download: bool = True,
        hub_url: str = constants.ENDPOINT,
        hub_cache: Path | None = None,
        archive: Mapping[str, str] | None = None,
    ) -> None:
        """`hub_url`, `hub_cache` and `archive` (address by signature) stand for the usual ones of Demucs.

        `HF_HUB_OFFLINE` in the environment counts as `allow_download` being off.
        """
        self._allow_download = allow_download and not constants.HF_HUB_OFFLINE
        self._hub_url = hub_url
        self._hub_cache = hub_cache
        self._archive = dict(_parse_remote_files(REMOTE_ROOT / "files.txt") if archive is None else archive)
        self._bags = {path.stem: path for path in sorted(REMOTE_ROOT.glob("*.yaml"))}
        self._ask_again: dict[str, float] = {}
        """When a host that gave no answer is due to be asked again."""
        self._failed: dict[tuple[str, str], tuple[float, str]] = {}
        """By model and signature: until when a download counts as failed, and why it did."""

    @property
    def label(self) -> str:
        return "Demucs' hub"

    @property
    def bags(self) -> tuple[str, ...]:
        return tuple(self._bags)

    @property
    def signatures(self) -> tuple[str, ...]:
        return tuple(sorted(self._archive))

    def define(self, name: str) -> Definition:
        return read_definition(self._bags[name]) if name in self._bags else Definition(name, (name,))

    def is_present(self, definition: Definition) -> bool:
        return all(self._cached(definition, signature) is not None for signature in definition.signatures)

    def fetch(self, definition: Definition, signature: str) -> None:
        """Download where nothing is cached; without network this fails within seconds, and from then on at once.

        Hosts that gave no answer are asked again in the background: a call after that finds the network back.
        """
        if self._cached(definition, signature) is not None:
            return
        if not self._allow_download:
            raise UnreachableError(
                ErrorCode.NO_MODEL,
                f"the weights of {definition.name} are not on this machine and downloads are switched off;"
                " allow them once, or put the model in a folder and name it in the configuration",
            )
        until, why = self._failed.get((definition.name, signature), (0.0, ""))
        if time.monotonic() < until:
            raise UnreachableError(ErrorCode.NO_MODEL, why)
        places: dict[str, tuple[str, Callable[[Definition, str], None]]] = {}
        if definition.name in self._bags:
            places["Hugging Face"] = (self._hub_url, self._download_from_hub)
        if signature in self._archive:
            places["Demucs' archive"] = (self._archive[signature], self._download_from_archive)
        answering = self._answering([url for url, _ in places.values()])
        failures = []
        for place, (url, download) in places.items():
            if url not in answering:
                failures.append(f"{place} gives no answer")
                continue
            _log.info("fetching %s of %s from %s", signature, definition.name, place)
            try:
                download(definition, signature)
            except Exception as error:  # noqa: BLE001  whatever a download dies of, the other place is still there
                failures.append(f"{place}: {error}")
            else:
                return
        why = (
            f"the weights of {definition.name} are not on this machine and cannot be fetched ({'; '.join(failures)});"
            " connect to the internet once, or put the model in a folder and name it in the configuration"
        )
        if answering:
            self._failed[definition.name, signature] = time.monotonic() + _RETRY_S, why
        raise UnreachableError(ErrorCode.NO_MODEL, why)

    def read(self, definition: Definition, signature: str) -> nn.Module:
        path = self._cached(definition, signature)
        if path is None:
            raise UnreachableError(
                ErrorCode.NO_MODEL, f"the weights {signature} of {definition.name} have not been fetched"
            )
        if path.suffix == ".safetensors":
            return read_network(f"{definition.name} ({path})", lambda: load_safetensors_model(path))

        def load() -> nn.Module:
            check_checksum(path, path.stem.partition("-")[2])
            return load_model(path)  # type: ignore[no-any-return, no-untyped-call]

        return read_network(f"{definition.name} ({path})", load)

    def _cached(self, definition: Definition, signature: str) -> Path | None:
        """Where a network's weights lie on this machine."""
        if definition.name in self._bags:
            try:
                return Path(self._hub_file(definition, signature, local_only=True))
            except LocalEntryNotFoundError:
                pass
        path = self._archive_path(signature)
        return path if path is not None and path.is_file() else None

    def _hub_file(self, definition: Definition, signature: str, *, local_only: bool) -> str:
        return hf_hub_download(
            f"{DEFAULT_NAMESPACE}/{hf_repo_name(definition.name)}",
            f"{signature}.safetensors",
            endpoint=self._hub_url,
            cache_dir=self._hub_cache,
            local_files_only=local_only,
        )

    def _archive_path(self, signature: str) -> Path | None:
        """Where `torch.hub`, and so Demucs itself, keeps a file of the archive."""
        url = self._archive.get(signature)
        return None if url is None else Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])

    def _download_from_hub(self, definition: Definition, signature: str) -> None:
        # Bars and retry notices would be written across whatever the terminal shows.
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self._hub_file(definition, signature, local_only=False)

    def _download_from_archive(self, _: Definition, signature: str) -> None:
        path = self._archive_path(signature)
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(_STALL_S):
            torch.hub.download_url_to_file(
                self._archive[signature], str(path), path.stem.partition("-")[2], progress=False
            )

    def _answering(self, urls: Sequence[str]) -> set[str]:
        """Return the addresses that answer; who waited for a host in vain once does not wait for it again."""
        asked = [url for url in urls if _host(url) not in self._ask_again]
        answering = probe(asked, PROBE_S)
        now = time.monotonic()
        for url in urls:
            if url in asked and url not in answering:
                self._ask_again[_host(url)] = now + _RETRY_S
            # The watch itself may have found the host just now.
            elif url not in asked and now >= self._ask_again.get(_host(url), math.inf):
                self._ask_again[_host(url)] = now + _RETRY_S
                threading.Thread(target=self._look_for, args=[url], name="network-watch", daemon=True).start()
        return answering

    def _look_for(self, url: str) -> None:
        """Let the host be asked again if it answers by now."""
        if probe([url], PROBE_S):
            self._ask_again.pop(_host(url), None)


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def probe(urls: Sequence[str], timeout_s: float) -> set[str]:
    """Return after `timeout_s` at most the addresses at which a server answers, whatever it says; proxies are respected."""
    answering: set[str] = set()

    def ask(url: str) -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310  addresses are Demucs' own
        try:
            urllib.request.urlopen(request, timeout=timeout_s).close()  # noqa: S310
        except urllib.error.HTTPError:
            pass  # a refusal is an answer
        except (OSError, ValueError, http.client.HTTPException):
            return
        answering.add(url)

    # Threads, because looking up a name obeys no timeout.
    threads = [threading.Thread(target=ask, args=[url], name="probe", daemon=True) for url in urls]
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return set(answering)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bound every wait on new sockets: `torch.hub` opens its own, without a timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
