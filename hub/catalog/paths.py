"""Where the configuration that comes with the program lies."""

from pathlib import Path


def packaged_config() -> Path:
    """`config/` of the checkout when running from one, else the copy the wheel carries as `hub/_config`.

    FileNotFoundError when there is neither: the installation is damaged.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "config", package / "_config"):
        if (folder / "kinds.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no configuration beside {package}: neither ../config/kinds.yaml nor _config/kinds.yaml")
