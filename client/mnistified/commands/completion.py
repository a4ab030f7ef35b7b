"""The `completion` command, which prints a completion script for a shell."""

import argparse


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    try:
        import shtab
    except ImportError:
        raise ValueError("completion needs shtab, which is not installed: pip install shtab") from None
    print(shtab.complete(parser, shell))
    return 0
