#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/resource/resource.h>
#include <hal/memory.h>
#include <subsys/devices/memory_devices.h>
#include <subsys/files/files.h>
#include <subsys/helixfs/helixfs.h>
#include <subsys/procfs/procfs.h>
#include <subsys/sysfs/sysfs.h>
#include <subsys/tmpfs/tmpfs.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/path.h>

static const struct credentials superuser;

/* What is mounted at start, where the directory and the type are there. */
static const struct {
    const char *directory;
    const char *type;
} mounts[] = {{"/dev", "devtmpfs"}, {"/proc", "proc"}, {"/sys", "sysfs"}, {"/helix", "helixfs"}};

static hx_err mount_at(const struct path_walk *walk, const char *directory, const char *type)
{
    const struct vnode_making making = {.type = VNODE_DIRECTORY, .mode = 0755};
    struct location place;
    hx_err error = path_make(walk, directory, &making, NULL);

    if (error == HX_OK || error == HX_EEXIST) {
        error = path_find(walk, directory, PATH_DIRECTORY, &place);
    }
    if (error == HX_OK) {
        error = mount_add(type, &place, type, 0, "");
        location_put(&place);
    }
    return error == HX_ENODEV ? HX_OK : error; /* an image without that file system */
}

static hx_err mount_all(void)
{
    struct path_context *context;
    hx_err error = path_context_create(&context);

    if (error != HX_OK) {
        return error;
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(mounts) && error == HX_OK; i++) {
        const struct path_walk walk = {context, &superuser, NULL};

        error = mount_at(&walk, mounts[i].directory, mounts[i].type);
    }
    path_context_put(context);
    return error;
}

/* A damaged archive gives what came before the damage. */
static void unpack_initrd(void)
{
    const struct boot_module *initrd =
        boot_configuration_module(kernel_boot_configuration(), "initrd");
    struct location root = mount_root_location();
    const char *why;

    if (initrd == NULL) {
        kwarn("files: no initrd: the root directory is empty");
    } else if (tmpfs_unpack(&root, (struct cpio_archive){initrd->data, initrd->size}, &why) !=
               HX_OK) {
        kerror("files: initrd: %s", why);
    }
    root.vnode->mode = 0755;
    location_put(&root);
}

/* Descriptors are charged one by one (subsys/vfs/file_table.c). */
static const struct resource_provider descriptors = {.name = "files"};

static void stats(struct component_stats *numbers)
{
    struct file_statistics files = file_statistics();

    numbers->operations = files.opened;
    numbers->memory_bytes = files.alive * sizeof(struct file);
}

static const struct component files_component = {
    .name = "files", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error;

    (void)config;
    tmpfs_init();
    sysfs_init();
    error = resource_register_provider(RESOURCE_FILE_HANDLES, &descriptors);
    if (error == HX_OK) {
        error = procfs_init();
    }
    if (error == HX_OK) {
        error = helixfs_init();
    }
    if (error == HX_OK) {
        error = memory_devices_init();
    }
    if (error == HX_OK) {
        error = mount_root("tmpfs");
    }
    if (error == HX_OK) {
        unpack_initrd();
        error = mount_all();
    }
    return error == HX_OK ? component_register(&files_component) : error;
}

static hx_err shutdown(void)
{
    return component_unregister(&files_component);
}

static const char *const dependencies[] = {"memory",    "time",    "random",
                                           "terminals", "modules", NULL};

const struct subsystem files_subsystem = {
    .name = "files",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
