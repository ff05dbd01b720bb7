"""What lies below a folder: its pictures, and what of it cannot or may not be opened."""

import os
from pathlib import Path

from geonb.photos import pictures
from geonb.photos.left_out import Unreadable, kept_and_left_out


def root_of(folder):
    """The Path on this machine of an option folder; FileNotFoundError where it is none."""
    root = pictures.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    return root


def entries(root):
    """Names below the folder, sorted: every file, every link, and folders that cannot be listed."""
    found, refused = [], []
    for folder, subfolders, files in os.walk(root, onerror=refused.append):
        found += [Path(folder, name) for name in files]
        found += [Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()]
    found += [Path(error.filename) for error in refused]
    return sorted(path.relative_to(root).as_posix() for path in found)


def pictures_below(root, endings):
    """Names below the folder, sorted, with one of the endings, and those of folders that are not entered."""
    return [name for name in entries(root) if name.lower().endswith(endings) or os.path.isdir(root / name)]


def readable(root, names, folder):
    """({name: path for the catalogue} of the files that may be opened, the others as rows of what was left out)."""

    def allowed(_, name):
        refuse_by_name(root, name)
        return {"name": name}

    named = [(_printable(f"{folder.rstrip('/')}/{name}"), "", name) for name in names]
    there, left_out = kept_and_left_out(named, allowed)
    return {row["name"]: row["path"] for row in there}, left_out


def refuse_by_name(root, name):
    """Nothing, or Unreadable for a link that is not followed, a folder without permission, an undecodable name."""
    file = root / name
    if name != _printable(name):
        raise Unreadable("unreadable", "the name of the file is not UTF-8: rename it")
    if os.path.islink(file):  # unlike Path.is_symlink it raises nothing where the folder lets nothing be looked up
        _refuse_link(file, root)
    elif os.path.isdir(file):
        raise Unreadable("unreadable", "permission denied: the folder cannot be listed")


def _refuse_link(file, root):
    target = os.readlink(file)
    try:
        inside, there = file.resolve(strict=True).is_relative_to(root.resolve()), True
    except (OSError, RuntimeError):  # RuntimeError: Python below 3.13 for a circle of links
        inside = there = False
    if not there and not file.parent.joinpath(target).is_symlink():
        raise Unreadable("missing file", f"a link to {_printable(target)}, which is not there")
    if not inside or file.is_dir():
        raise Unreadable("link", f"leads to {_printable(target)}: copy what is there into the folder")


def _printable(name):
    """The name with bytes that are not UTF-8 written as \\x.., so that it can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
