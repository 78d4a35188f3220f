"""The packages with the voices of the embedded corpus: of one version each, for the same sound."""

from importlib.metadata import PackageNotFoundError, version

from espnet_wabert.errors import UserError


def check_package(package: str, needed: str, what: str) -> None:
    """Raise an error that names the command if a package is missing or of another version."""
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "not installed"
    if found != needed:
        raise UserError(
            f"{package} ({what}): {found}, needed is {needed}: pip install {package}=={needed}"
        )
