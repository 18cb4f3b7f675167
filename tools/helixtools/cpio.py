"""Write cpio archives of the newc format (as the Linux kernel's initramfs documentation describes).

The same entries always give the same bytes: inode numbers count up, times and owners are zero.
"""
import os
import stat

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


class Archive:
    """Collects entries; bytes() is the archive."""

    def __init__(self):
        self._parts = []
        self._inode = 0

    def _add(self, path, mode, data=b"", device=(0, 0)):
        name = path.encode() + b"\0"
        self._inode += 1
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
        header = MAGIC + b"".join(b"%08X" % field for field in fields)
        self._parts += [_padded(header + name), _padded(data)]

    def add_folder(self, path, permissions=0o755):
        self._add(path, stat.S_IFDIR | permissions)

    def add_file(self, path, data, permissions=0o644):
        self._add(path, stat.S_IFREG | permissions, data)

    def add_link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def add_character_device(self, path, major, minor, permissions=0o600):
        self._add(path, stat.S_IFCHR | permissions, device=(major, minor))

    def add_tree(self, folder):
        """Everything below folder, in sorted order."""
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            self._add_tree_entry(entry, entry.name)

    def _add_tree_entry(self, entry, path):
        permissions = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
        if entry.is_symlink():
            self.add_link(path, os.readlink(entry.path))
        elif entry.is_dir():
            self.add_folder(path, permissions)
            for child in sorted(os.scandir(entry.path), key=lambda child: child.name):
                self._add_tree_entry(child, f"{path}/{child.name}")
        elif entry.is_file():
            with open(entry.path, "rb") as file:
                self.add_file(path, file.read(), permissions)
        else:
            raise ValueError(f"{entry.path} is neither file, folder nor symbolic link")

    def bytes(self):
        trailer = Archive()
        trailer._add(TRAILER, 0)
        return b"".join(self._parts + trailer._parts)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
