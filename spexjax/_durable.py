"""Files that are wholly there or not: whoever is killed meanwhile, a reader finds the old content or the new."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path


def write_durably(path: str | Path, content: bytes | str | Iterable[bytes | memoryview]) -> Path:
    """Writes a file by replacing it in one step, and returns its path once the content is on the disk.

    The content goes to a hidden file in the same folder, is synced, and takes the name of the old file, whose
    permissions it keeps. If anything fails before that, the old file is as it was. Links are followed. What is neither
    a file nor a folder, such as /dev/stdout, is written as it stands.

    Args:
      path: where to; its folder is made if it is not there.
      content: text, which is encoded as UTF-8 before anything is touched; or bytes, whole or in pieces.

    Raises:
      UnicodeEncodeError: if the text holds lone surrogates.
      OSError: if the file cannot be written, say because the disk is full.
    """
    path, data = Path(path), content.encode() if isinstance(content, str) else content
    pieces = [data] if isinstance(data, bytes) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as file:
            file.writelines(pieces)
        return path
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".spexjax-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if target.exists() and (mode := target.stat().st_mode) != draft.stat().st_mode:
            draft.chmod(stat.S_IMODE(mode))
        draft.replace(target)
    except OSError as error:
        kept = "; what was there before is kept" if target.exists() else ""
        raise OSError(error.errno, f"{error.strerror}{kept}", str(path)) from error
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return path


def _sync_folder(folder: Path) -> None:
    """Makes a new name last through a power cut, where the system can sync folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
