"""Change the code of a rendered project in one place at a time: its tests must fail.

Tools that do this decide in the process of the tests which change is on, and so see
nothing of what other processes run: here, the servers. This writes each changed file
into a copy of the project.
"""

import argparse
import ast
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing.pool import ThreadPool
from pathlib import Path

import flask.cli
import pytest
import werkzeug.middleware.proxy_fix

from tests.projects import LAYOUTS, ROOT, SERVERS, Project, bake

PRELOADED = flask.cli, werkzeug.middleware.proxy_fix  # once, not for each mutant

# The share that must be killed, and those that cannot be: changes nothing can notice.
BAR = 0.9
EQUIVALENT = ROOT / "scripts" / "mutants.toml"

# The tests of each module: those that find most come first.
TESTS = {
    "__init__.py": "factory errors headers log main",
    "__main__.py": "main log",
    "check.py": "check main",
    "config/__init__.py": "settings config factory dotenv main",
    "config/checks.py": "settings config main",
    "config/defaults.py": "settings config dotenv",
    "config/kinds.py": "settings config main check",
    "config/layers.py": "settings config dotenv",
    "config/layout.py": "settings config dotenv factory",
    "config/mask.py": "settings config",
    "config/policy.py": "csp settings",
    "config/settings.py": "settings config",
    "config/show.py": "settings config",
    "csp.py": "csp headers",
    "errors.py": "errors",
    "gunicorn.conf.py": "gunicorn main log",
    "headers.py": "headers errors pages",
    "health.py": "health factory",
    "lines.py": "lines log",
    "log.py": "log factory",
    "pages.py": "pages errors",
    "proxy.py": "proxy log",
    "server.py": "waitress uwsgi main log",
    "streams.py": "streams",
    "uwsgi_main.py": "main log",
    "wsgi.py": "factory",
}

SWAPPED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "/"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}


Node = ast.expr | ast.stmt
Change = tuple[Node, str]


@dataclass(frozen=True)
class Mutant:
    """A change of one file: the bytes from `start` to `end` become `text`."""

    module: str
    function: str
    line: int
    start: int
    end: int
    before: str
    text: str

    def __str__(self) -> str:
        """Return what stays the same while lines are added elsewhere."""
        return f"{self.module} {self.function}: {self.before} -> {self.text}"


class Code:
    """The code of a module; makes its mutants."""

    def __init__(self, module: str, source: str) -> None:
        """Find out where each line begins: ast counts bytes in a line."""
        self.module = module
        self.tree = ast.parse(source)
        self.data = source.encode()
        lines = self.data.splitlines(keepends=True)
        self.starts = list(accumulate(map(len, lines), initial=0))

    def place(self, node: Node) -> tuple[int, int]:
        """Return where code begins and ends."""
        last, column = node.end_lineno, node.end_col_offset
        assert last is not None  # noqa: S101 - ast.parse always sets them
        assert column is not None  # noqa: S101
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[last - 1] + column

    def text(self, node: Node) -> str:
        """Return code as it is written."""
        start, end = self.place(node)
        return self.data[start:end].decode()

    def mutants(self) -> list[Mutant]:
        """Return the mutants of everything in functions."""
        found = [
            mutant
            for part, name in functions(self.tree, "")
            for mutant in self.changes(part, name)
        ]
        return list(dict.fromkeys(found))

    def changes(self, node: ast.AST, name: str) -> Iterator[Mutant]:
        """Yield the mutants of code and of all that it holds."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        for place, text in (
            *self.operator(node),
            *self.constant(node),
            *statement(node),
        ):
            start, end = self.place(place)
            before = " ".join(self.text(place).split())
            yield Mutant(self.module, name, place.lineno, start, end, before, text)
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "args"} and not isinstance(
                value, list
            ):
                continue  # types, and parameters
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.changes(child, name)

    def operator(self, node: ast.AST) -> Iterator[Change]:
        """Yield an expression with another operator."""
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield node, self.swapped(node, left, op, right)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPPED:
                yield node, self.swapped(node, left, op, right)
            case ast.BoolOp(op=op, values=values):
                word = " or " if isinstance(op, ast.And) else " and "
                yield node, f"({word.join(f'({self.text(one)})' for one in values)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, self.text(operand)
            case _:
                pass

    def swapped(self, node: Node, left: Node, op: ast.AST, right: Node) -> str:
        """Return an expression with another operator between its operands."""
        start, end = self.place(node)
        after, before = self.place(left)[1], self.place(right)[0]
        middle = self.data[after:before].decode().replace(*SWAPPED[type(op)])
        return (
            f"{self.data[start:after].decode()}{middle}{self.data[before:end].decode()}"
        )

    def constant(self, node: ast.AST) -> Iterator[Change]:
        """Yield another constant."""
        match node:
            case ast.Constant(value=bool() as value):
                yield node, str(not value)
            case ast.Constant(value=int() as value):
                yield node, str(value + 1)
            case ast.Constant(value=None):
                yield node, '""'
            case ast.Constant(value=str() as value) if self.text(node)[0] in "\"'r":
                yield node, repr(f"XX{value}XX")
            case ast.Constant(value=bytes() as value):
                yield node, repr(b"XX" + value)
            case _:
                pass


def functions(node: ast.AST, name: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield each statement in a function, with the function's name."""
    for child in ast.iter_child_nodes(node):
        inner = name
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{name}.{child.name}".lstrip(".")
        if isinstance(child, ast.FunctionDef):
            yield from ((part, inner) for part in child.body)
        else:
            yield from functions(child, inner)


