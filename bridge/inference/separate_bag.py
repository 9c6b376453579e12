"""From a model's definition to loaded networks: of a bag, only those that count for the wanted stems."""

from collections.abc import Sequence

from demucs.htdemucs import HTDemucs
from demucs.pretrained import SOURCES
from torch import nn

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.separate_demucs import Bag, Member, network_sources
from bridge.inference.separate_sources import Definition, WeightsSource
from bridge.music.sound import Stem


def expected_sources(definition: Definition) -> tuple[str, ...] | None:
    """What a model's columns most likely mean before any network is loaded: Demucs' usual four."""
    width = len(SOURCES) if definition.weights is None else len(definition.weights[0])
    return tuple(SOURCES) if width == len(SOURCES) else None


def needed_signatures(definition: Definition, sources: Sequence[str] | None, stems: Sequence[Stem]) -> list[str]:
    """Return the networks that count for any of `stems`; where the sources are not known yet, one that tells them."""
    if sources is None:
        return [definition.signatures[0]]
    weights = stem_weights(definition, sources)
    return [signature for signature, counts in weights.items() if any(stem in counts for stem in stems)]


def stem_weights(definition: Definition, sources: Sequence[str]) -> dict[str, dict[Stem, float]]:
    """Return per network how much it counts for each stem, without zeros; a network named twice counts twice."""
    counts: dict[str, dict[Stem, float]] = {signature: {} for signature in definition.signatures}
    rows = definition.weights or [(1.0,) * len(sources)] * len(definition.signatures)
    for signature, row in zip(definition.signatures, rows, strict=True):
        if len(row) != len(sources):
            raise BridgeError(
                ErrorCode.NO_MODEL,
                f"{definition.name} weighs {len(row)} sources, but its networks have {len(sources)}: {', '.join(sources)}",
            )
        for source, weight in zip(sources, row, strict=True):
            if weight and source in list(Stem):
                stem = Stem(source)
                counts[signature][stem] = counts[signature].get(stem, 0.0) + weight
    return counts


def load_bag(source: WeightsSource, definition: Definition, stems: Sequence[Stem]) -> Bag:
    """Fetch and load the networks that count for `stems`; raises BridgeError NO_MODEL, STEM_UNAVAILABLE, OUT_OF_MEMORY."""
    networks: dict[str, nn.Module] = {}
    sources = expected_sources(definition)
    # What a network says of its sources is believed over what was expected, and may ask for other networks.
    while missing := [s for s in needed_signatures(definition, sources, stems) if s not in networks]:
        signature = missing[0]
        source.fetch(definition, signature)
        network = networks[signature] = source.read(definition, signature)
        if definition.segment is not None and not (
            isinstance(network, HTDemucs) and definition.segment > network.segment
        ):
            network.segment = definition.segment  # type: ignore[assignment]
        sources = network_sources(network)
    _check_agreement(definition, list(networks.values()))
    return _bag(definition, networks, sources or (), stems)


def _check_agreement(definition: Definition, networks: Sequence[nn.Module]) -> None:
    kinds = {(network_sources(network), network.samplerate, network.audio_channels) for network in networks}
    if len(kinds) > 1:
        raise BridgeError(
            ErrorCode.NO_MODEL, f"the networks of {definition.name} differ in sources, sample rate or channels: {kinds}"
        )


def _bag(definition: Definition, networks: dict[str, nn.Module], sources: Sequence[str], stems: Sequence[Stem]) -> Bag:
    weights = stem_weights(definition, sources)
    known = {stem for counts in weights.values() for stem in counts}
    for stem in stems:
        if stem not in known:
            raise BridgeError(
                ErrorCode.STEM_UNAVAILABLE, f"{definition.name} separates {', '.join(sources)}, not {stem}"
            )
    ready = {stem for stem in known if all(s in networks for s in needed_signatures(definition, sources, [stem]))}
    first = next(iter(networks.values()))
    # In the definition's order: sums then round as Demucs' own do.
    members = tuple(Member(networks[s], counts) for s, counts in weights.items() if s in networks)
    return Bag(definition.name, members, frozenset(ready), int(first.samplerate), int(first.audio_channels))  # type: ignore[arg-type]
