"""`completion`: what a shell needs to complete our words."""

import argparse


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    try:
        import shtab
    except ImportError:
        raise ValueError("completion takes shtab, which is not installed: pip install shtab") from None
    print(shtab.complete(parser, shell))
    return 0
