"""The cache on disk: where it is, whether it may be used, and how large it grows."""

import os
from pathlib import Path

_SETTING = "SPEXJAX_CACHE"  # a folder, or one of these:
_OFF = ("off", "0", "no", "false")


def cache_folder(name: str) -> Path | None:
    """The folder in which one kind of thing is cached, made if it is not there.

    It lies in the folder that SPEXJAX_CACHE names, or in `spexjax` in the user's own cache folder. None if that
    variable is "off", or the folder cannot be made or written. What is in a cache is believed, and programs in it are
    run. So a folder in the usual place must also belong to the user, and be closed to all others.

    Args:
      name: of the kind.
    """
    chosen = os.environ.get(_SETTING, "").strip()
    if chosen.lower() in _OFF:
        return None
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or ".")
    try:
        home = (
            Path(chosen).expanduser() if chosen else (xdg if xdg.is_absolute() else Path.home() / ".cache") / "spexjax"
        )
        folder = home.absolute() / name
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        trusted = chosen or (_is_own(folder.parent, 0o002) and _is_own(folder, 0o022))
    except (OSError, RuntimeError):  # RuntimeError: nobody's home, as in some containers
        return None
    return folder if trusted and os.access(folder, os.W_OK) else None


def _is_own(folder: Path, closed: int) -> bool:
    """Whether a folder belongs to the user, and nobody may write in it who has one of these permissions."""
    state = folder.stat()
    return os.name != "posix" or (state.st_uid == os.geteuid() and not state.st_mode & closed)


def prune(folder: Path, most: int) -> None:
    """Deletes the files that nobody has used for longest, until the others fit; other processes may do the same.

    Args:
      folder: whose files count; folders inside do not.
      most: bytes that may stay.
    """
    files = []
    for path in folder.iterdir():
        try:
            state = path.stat()
        except OSError:  # deleted meanwhile
            continue
        if path.is_file():
            files.append((max(state.st_atime, state.st_mtime), state.st_size, path))
    excess = sum(size for _, size, _ in files) - most
    for _, size, path in sorted(files):
        if excess <= 0:
            break
        try:
            path.unlink(missing_ok=True)
        except OSError:  # in use, on Windows
            continue
        excess -= size
