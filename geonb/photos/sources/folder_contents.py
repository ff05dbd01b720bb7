"""What lies below a folder: its files, and what of it cannot or may not be opened."""

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


def readable(root, folder, wanted=lambda name: True):
    """({name: path for the catalogue} of the files that may be opened, the others as rows of what was left out).

    wanted: of the names of files; links and folders that are not entered are left out in any case.
    """

    def refuse(path, name):
        if path != f"{folder.rstrip('/')}/{name}":
            raise Unreadable("unreadable", "the name of the file is not UTF-8: rename it")
        if os.path.islink(root / name):  # unlike Path.is_symlink it raises nothing where nothing may be looked up
            raise Unreadable("link", "links are not followed: copy what is there into the folder")
        if os.path.isdir(root / name):
            raise Unreadable("unreadable", "permission denied: the folder cannot be listed")
        return {"name": name}

    named = []
    for name in entries(root):
        if wanted(name) or os.path.isdir(root / name):
            path = os.fsencode(f"{folder.rstrip('/')}/{name}").decode("utf-8", "backslashreplace")  # can be stored
            named.append((path, "", name))
    there, left_out = kept_and_left_out(named, refuse)
    return {row["name"]: row["path"] for row in there}, left_out