def statement(node: ast.AST) -> Iterator[Change]:
    """Yield what does nothing in place of a statement, or None in place of a value."""
    match node:
        case ast.Return(value=ast.expr() as value) if not is_none(value):
            yield value, "None"
        case ast.Assign(value=value) if not is_none(value):
            yield value, "None"
        case ast.Call(args=args, keywords=keywords):
            values = [*args, *(keyword.value for keyword in keywords if keyword.arg)]
            for value in values:
                if not is_none(value) and not isinstance(value, ast.Starred):
                    yield value, "None"
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case _:
            pass


def is_none(node: ast.expr) -> bool:
    """Return whether code is the word None."""
    return isinstance(node, ast.Constant) and node.value is None


def survives(copy: Path, package: str, mutant: Mutant, seconds: float) -> bool:
    """Return whether the tests pass although a copy of the project is changed."""
    path = copy / package / mutant.module
    original = path.read_bytes()
    text = mutant.text.encode()
    path.write_bytes(original[: mutant.start] + text + original[mutant.end :])
    try:
        return passes(copy, {mutant.module}, seconds)
    finally:
        path.write_bytes(original)


def passes(copy: Path, modules: set[str], seconds: float) -> bool:
    """Run the tests of some modules in a process of its own; tell whether all pass."""
    names = " ".join(TESTS[module] for module in sorted(modules)).split()
    paths = [copy / "tests" / f"test_{name}.py" for name in dict.fromkeys(names)]
    files = [str(path) for path in paths if path.exists()]
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.setpgid(0, 0)
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            os.chdir(copy)
            os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
            sys.dont_write_bytecode = True
            sys.path.insert(0, str(copy))
            code = pytest.main(["-xq", "-pno:cacheprovider", "-pno:xdist", *files])
        os._exit(int(code))
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            status = 1
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return status == 0


