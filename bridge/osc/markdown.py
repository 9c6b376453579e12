"""The address table for people: what the README shows."""

from bridge.osc.rows import Argument, Incoming, Kind, Outgoing
from bridge.osc.table import INCOMING, OUTGOING


def address_table() -> str:
    """Render both halves of the table as Markdown, one row an address; ends with a newline."""
    lines = [
        "| address | arguments | then pairs, in any order | answers |",
        "|---|---|---|---|",
        *(_incoming(row) for row in INCOMING.values()),
        "",
        "Arguments in brackets may be left out. What comes back:",
        "",
        "| address | arguments | meaning | topic |",
        "|---|---|---|---|",
        *(_outgoing(row) for row in OUTGOING.values()),
    ]
    return "\n".join(lines) + "\n"


def _incoming(row: Incoming) -> str:
    answers = ", ".join(f"`{a.removeprefix('/bridge/')}`" for a in row.answers)
    release = " (a button's release is ignored)" if row.trigger else ""
    what = f"{row.description}{release}"
    return _line(f"`{row.address}`: {what}", _arguments(row.fixed), _arguments(row.pairs, bracket=False), answers)


def _outgoing(row: Outgoing) -> str:
    arguments = _arguments(row.arguments)
    if row.pairs:
        arguments += f"; then name and value of each of {_arguments(row.pairs)}"
    if row.open_pairs:
        arguments += f"{'; then ' if arguments else ''}name and value of each {row.open_pairs}"
    return _line(f"`{row.address}`", arguments, row.description, row.topic or "")


def _arguments(arguments: tuple[Argument, ...], *, bracket: bool = True) -> str:
    return ", ".join(_argument(a, bracket=bracket) for a in arguments)


def _argument(a: Argument, *, bracket: bool) -> str:
    """One argument: name, what it must be, its default."""
    if a.kind is Kind.CHOICE:
        what = " ".join(f"**{c}**" if c == a.default else c for c in a.choices)
    elif a.kind is Kind.CHOICES:
        what = f"{' '.join(a.choices)}, several with commas, all"
    else:
        what = "" if a.kind in (Kind.TEXT, Kind.NUMBER, Kind.ANY) else str(a.kind)
        if a.minimum is not None and a.maximum is not None:
            what = f"{what} {a.minimum:.10g} to {a.maximum:.10g}"
        what = f"{what} {a.unit}{' or nil' if a.nil else ''}"
    default = f"(default {a.default})" if a.default and a.kind is not Kind.CHOICE else ""
    name = f"[`{a.name}`]" if a.optional and bracket else f"`{a.name}`"
    return " ".join(f"{name} {what} {default}".split())


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
