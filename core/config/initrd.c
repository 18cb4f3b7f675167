#include <core/config/boot_configuration.h>
#include <core/config/initrd.h>
#include <core/config/kernel_configuration.h>
#include <stddef.h>

static const struct boot_module *find_initrd(void)
{
    return boot_configuration_module(kernel_boot_configuration(), "initrd");
}

bool initrd_open(struct cpio_reader *reader)
{
    const struct boot_module *initrd = find_initrd();

    if (initrd != NULL) {
        cpio_open(reader, (struct cpio_archive){initrd->data, initrd->size});
    }
    return initrd != NULL;
}

hx_err initrd_find(const char *path, struct cpio_entry *entry, const char **why)
{
    const struct boot_module *initrd = find_initrd();
    hx_err error;

    if (initrd == NULL) {
        *why = "there is no initrd";
        return HX_ENOENT;
    }
    error = cpio_find((struct cpio_archive){initrd->data, initrd->size}, path, entry);
    if (error != HX_OK) {
        *why = error == HX_ENOENT ? "not in the initrd" : "the initrd is damaged";
    }
    return error;
}
