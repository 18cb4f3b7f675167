"""A removed file whose blocks nobody was there to give back: they come back with the module."""
import time

from test_ext2 import an_empty_image, booted, check  # pylint: disable=unused-import

PATIENCE = 180


def free_blocks(shell):
    return shell("stat -f -c %f /mnt")


# SPEC: R9
def test_blocks_of_a_removed_file_come_back_with_the_next_module(boot, image):
    shell = booted(boot, image, append="heal=off")
    before = free_blocks(shell)
    shell("head -c 1000000 /dev/zero > /mnt/file; sync")
    shell("(exec 5< /mnt/file; rm /mnt/file; touch /tmp/removed; until [ -e /tmp/go ]; do usleep 10000; done; "
          "exec 5<&-; touch /tmp/closed) &")
    shell("until [ -e /tmp/removed ]; do usleep 10000; done; sync; helixctl module unload file_system; touch /tmp/go")
    assert shell("cat /helix/slots/file_system/active") == "-"
    end = time.monotonic() + PATIENCE
    while shell("ls /tmp/closed 2> /dev/null") == "": # the call is given up after 30 s
        assert time.monotonic() < end
        time.sleep(1)
    shell("echo ext2 > /helix/slots/file_system/swap")
    assert free_blocks(shell) != before
    assert (shell("sync"), free_blocks(shell)) == ("", before)
    assert shell("umount /mnt") == ""
    check(image)
