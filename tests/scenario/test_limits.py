"""Limits of processes: they bind, the offender hears of it, the rest goes on."""
import re
import subprocess

import pytest

HEAD = """
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>
/* Run a function in a child; its status. */
static int run(void (*function)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        function();
        _exit(77);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}
static void limit(int which, rlim_t soft, rlim_t hard)
{
    const struct rlimit value = {soft, hard};
    if (setrlimit(which, &value) != 0) {
        _exit(78);
    }
}
static unsigned long free_kilobytes(void)
{
    struct sysinfo info;
    sysinfo(&info);
    return info.freeram / 1024;
}
static void eat(void)
{
    for (;;) {
        char *part = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (part == MAP_FAILED) {
            _exit(5);
        }
        memset(part, 1, 1 << 20);
    }
}
static void burn(void)
{
    for (;;) {
    }
}
"""


@pytest.fixture(name="outcome")
def an_outcome(run_to_end, tmp_path):
    """Call it with the rest of a C program: run as process 1, the completed run."""
    def run(source, append="", **options):
        (tmp_path / "init.c").write_text(HEAD + source)
        root = tmp_path / "root"
        root.mkdir()
        subprocess.run(["musl-gcc", "-static", "-O1", "-o", root / "init", tmp_path / "init.c"],
                       check=True)
        return run_to_end(append=f"exit=init panic=exit {append}", init="/init", extra=root, **options)

    return run


# SPEC: Q4
def test_cpu_time_is_warned_of_at_the_soft_limit_and_ends_at_the_hard_one(outcome):
    result = outcome("""
        static void on(int number) { (void)number; (void)!write(1, "told\\n", 5); }
        static void spend(void) { limit(RLIMIT_CPU, 1, 2); signal(SIGXCPU, on); burn(); }
        int main(void)
        {
            int status = run(spend);
            return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 1;
        }""")
    assert result.returncode == 0
    assert result.stdout.count("told") == 1
    assert "is ended: its CPU time is used up" in result.stdout


# SPEC: Q4
def test_the_command_lines_limits_bind_each_process(outcome):
    result = outcome("""
        static void *rest(void *argument) { pause(); return argument; }
        static void make_threads(void)
        {
            pthread_t thread;
            int made = 1;
            int error;
            while ((error = pthread_create(&thread, NULL, rest, NULL)) == 0 && made < 100) {
                made++;
            }
            printf("threads %d, %s\\n", made, error == EAGAIN ? "EAGAIN" : "?");
            exit(0);
        }
        static void open_files(void)
        {
            int made = 3;
            while (made < 100 && open("/dev/null", O_RDONLY) >= 0) {
                made++;
            }
            printf("files %d\\n", made);
            exit(0);
        }
        int main(void)
        {
            printf("eat %d\\n", run(eat));
            printf("burn %d\\n", run(burn));
            fflush(stdout);
            return run(make_threads) + run(open_files);
        }""", append="limit.process-memory=16M limit.process-threads=10 limit.process-files=20 "
                     "limit.process-cpu=500000")
    assert result.returncode == 0
    assert "eat 9\n" in result.stdout.replace("\r", "")
    assert "is ended: its memory limit is reached" in result.stdout
    assert "burn 9\n" in result.stdout.replace("\r", "")
    assert "threads 10, EAGAIN" in result.stdout
    assert "files 20" in result.stdout


# SPEC: Q4
def test_a_fork_bomb_hears_eagain_and_the_rest_goes_on(outcome):
    result = outcome("""
        static void bomb(void)
        {
            limit(RLIMIT_NPROC, 40, 40);
            for (;;) {
                if (fork() < 0) {
                    _exit(errno == EAGAIN ? 3 : 4);
                }
            }
        }
        static void fine(void) { _exit(6); }
        int main(void)
        {
            int status = run(bomb);
            int others;
            if (WEXITSTATUS(run(fine)) != 6) {
                return 1;
            }
            while (wait(&others) > 0) { }
            return WEXITSTATUS(status) == 3 && WEXITSTATUS(run(fine)) == 6 ? 0 : 2;
        }""")
    assert result.returncode == 0


# SPEC: Q4
def test_an_address_space_beyond_its_limit_is_refused(outcome):
    result = outcome("""
        static void ask(void)
        {
            limit(RLIMIT_AS, 32 << 20, 32 << 20);
            void *part = mmap(0, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            _exit(part == MAP_FAILED && errno == ENOMEM ? 0 : 1);
        }
        int main(void) { return run(ask); }""")
    assert result.returncode == 0


# SPEC: Q4
def test_who_eats_all_memory_ends_and_what_it_had_comes_back(outcome):
    result = outcome("""
        int main(void)
        {
            run(eat); /* caches of the kernel grow once */
            unsigned long before = free_kilobytes();
            int status = run(eat);
            for (int i = 0; i < 500 && free_kilobytes() + 256 < before; i++) {
                usleep(10000);
            }
            printf("free before %lu after %lu\\n", before, free_kilobytes());
            fflush(stdout);
            return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                   free_kilobytes() + 256 >= before ? 0 : 1;
        }""", mem=96)
    assert re.search(r"out of memory: process \d+ \(init\) is ended, it has most: \d+ pages",
                     result.stdout)
    assert result.returncode == 0


# SPEC: Q4
def test_not_who_asks_last_ends_but_who_has_most(outcome):
    result = outcome("""
        int main(void)
        {
            int go[2], status;
            pid_t eater, small;
            pipe(go);
            eater = fork();
            if (eater == 0) {
                /* up to a few megabytes of what there is */
                while (free_kilobytes() > 6 * 1024) {
                    memset(mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                           1, 1 << 20);
                }
                (void)!write(go[1], "x", 1);
                for (;;) { pause(); }
            }
            (void)!read(go[0], &status, 1);
            small = fork();
            if (small == 0) {
                char *part = mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                  -1, 0);
                memset(part, 1, 16 << 20);
                _exit(0);
            }
            if (waitpid(small, &status, 0) != small || status != 0) {
                return 1;
            }
            return waitpid(eater, &status, 0) == eater && WTERMSIG(status) == SIGKILL ? 0 : 2;
        }""", mem=96)
    assert result.returncode == 0
