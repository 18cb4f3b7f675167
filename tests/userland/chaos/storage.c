/* Works with the disk's driver, and with the file system on the disk. */
#include "chaos.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static enum verdict of_size(ssize_t got, size_t wanted)
{
    if (got < 0) {
        return WORK_REFUSED;
    }
    return (size_t)got == wanted ? WORK_GOOD : WORK_WRONG;
}

/* --- the disk --------------------------------------------------------------------------------- */

#define RAW_OFFSET (17L << 20) /* behind the file system, see tools/chaos */
#define RAW_SIZE   16384U
#define RAW_PLACES 16U

static enum verdict write_place(int disk, unsigned place, unsigned seed)
{
    static uint8_t bytes[RAW_SIZE];

    fill_pattern(bytes, RAW_SIZE, seed);
    return of_size(pwrite(disk, bytes, RAW_SIZE, RAW_OFFSET + (long)place * RAW_SIZE), RAW_SIZE);
}

static enum verdict read_place(int disk, unsigned place, unsigned seed)
{
    static uint8_t bytes[RAW_SIZE];
    enum verdict verdict =
        of_size(pread(disk, bytes, RAW_SIZE, RAW_OFFSET + (long)place * RAW_SIZE), RAW_SIZE);

    return verdict == WORK_GOOD && !is_pattern(bytes, RAW_SIZE, seed) ? WORK_WRONG : verdict;
}

/* What was written and synced in the round before is there; then this round's. */
static enum verdict use_disk(unsigned round)
{
    int disk = open("/dev/vda", O_RDWR);
    enum verdict verdict = disk < 0 ? WORK_REFUSED : WORK_GOOD;

    for (unsigned i = 0; verdict == WORK_GOOD && i < RAW_PLACES; i++) {
        verdict = read_place(disk, i, i);
    }
    for (unsigned i = 0; verdict == WORK_GOOD && i < 4; i++) {
        verdict = write_place(disk, RAW_PLACES + i, round + i);
    }
    if (verdict == WORK_GOOD && fsync(disk) != 0) {
        verdict = WORK_REFUSED;
    }
    for (unsigned i = 0; verdict == WORK_GOOD && i < 4; i++) {
        verdict = read_place(disk, RAW_PLACES + i, round + i);
    }
    close(disk);
    return verdict;
}

static enum verdict prepare_disk(void)
{
    int disk = open("/dev/vda", O_RDWR);
    enum verdict verdict = disk < 0 ? WORK_REFUSED : WORK_GOOD;

    for (unsigned i = 0; verdict == WORK_GOOD && i < RAW_PLACES; i++) {
        verdict = write_place(disk, i, i);
    }
    close(disk);
    return verdict;
}

const struct work block_work = {.slot = "block", .prepare = prepare_disk, .run = use_disk};

/* --- the file system -------------------------------------------------------------------------- */

#define FILE_SIZE 9000U

static enum verdict write_file(const char *path, unsigned seed)
{
    static uint8_t bytes[FILE_SIZE];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    enum verdict verdict = file < 0 ? WORK_REFUSED : WORK_GOOD;

    fill_pattern(bytes, FILE_SIZE, seed);
    if (verdict == WORK_GOOD) {
        verdict = of_size(write(file, bytes, FILE_SIZE), FILE_SIZE);
    }
    if (verdict == WORK_GOOD && fsync(file) != 0) {
        verdict = WORK_REFUSED;
    }
    close(file);
    return verdict;
}

static enum verdict read_file(const char *path, unsigned seed)
{
    static uint8_t bytes[FILE_SIZE + 1];
    int file = open(path, O_RDONLY);
    enum verdict verdict =
        file < 0 ? WORK_REFUSED : of_size(read(file, bytes, FILE_SIZE + 1), FILE_SIZE);

    close(file);
    return verdict == WORK_GOOD && !is_pattern(bytes, FILE_SIZE, seed) ? WORK_WRONG : verdict;
}

static enum verdict count_entries(const char *path, unsigned wanted)
{
    DIR *folder = opendir(path);
    unsigned count = 0;

    if (folder == NULL) {
        return WORK_REFUSED;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count == wanted ? WORK_GOOD : WORK_WRONG;
}

static enum verdict of_call(int result)
{
    return result == 0 ? WORK_GOOD : WORK_REFUSED;
}

/* One of each thing that is done to names. */
static enum verdict change_names(unsigned round)
{
    struct stat status;
    enum verdict verdict = of_call(mkdir("/mnt/folder", 0755));

    verdict = verdict != WORK_GOOD ? verdict : write_file("/mnt/folder/new", round);
    verdict = verdict != WORK_GOOD ? verdict : of_call(link("/mnt/folder/new", "/mnt/folder/too"));
    verdict = verdict != WORK_GOOD ? verdict : of_call(symlink("too", "/mnt/folder/sign"));
    verdict = verdict != WORK_GOOD ? verdict : read_file("/mnt/folder/sign", round);
    verdict = verdict != WORK_GOOD ? verdict : count_entries("/mnt/folder", 5);
    verdict =
        verdict != WORK_GOOD ? verdict : of_call(rename("/mnt/folder/new", "/mnt/folder/last"));
    verdict = verdict != WORK_GOOD ? verdict : of_call(truncate("/mnt/folder/last", 100));
    verdict = verdict != WORK_GOOD ? verdict : of_call(stat("/mnt/folder/too", &status));
    if (verdict == WORK_GOOD && (status.st_size != 100 || status.st_nlink != 2)) {
        verdict = WORK_WRONG;
    }
    verdict = verdict != WORK_GOOD ? verdict : of_call(unlink("/mnt/folder/last"));
    verdict = verdict != WORK_GOOD ? verdict : of_call(unlink("/mnt/folder/too"));
    verdict = verdict != WORK_GOOD ? verdict : of_call(unlink("/mnt/folder/sign"));
    return verdict != WORK_GOOD ? verdict : of_call(rmdir("/mnt/folder"));
}

static enum verdict use_files(unsigned round)
{
    char path[32];
    enum verdict verdict = read_file("/mnt/first", 1);

    snprintf(path, sizeof(path), "/mnt/file%u", round % 4);
    verdict = verdict != WORK_GOOD ? verdict : write_file(path, round);
    verdict = verdict != WORK_GOOD ? verdict : change_names(round);
    return verdict != WORK_GOOD ? verdict : read_file(path, round);
}

static enum verdict mount_disk(void)
{
    mkdir("/mnt", 0755);
    if (mount("/dev/vda", "/mnt", "ext2", 0, NULL) != 0) {
        return WORK_REFUSED;
    }
    return write_file("/mnt/first", 1);
}

const struct work file_system_work = {
    .slot = "file_system", .witness = "witness", .prepare = mount_disk, .run = use_files};
