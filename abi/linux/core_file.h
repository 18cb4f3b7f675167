/* Core files: what a signal leaves of a process for a debugger (core(5), elf(5)). */
#ifndef ABI_LINUX_CORE_FILE_H
#define ABI_LINUX_CORE_FILE_H

#include <helix/error.h>
#include <subsys/process/core_dump.h>

/*
 * An ELF file: notes on the process and each thread, then its mappings. Of a file's mappings only
 * what the program has written to, and the first page, which says what the file was (Linux's
 * coredump_filter 0x33).  A core_writer.
 */
HX_MUST_USE hx_err linux_core_write(const struct core_dump *dump);

#endif
