"""Processes and threads by the thousand, and what happens when they end at awkward moments."""
import os
import subprocess

import pytest

SOAK = os.environ.get("HELIX_SOAK") == "1"
HEAD = """
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define CHECK(condition)                                                                           \\
    do {                                                                                           \\
        if (!(condition)) {                                                                        \\
            printf("line %d: %s, errno %d\\n", __LINE__, #condition, errno);                        \\
            exit(1);                                                                               \\
        }                                                                                          \\
    } while (0)
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
        result = run_to_end(append=f"exit=init panic=exit {append}", init="/init", extra=root, **options)
        assert result.returncode == 0, result.stdout[-2000:]
        return result

    return run


# SPEC: K5
def test_the_version_can_be_read_from_user_space(outcome):
    result = outcome("""
        int main(void)
        {
            struct utsname names;
            CHECK(uname(&names) == 0);
            CHECK(strcmp(names.version, "Helix 0.1.0-alpha") == 0);
            printf("version: %s\\n", names.version);
            fflush(stdout);
            return 0;
        }""")
    assert "version: Helix 0.1.0-alpha" in result.stdout


def test_a_thousand_processes_are_alive_at_once(outcome):
    outcome("""
        int main(void)
        {
            int status;
            for (int i = 0; i < 1000; i++) {
                pid_t child = fork();
                CHECK(child >= 0);
                if (child == 0) {
                    for (;;) { pause(); }
                }
            }
            CHECK(kill(-1, 0) == 0);
            CHECK(kill(-1, SIGKILL) == 0);
            for (int i = 0; i < 1000; i++) {
                CHECK(wait(&status) > 0 && WIFSIGNALED(status));
            }
            CHECK(wait(&status) == -1 && errno == ECHILD);
            return 0;
        }""")


def test_thousands_of_threads_are_in_one_process(outcome):
    outcome("""
        #define COUNT %d
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER, go = PTHREAD_COND_INITIALIZER;
        static int here;
        static int goes;
        static void *come(void *argument)
        {
            pthread_mutex_lock(&mutex);
            if (++here == COUNT) {
                pthread_cond_signal(&all_here);
            }
            while (!goes) {
                pthread_cond_wait(&go, &mutex);
            }
            pthread_mutex_unlock(&mutex);
            return argument;
        }
        static pthread_t threads[COUNT];
        int main(void)
        {
            pthread_attr_t small;
            pthread_attr_init(&small);
            pthread_attr_setstacksize(&small, 16384);
            for (int i = 0; i < COUNT; i++) {
                CHECK(pthread_create(&threads[i], &small, come, &threads[i]) == 0);
            }
            pthread_mutex_lock(&mutex);
            while (here < COUNT) {
                pthread_cond_wait(&all_here, &mutex);
            }
            goes = 1;
            pthread_cond_broadcast(&go);
            pthread_mutex_unlock(&mutex);
            for (int i = 0; i < COUNT; i++) {
                void *result;
                CHECK(pthread_join(threads[i], &result) == 0 && result == &threads[i]);
            }
            return 0;
        }""" % (10000 if SOAK else 1000), mem=1024 if SOAK else 256)


def test_children_of_a_process_1_that_ends_do_not_hold_the_machine_up(outcome):
    outcome("""
        int main(void)
        {
            for (int i = 0; i < 5; i++) {
                if (fork() == 0) {
                    if (i %% 2 == 0) { _exit(0); }
                    for (;;) { pause(); }
                }
            }
            usleep(20000);
            return 0;
        }""".replace("%%", "%"))


def test_kill_reaches_what_a_fork_bomb_is_just_making(outcome):
    outcome("""
        int main(void)
        {
            for (int round = 0; round < 5; round++) {
                pid_t child = fork();
                int status;
                if (child == 0) {
                    const struct rlimit limit = {60, 60};
                    setrlimit(RLIMIT_NPROC, &limit);
                    for (;;) { fork(); }
                }
                usleep(30000);
                CHECK(kill(-1, SIGKILL) == 0);
                while (wait(&status) > 0) { }
                CHECK(errno == ECHILD);
                CHECK(kill(-1, 0) == -1 && errno == ESRCH);
            }
            return 0;
        }""")


def test_exec_from_any_thread_leaves_that_one_alone(outcome):
    outcome("""
        static void *spin(void *argument) { for (;;) { } return argument; }
        static void *replace(void *argument)
        {
            execl("/bin/busybox", "sh", "-c", "test $$ = $0", argument, (char *)0);
            return argument;
        }
        int main(void)
        {
            for (int round = 0; round < 20; round++) {
                pid_t child = fork();
                int status;
                if (child == 0) {
                    static char id[16];
                    pthread_t thread;
                    snprintf(id, sizeof(id), "%d", getpid());
                    pthread_create(&thread, NULL, spin, NULL);
                    pthread_create(&thread, NULL, replace, id);
                    pthread_create(&thread, NULL, replace, id);
                    for (;;) { pause(); }
                }
                CHECK(waitpid(child, &status, 0) == child && status == 0);
            }
            return 0;
        }""")


def test_stopping_and_continuing_is_told_and_ends_no_sleep(outcome):
    outcome("""
        int main(void)
        {
            int status;
            pid_t child = fork();
            if (child == 0) {
                const struct timespec time = {.tv_nsec = 400000000};
                _exit(nanosleep(&time, NULL) == 0 ? 0 : 1);
            }
            for (int i = 0; i < 3; i++) {
                kill(child, SIGSTOP);
                CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
                kill(child, SIGCONT);
                CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
            }
            CHECK(waitpid(child, &status, 0) == child && status == 0);
            return 0;
        }""")


def test_a_parent_killed_in_vfork_ends_at_once(outcome):
    outcome("""
        int main(void)
        {
            int status;
            pid_t child = fork();
            if (child == 0) {
                if (vfork() == 0) {
                    for (;;) { pause(); }
                }
                _exit(0);
            }
            usleep(50000);
            kill(child, SIGKILL);
            CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
            kill(-1, SIGKILL);
            CHECK(wait(&status) > 0);
            return 0;
        }""")


def test_real_time_signals_that_are_dropped_leave_their_places(outcome):
    outcome("""
        int main(void)
        {
            const struct timespec none = {0};
            sigset_t set;
            int got = 0;
            sigemptyset(&set);
            sigaddset(&set, SIGRTMIN + 3);
            sigprocmask(SIG_BLOCK, &set, NULL);
            for (int round = 0; round < 3; round++) {
                while (kill(getpid(), SIGRTMIN + 3) == 0) { }
                CHECK(errno == EAGAIN);
                signal(SIGRTMIN + 3, SIG_IGN);
                signal(SIGRTMIN + 3, SIG_DFL);
            }
            CHECK(sigtimedwait(&set, NULL, &none) == -1 && errno == EAGAIN);
            CHECK(kill(getpid(), SIGRTMIN + 3) == 0 && kill(getpid(), SIGRTMIN + 3) == 0);
            while (sigtimedwait(&set, NULL, &none) > 0) {
                got++;
            }
            CHECK(got == 2);
            return 0;
        }""")
