/*
 * What the plug-ins here use of QEMU's plug-in interface, version 1 (QEMU 4.2 and later). QEMU's
 * own header is not packaged, so the calls are declared here; their meaning is described in QEMU's
 * manual, "TCG Plugins".
 *
 * Rules:
 * - A plug-in exports qemu_plugin_version and qemu_plugin_install; QEMU exports the functions
 * below.
 * - Objects handed to a translation callback are valid until it returns.
 */
#ifndef TOOLS_PLUGINS_QEMU_INTERFACE_H
#define TOOLS_PLUGINS_QEMU_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUGIN_INTERFACE_VERSION 1

struct qemu_plugin_tb;       /* a block of instructions being translated */
struct qemu_plugin_insn;     /* one of its instructions */
struct qemu_plugin_hwaddr;   /* where an access went */
typedef uint64_t plugin_id;  /* names the plug-in in every call */
typedef uint32_t plugin_mem; /* an access, opaque */

/* Of the machine. The counts are meaningless when no whole system is emulated. */
struct plugin_machine {
    const char *target; /* "x86_64" */
    struct {
        int oldest;
        int current;
    } version;
    bool is_system;
    int processors;
    int processors_max;
};

/* Whether a callback looks at the processor's registers. */
enum plugin_registers { PLUGIN_NO_REGISTERS = 0 };

enum plugin_access { PLUGIN_STORES = 2 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id id,
                                                              struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id id, void *data),
                                    void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);

const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

/* Call back before each execution; after each access. */
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*executed)(unsigned processor, void *data),
                                            enum plugin_registers registers, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction,
                                      void (*accessed)(unsigned processor, plugin_mem access,
                                                       uint64_t address, void *data),
                                      enum plugin_registers registers, enum plugin_access which,
                                      void *data);

bool qemu_plugin_mem_is_store(plugin_mem access);

/* Where an access went, for the duration of its callback; NULL: not known. */
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(plugin_mem access, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *where);
const char *qemu_plugin_hwaddr_device_name(const struct qemu_plugin_hwaddr *where);

#endif
