"""The material that pictures and strips are drawn from, and the processes that draw them."""

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from shared.config.settings import load_settings
from shared.data.dataset import Split, load_published_split
from tools.training_pictures.fonts import font_files
from training.data.splits import hold_out

LETTERS = "ACEFHJKLMNPRTUVWXYacdefhjkmnprtuvwxy"  # without those that people take for digits
SYMBOLS = "+*#?&%@=~$€<>^{}\"';:§÷×±≠≈¶©®µ¿¡!()[]«»…–_"

Task = TypeVar("Task")
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Source:
    """The material of the pictures: MNIST training images, and font files of type and handwriting."""

    mnist: Split
    type_files: list[Path]
    hand_files: list[Path]
    held_out: bool


def open_source(fonts: Path | None, held_out: bool) -> Source:
    """Return the material for training, or the one that is held out. Raises DatasetError without MNIST."""
    split = load_published_split("train", load_settings(os.environ).mnist_dir)
    rows = hold_out(len(split.images))[int(held_out)]
    return Source(Split(split.name, split.images[rows], split.labels[rows]), *font_files(fonts, held_out), held_out)


def drawing_parser(prog: str, description: str | None, drawn: str, count: int) -> argparse.ArgumentParser:
    """Return the parser of a program that draws. `count` is the default number of what is `drawn`."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("out", type=Path, help="file to write (.npz)")
    parser.add_argument("--count", type=int, default=count, help=f"number of {drawn} (default: {count})")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: 1)")
    parser.add_argument("--held-out", action="store_true", help="draw from material that no training uses")
    parser.add_argument("--fonts", type=Path, help="folder with the packages of @fontsource")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes (default: all cores)")
    return parser


def draw_in_processes(
    draw: Callable[[Source, Task], Part], tasks: Iterable[Task], options: argparse.Namespace
) -> list[Part]:
    """Return what `draw` returns for each task, in their order. Each process opens the material once."""
    begin = (options.fonts, options.held_out)
    with ProcessPoolExecutor(options.processes, initializer=_begin, initargs=begin) as pool:
        return list(pool.map(partial(_draw, draw), tasks))


_source: Source  # set in each process that draws


def _begin(fonts: Path | None, held_out: bool) -> None:
    global _source
    _source = open_source(fonts, held_out)


def _draw(draw: Callable[[Source, Any], Part], task: Any) -> Part:
    return draw(_source, task)
