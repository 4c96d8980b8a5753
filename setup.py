"""What pyproject.toml cannot say: the wheel carries the folder `config/` as `hub/_config`."""

from pathlib import Path

from setuptools import find_namespace_packages, setup

folders = [path.as_posix() for path in sorted(Path("config").rglob("*")) if path.is_dir()]
setup(
    packages=[
        *find_namespace_packages(include=["hub*", "drivers*", "rules*", "modules*", "api*", "simulators*"]),
        *("hub._" + folder.replace("/", ".") for folder in ["config", *folders]),
    ],
    package_dir={"hub._config": "config"},
    package_data={
        "": [
            "*.sql",
            "migrations/*.sql",
            "*.yaml",
            "*.csv",
            "*.json",
            "*.po",
            "*.js",
            "*.css",
            "*.svg",
            "*.png",
            "*.jpg",
            "*.jpeg",
            "*.webp",
            "*.woff2",
        ]
    },
)
