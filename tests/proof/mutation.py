"""Mutants of the helper's heart and of the contract: do the tests of those rooms find them?"""

import ast
import itertools
import os
import queue
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tools import HERE, environ, folder, show

ROOT = HERE.parent.parent
FILES = """leadgenius/retry leadgenius/ratelimit leadgenius/scopes leadgenius/keys leadgenius/keyfile
    leadgenius/client contract/operations contract/validate""".split()  # noqa: SIM905
DRAWN, SEED, TOGETHER, SECONDS = 200, 2, 2, 180
PAIRS = "Lt LtE Gt GtE Eq NotEq Is IsNot In NotIn And Or Add Sub Mult Div".split()  # noqa: SIM905
SWAP = {getattr(ast, one): getattr(ast, PAIRS[at ^ 1]) for at, one in enumerate(PAIRS)}
TIMES = itertools.count(10**9)  # a compiled file goes by the second at which its source was written

Change = tuple[int, str, Callable[[], None]]  # line, what it is, what does it
Mutant = tuple[str, int, str]  # file, number of its change, what it is


def changes(tree: ast.AST) -> Iterator[Change]:
    """What may be changed in a file, a place at a time."""
    for node in ast.walk(tree):
        for what, name, value in _changes(node):
            yield getattr(node, "lineno", 0), what, partial(setattr, node, name, value)


def _changes(node: Any) -> Iterator[tuple[str, str, Any]]:
    """(what, attribute, its new value)"""
    operator = getattr(node, "op", None) or getattr(node, "ops", [None])[0]
    swapped, value = SWAP.get(type(operator)), getattr(node, "value", None)
    if swapped:
        what = f"{type(operator).__name__} swapped"
        many = isinstance(node, ast.Compare)
        yield what, "ops" if many else "op", [swapped(), *node.ops[1:]] if many else swapped()
    if isinstance(operator, ast.Not):
        yield "not dropped", "operand", ast.UnaryOp(ast.Not(), node.operand)
    if hasattr(node, "test") and ast.unparse(node.test) != "TYPE_CHECKING":
        yield "condition negated", "test", ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield "None returned", "value", None
    if isinstance(node, ast.Constant) and isinstance(value, bool):
        yield f"{value} flipped", "value", not value
    elif isinstance(node, ast.Constant) and isinstance(value, int | float):
        yield f"{value} + 1", "value", value + 1
        yield f"{value} - 1", "value", value - 1


def prove() -> bool:
    """Of 200 mutants the tests of their rooms find at least 90 %; the others are listed."""
    mutants: list[Mutant] = []
    for file in FILES:
        found = changes(ast.parse((ROOT / "scripts" / f"{file}.py").read_text()))
        mutants += [
            (file, at, f"scripts/{file}.py:{line} {what}")
            for at, (line, what, _) in enumerate(found)
        ]
    drawn = sorted(random.Random(SEED).sample(mutants, DRAWN))
    copies = queue.SimpleQueue[Path]()
    with folder() as place, ThreadPoolExecutor(TOGETHER) as pool:
        for number in range(TOGETHER):
            copy, left_out = place / str(number), shutil.ignore_patterns(".git", ".venv", "*cache*")
            copies.put(shutil.copytree(ROOT, copy, ignore=left_out))
        if not passes(copy, "leadgenius", "contract"):
            return show("mutation", "the tests fail without any mutant", held=False)

        def survives(mutant: Mutant) -> bool:
            copy = copies.get()
            survived = passes_with(copy, mutant)
            copies.put(copy)
            if survived:
                print(f"  survived: {mutant[2]}", flush=True)
            return survived

        share = 1 - sum(pool.map(survives, drawn)) / DRAWN
    facts = f"{DRAWN} of {len(mutants):,} drawn", f"{share:.1%} found"
    return show("mutation", *facts, held=share >= 0.9)


def passes_with(copy: Path, mutant: Mutant) -> bool:
    """Whether the tests pass with it: those of the file first, then those of its room."""
    file, number, _ = mutant
    room, _, name = file.partition("/")
    path, own = copy / "scripts" / f"{file}.py", f"{room}/test_{name}.py"
    source = path.read_text()
    tree = ast.parse(source)
    list(changes(tree))[number][2]()
    write(path, ast.unparse(ast.fix_missing_locations(tree)))
    tests = [own] if (copy / "tests" / own).exists() else []
    survived = all(passes(copy, one) for one in (*tests, room))
    write(path, source)
    return survived


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (next(TIMES),) * 2)


def passes(copy: Path, *tests: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-xqp", "no:cacheprovider", *tests]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env, place = environ(copy), copy / "tests"
    try:
        return not subprocess.run(command, cwd=place, env=env, timeout=SECONDS, **quiet).returncode
    except subprocess.TimeoutExpired:
        return False
