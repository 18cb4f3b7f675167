"""Where things are in this tree."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
RESULTS = BUILD / "results"


def image_folder(grade="release"):
    """The folder of the bootable image of a build grade, release or debug."""
    return BUILD / ("x86_64-debug" if grade == "debug" else "x86_64")


def tests_initrd(grade="release"):
    """The initial file system that has the modules of the tests, too (mk/initrd.mk)."""
    return image_folder(grade) / "initrd-tests.cpio"
