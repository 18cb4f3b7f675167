"""Process 1: programs built with the C library, their output and their end."""
import subprocess

import pytest


@pytest.fixture(name="init")
def an_init_of_our_own(tmp_path):
    """Call it with C source: a folder to lay over the initrd, with the program as /init."""
    def build(source):
        (tmp_path / "init.c").write_text(source)
        root = tmp_path / "root"
        root.mkdir()
        subprocess.run(["musl-gcc", "-static", "-O1", "-Wall", "-Werror", "-o", root / "init",
                        tmp_path / "init.c"], check=True)
        return root

    return build


def test_the_programs_of_the_image_speak(run_to_end):
    result = run_to_end(append="exit=init")
    assert "\ninit: hello from user space\n" in result.stdout
    assert "init: ended with status 0" in result.stdout
    assert result.returncode == 0


def test_the_status_of_process_1_becomes_the_guests(run_to_end, init):
    result = run_to_end(init="/init", append="exit=init", extra=init("int main(void) { return 7; }"))
    assert "\ninit: ended with status 7\n" in result.stdout
    assert result.returncode == 7


def test_a_process_1_that_faults_ends_by_a_signal(run_to_end, init):
    root = init("int main(void) { *(volatile int *)16 = 1; return 0; }")
    result = run_to_end(init="/init", append="exit=init", extra=root)
    assert "warn: process init (1): page fault at 0x10" in result.stdout
    assert "\ninit: ended by signal 11\n" in result.stdout
    assert result.returncode == 128 + 11


@pytest.mark.parametrize("statement", ["cli", "hlt", "mov %%rax, %%cr3", "out %%al, $0xf4", "ud2",
                                       "movb $1, 0xffffffff80100000"])
def test_what_a_process_must_not_do_ends_it_and_nothing_else(run_to_end, init, statement):
    root = init(f'int main(void) {{ __asm__ volatile("{statement}" ::: "memory"); return 0; }}')
    result = run_to_end(init="/init", append="exit=init panic=exit", extra=root)
    assert "warn: process init (1): " in result.stdout
    assert result.returncode == 128 + (4 if statement == "ud2" else 11)


# SPEC: Y3
def test_unknown_system_calls_answer_enosys(run_to_end, init):
    root = init("""
        #include <errno.h>
        #include <unistd.h>
        static const long numbers[] = {2000, 511, 512, 479, 333, -1, 0x1000007d0L, 1L << 31};
        int main(void)
        {
            for (int i = 0; i < 8; i++) {
                errno = 0;
                if (syscall(numbers[i]) != -1 || errno != ENOSYS) {
                    return 1 + i;
                }
            }
            return 0;
        }""")
    assert run_to_end(init="/init", append="exit=init", extra=root).returncode == 0


# SPEC: Y3 D3
def test_the_key_n_counts_by_name_what_was_asked_for_in_vain(boot, init):
    root = init("""
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void)
        {
            for (int i = 0; i < 3; i++) {
                syscall(SYS_bpf);
                syscall(2000);
            }
            return 0;
        }""")
    guest = boot(init="/init", extra=root, append="loglevel=info")
    guest.expect(r"\(init\) called bpf \(321\), which does not exist here")
    guest.expect("init: ended")
    guest.ask("n", r"bpf \(321\): 3 times\s+a number without a name \(from 512\): 3 times")


# SPEC: Y3
def test_of_a_number_the_lower_32_bits_count(run_to_end, init):
    root = init("""
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) { return syscall(0x100000000L + SYS_getppid) == 0 ? 0 : 1; }""")
    assert run_to_end(init="/init", append="exit=init", extra=root).returncode == 0


# SPEC: Y3
def test_bad_pointers_in_system_calls_answer_efault(run_to_end, init):
    root = init("""
        #include <errno.h>
        #include <unistd.h>
        static const unsigned long addresses[] = {
            0, 16, 0x800000000000, 0xffff800000000000, 0xffffffff80100000, ~0UL, 0x5555555500000000};
        int main(void)
        {
            for (int i = 0; i < 7; i++) {
                errno = 0;
                if (write(1, (void *)addresses[i], 64) != -1 || errno != EFAULT) {
                    return 1 + i;
                }
            }
            return 0;
        }""")
    assert run_to_end(init="/init", append="exit=init panic=exit", extra=root).returncode == 0


def test_output_in_pieces_comes_out_in_whole_lines(run_to_end, init):
    root = init("""
        #include <string.h>
        #include <unistd.h>
        int main(void)
        {
            char line[601];
            const char *word = "one two three\\nfour";
            for (size_t i = 0; word[i]; i++) {
                write(1, word + i, 1);
            }
            write(2, " five\\n", 6);
            memset(line, 'x', 600);
            line[600] = '\\n';
            return write(1, line, 601) == 601 ? 0 : 1;
        }""")
    result = run_to_end(init="/init", append="exit=init", extra=root)
    lines = result.stdout.splitlines()
    assert "one two three" in lines and "four five" in lines
    assert sum(line.count("x") for line in lines if set(line) == {"x"}) == 600
    assert result.returncode == 0


@pytest.mark.parametrize("content", [b"", b"#!/no/such/interpreter\n", b"#!\n", b"\x7fELF" + bytes(60),
                                     b"\x7fELF\2\1\1"])
def test_a_file_that_is_no_program_is_refused_with_a_reason(run_to_end, tmp_path, content):
    (tmp_path / "init").write_bytes(content)
    (tmp_path / "init").chmod(0o755)
    result = run_to_end(init="/init", append="exit=init", extra=tmp_path)
    assert "error: init: /init: " in result.stdout
    assert result.returncode == 127
