"""`python -m bridge` is the `stembridge` command."""

from bridge.app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
