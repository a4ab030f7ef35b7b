"""One target under Atheris, in a process of its own: `python -m tools.fuzz.harness zip -max_total_time=5 …`."""

import sys
import warnings

import atheris

with atheris.instrument_imports(include=["api", "shared", "tarfile", "zipfile", "python_multipart", "PIL"]):
    from tools.fuzz.targets import TARGETS


def main() -> None:
    warnings.simplefilter("ignore")  # Pillow and numpy warn about metadata that they repair
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
