"""What the README says of the code, held against the code."""

import re
from pathlib import Path

from bridge.errors import ErrorCode
from bridge.osc.markdown import address_table

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_address_table_is_the_codes() -> None:
    written = README.split("<!-- addresses -->\n")[1].split("<!-- end of addresses -->")[0]
    assert written.strip() == address_table().strip(), "paste what `python -m tests.app.test_readme` prints"


def test_every_error_code_is_named() -> None:
    said = README.split("An error's code is one of ")[1].split(".\n")[0]
    assert set(re.findall(r"`(\w+)`", said)) == set(ErrorCode)


if __name__ == "__main__":
    print(address_table())
