"""Build the wheel and the sdist, install each into an empty environment and look at the result.

Not a test module: it needs `build` and a package index, so an environment of its own runs it
(`tox -e package`). It works on a copy, so that nothing built earlier can slip in.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = {"requests", "anyio"}
ALSO_IN_SDIST = {"LICENSE", "MANIFEST.in", "README.md", "setup.cfg", "setup.py", "tox.ini"}
FOLDERS_IN_SDIST = ("asgitest", "docs", "tests")
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "*.py[cod]", "*.egg-info", "_build", "build", "dist", "htmlcov", "venv"
)

# Runs in the environment that holds the installed distribution and nothing else.
PROBE = """
import importlib.metadata, json, pathlib, sys
import asgitest
print(json.dumps({
    "file": asgitest.__file__,
    "version": asgitest.__version__,
    "typed": pathlib.Path(asgitest.__file__).with_name("py.typed").is_file(),
    "loaded": sorted({"trio", "uvloop"} & set(sys.modules)),
    "distributions": {
        d.metadata["Name"]: [d.version, d.requires or []]
        for d in importlib.metadata.distributions()
    },
}))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="asgitest-package-") as name:
        work = Path(name)
        source = work / "source"
        shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
        expected = files_of(source)
        wheel, sdist = build(source, work / "dist")
        check_wheel(wheel, expected)
        check_sdist(sdist, expected)
        for distribution in (wheel, sdist):
            check_installed(distribution, work / distribution.suffix.lstrip("."))


def files_of(source: Path) -> set[str]:
    """Return the files below `source`, relative, with forward slashes."""
    return {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}


def build(source: Path, target: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist."""
    run(sys.executable, "-m", "build", "--outdir", str(target), str(source))
    (wheel,) = target.glob("*.whl")
    (sdist,) = target.glob("*.tar.gz")
    return wheel, sdist


def check_wheel(wheel: Path, expected: set[str]) -> None:
    """The wheel holds the whole package and, apart from its metadata, nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        found = {n for n in archive.namelist() if ".dist-info/" not in n}
    package = {n for n in expected if n.startswith("asgitest/")}
    require_equal(found, package, f"files in {wheel.name}")
    print(f"{wheel.name}: {len(found)} files of the package")


def check_sdist(sdist: Path, expected: set[str]) -> None:
    """The sdist holds the package, the tests, the documentation and what builds them."""
    with tarfile.open(sdist) as archive:
        members = [m.name for m in archive.getmembers() if m.isfile()]
    found = {n.partition("/")[2] for n in members}
    needed = {n for n in expected if n.partition("/")[0] in FOLDERS_IN_SDIST} | ALSO_IN_SDIST
    missing = needed - found
    if missing:
        fail(f"{sdist.name} lacks {sorted(missing)}")
    counts = ", ".join(
        f"{sum(n.startswith(folder + '/') for n in found)} below {folder}/"
        for folder in FOLDERS_IN_SDIST
    )
    print(f"{sdist.name}: {len(found)} files, {counts}")


def check_installed(distribution: Path, home: Path) -> None:
    """Installed alone, the distribution imports and has brought requests and anyio only."""
    venv.create(home, with_pip=False)
    python = str(home / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--quiet", "--disable-pip-version-check", str(distribution)),
    )
    run(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "check")
    # -I: neither the working directory nor PYTHON* variables; -W error: the import warns of nothing
    output = run(python, "-I", "-W", "error", "-c", PROBE, cwd=home)
    report: dict[str, Any] = json.loads(output)
    requires = {
        canonicalize_name(name): [Requirement(r) for r in requires]
        for name, (_, requires) in report["distributions"].items()
    }
    versions = {canonicalize_name(n): v for n, (v, _) in report["distributions"].items()}

    direct = {canonicalize_name(r.name) for r in requires["asgitest"] if applies(r)}
    require_equal(direct, RUNTIME, "dependencies of asgitest")
    require_equal(set(requires), closure("asgitest", requires), "installed distributions")
    require_equal(report["version"], versions["asgitest"], "asgitest.__version__")
    require_equal(report["loaded"], [], "backends loaded by the import")
    require_equal(report["typed"], True, "py.typed is installed")
    if not Path(report["file"]).resolve().is_relative_to(home.resolve()):
        fail(f"asgitest was imported from {report['file']}, not from {home}")
    others = ", ".join(f"{n} {versions[n]}" for n in sorted(set(versions) - {"asgitest"}))
    print(f"{distribution.name}: installs and imports alone, with {others}")


def closure(name: str, requires: dict[str, list[Requirement]]) -> set[str]:
    """Return `name` and everything it needs, directly or not."""
    found: set[str] = set()
    todo = [canonicalize_name(name)]
    while todo:
        current = todo.pop()
        if current in found:
            continue
        found.add(current)
        todo += [canonicalize_name(r.name) for r in requires.get(current, []) if applies(r)]
    return found


def applies(requirement: Requirement) -> bool:
    """Tell whether a requirement counts here, without any extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command, return what it prints; if it fails, show that and stop."""
    result = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode:
        print(result.stdout)
        fail(f"exit code {result.returncode}: {' '.join(command)}")
    return result.stdout


def require_equal(found: object, expected: object, what: str) -> None:
    """Stop with a text that shows the difference, if there is one."""
    if found == expected:
        return
    if isinstance(found, set) and isinstance(expected, set):
        fail(f"{what}: missing {sorted(expected - found)}, unexpected {sorted(found - expected)}")
    fail(f"{what}: expected {expected!r}, found {found!r}")


def fail(text: str) -> None:
    """End with a message."""
    sys.exit(f"check_distribution: {text}")


if __name__ == "__main__":
    main()
