"""The command line: `kontext-rx`, also `python -m kontext_rx`."""

import sys

from .cli.interrupts import INTERRUPTED, held_back

__all__ = ["main"]


def main() -> None:
    """Run the command line; without its extra, say how to install that, and exit with 2."""
    try:
        try:
            with held_back():
                from .cli.commands import cli
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in ("click", "rich"):
                raise
            print(f"kontext-rx needs {missing}, which is not installed: pip install 'kontext-rx[cli]'", file=sys.stderr)
            sys.exit(2)
        cli.main(prog_name="kontext-rx")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
