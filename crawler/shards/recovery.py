"""The only start: make the shards on the disk equal to what the frontier committed.

longer than its committed length   -> cut back: the rest was never committed
shorter, or missing                -> refuse to start and say which: committed lines are lost
sealed by a commit, still `.open`  -> the kill came between commit and rename: finish the rename
not sealed, but without `.open`    -> a power cut took the commit and left the rename: take the rename back
without a row                      -> set aside, never deleted
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

from crawler.errors import StorageError
from crawler.shards.files import Files
from crawler.shards.writer import OPEN, RESTORE, Shard


def recover(files: Files, folder: Path, shards: Iterable[Shard], set_aside: Path) -> list[str]:
    """Bring the folder into the committed state; return a sentence for each thing done.

    Every shard is looked at before the first is touched, so that a refusal changes nothing. Raises `StorageError`
    when a committed byte is missing.
    """
    shards = list(shards)
    found = [_find(files, folder, shard) for shard in shards]
    for shard, path in zip(shards, found, strict=True):
        if path is not None:
            _check_before_cut(files, shard, path)
    done = [note for shard, path in zip(shards, found, strict=True) if path for note in _mend(files, shard, path)]
    known = {shard.name if shard.sealed else shard.name + OPEN for shard in shards}
    strays = [name for name in files.names(folder) if name not in known]
    return done + [_put_aside(files, folder / name, set_aside) for name in strays]


def _find(files: Files, folder: Path, shard: Shard) -> Path | None:
    names = (shard.name, shard.name + OPEN) if shard.sealed else (shard.name + OPEN, shard.name)
    for path in (folder / name for name in names):
        length_bytes = files.length_bytes(path)
        if length_bytes is not None and length_bytes >= shard.committed_bytes:
            return path
        if length_bytes is not None:
            message = (
                f"{path} has {length_bytes} bytes, and {shard.committed_bytes} were committed: "
                f"{shard.committed_bytes - length_bytes} bytes are lost; restore the file from a copy"
            )
            raise StorageError(message)
    if not shard.committed_bytes:
        return None
    lost = f"{folder / shard.name} is missing, and {shard.committed_bytes} bytes of it were committed"
    message = f"{lost}; restore it from a copy"
    raise StorageError(message)


def _check_before_cut(files: Files, shard: Shard, path: Path) -> None:
    """Refuse to cut a file whose beginning is not what was committed: it is another file, or damaged."""
    if shard.bytes_crc32 is None or files.length_bytes(path) == shard.committed_bytes:
        return
    crc, left_bytes = 0, shard.committed_bytes
    for chunk in files.chunks(path):
        crc = zlib.crc32(chunk[:left_bytes], crc)
        left_bytes -= min(left_bytes, len(chunk))
    if crc != shard.bytes_crc32:
        raise StorageError(f"{path} is not what was written to it: {RESTORE}")


def _mend(files: Files, shard: Shard, path: Path) -> list[str]:
    notes = []
    surplus_bytes = (files.length_bytes(path) or 0) - shard.committed_bytes
    if surplus_bytes:
        files.truncate(path, shard.committed_bytes)
        notes.append(f"{path.name}: cut {surplus_bytes} bytes that were never committed")
    if shard.sealed and path.name != shard.name:
        files.rename(path, path.with_name(shard.name))
        notes.append(f"{shard.name}: finished its sealing")
    if not shard.sealed and path.name == shard.name:
        files.rename(path, path.with_name(shard.name + OPEN))
        notes.append(f"{shard.name}: opened again, the commit that sealed it was lost")
    return notes


def _put_aside(files: Files, path: Path, set_aside: Path) -> str:
    files.make_folder(set_aside)
    taken = set(files.names(set_aside))
    number = next(n for n in range(len(taken) + 1) if f"{path.name}.{n}" not in taken)
    files.rename(path, set_aside / f"{path.name}.{number}")
    return f"{path.name}: never committed, set aside as {set_aside.name}/{path.name}.{number}"
