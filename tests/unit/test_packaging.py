"""The wheel carries everything the checkout has: queries, migrations, translations, styles, configuration."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hub", "drivers", "rules", "modules", "api", "simulators")


def test_every_file_of_every_package_is_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES, "config"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    ).stdout.splitlines()
    assert len(listed) > 200
    carried = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    wanted = {"hub/_" + name if name.startswith("config/") else name for name in listed}
    assert wanted - carried == set()