def main() -> None:
    """Print each mutant that survives; end with 1 if too few are killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("modules", nargs="*", help="default: all, once each")
    parser.add_argument("--server", choices=SERVERS, help="one product only")
    parser.add_argument("--layout", choices=LAYOUTS, help="one product only")
    parser.add_argument("--sample", type=int, help="only so many, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        found = plan(Path(name), options)
        reasons = tomllib.loads(EQUIVALENT.read_text())
        stale = set(reasons) - {str(one) for _, _, mutants in found for one in mutants}
        whole = not (options.modules or options.server or options.layout)
        if whole and stale:
            sys.exit(f"{EQUIVALENT.name}: no such mutants: {', '.join(sorted(stale))}")
        for _, _, mutants in found:
            mutants[:] = [one for one in mutants if str(one) not in reasons]
        if options.sample is not None:
            every = [one for _, _, mutants in found for one in mutants]
            chosen = set(random.Random(options.seed).sample(every, options.sample))  # noqa: S311
            for _, _, mutants in found:
                mutants[:] = [one for one in mutants if one in chosen]
        figures = [(label, *score(project, some)) for label, project, some in found]
    bar = BAR
    if options.sample is not None:  # which is off by two standard deviations at most
        bar -= 2 * (BAR * (1 - BAR) / max(options.sample, 1)) ** 0.5
    in_each = whole and options.sample is None
    sys.exit(not enough(figures, bar, in_each=in_each))


Plan = list[tuple[str, Project, list[Mutant]]]


def plan(directory: Path, options: argparse.Namespace) -> Plan:
    """Return what to change: products, and the mutants that are tried in each.

    What does not differ by server and layout is tried in the first product only.
    """
    if options.server or options.layout:
        products = [(options.server or SERVERS[0], options.layout or LAYOUTS[0])]
    else:
        products = [(server, LAYOUTS[0]) for server in SERVERS]
        products += [(SERVERS[0], layout) for layout in LAYOUTS[1:]]
    seen: set[tuple[str, bytes]] = set()
    found: Plan = []
    for server, layout in products:
        label = f"{server}, {layout}"
        answers = {"wsgi_server": server, "config_layout": layout}
        place = directory / f"{server}-{layout}"
        place.mkdir()
        project = bake(place, answers, hooks=False)
        mutants: list[Mutant] = []
        package = project.path / project.package
        names = {str(path.relative_to(package)) for path in package.rglob("*.py")}
        if unknown := names - set(TESTS):
            sys.exit(f"scripts/mutants.py: TESTS lacks {', '.join(sorted(unknown))}")
        for module in options.modules or TESTS:
            path = package / module
            if path.exists() and (module, path.read_bytes()) not in seen:
                seen.add((module, path.read_bytes()))
                mutants += Code(module, path.read_text()).mutants()
        found.append((label, project, mutants))
    return found


def score(project: Project, mutants: list[Mutant]) -> tuple[int, int]:
    """Try some mutants; return how many are killed, and how many there are."""
    total, killed = Counter[str](), Counter[str]()
    for mutant, lives in attempts(project, mutants):
        total[mutant.module] += 1
        killed[mutant.module] += not lives
        if lives:
            print(f"survives: {mutant} (line {mutant.line})", flush=True)
    for module, count in total.items():
        print(f"{module:<24} {killed[module]:>4} of {count:>4}", flush=True)
    return killed.total(), total.total()


def enough(figures: list[tuple[str, int, int]], bar: float, *, in_each: bool) -> bool:
    """Print how many are killed; tell whether that is enough.

    Args:
        figures: A product's name, how many are killed and how many there are.
        bar: The share that has to be killed.
        in_each: Whether each product has to pass: its own mutants, and those of
            the first product, with which it shares the other modules.

    """
    rows = []
    if in_each:
        (_, shared_killed, shared), *others = figures
        rows = [figures[0]]
        rows += [(name, shared_killed + k, shared + n) for name, k, n in others]
    killed = sum(figure[1] for figure in figures)
    total = sum(figure[2] for figure in figures)
    rows.append(("all", killed, total))
    for name, dead, count in rows:
        share = dead / max(count, 1)
        remark = "" if share >= bar else f"  <-- below {bar:.0%}"
        print(f"{name:<24} {dead:>4} of {count:>4}  {share:.1%}{remark}")
    return all(dead >= bar * count for _, dead, count in rows)


def attempts(project: Project, mutants: list[Mutant]) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant, and whether it survives."""
    copies = [project.path.with_name(f"copy-{n}") for n in range(os.cpu_count() or 1)]
    for copy in copies:
        shutil.copytree(project.path, copy)
    start = time.monotonic()
    modules = {mutant.module for mutant in mutants}
    if modules and not passes(copies[0], modules, seconds=300):
        sys.exit(f"the tests fail without a mutant ({project.path.parent.name})")
    seconds = 20 + 2 * (time.monotonic() - start)

    def attempt(mutant: Mutant) -> bool:
        copy = copies.pop()
        try:
            return survives(copy, project.package, mutant, seconds)
        finally:
            copies.append(copy)

    with ThreadPool(len(copies)) as pool:
        yield from zip(mutants, pool.imap(attempt, mutants), strict=True)


if __name__ == "__main__":
    main()
