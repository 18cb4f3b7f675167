/* What /proc shows for an open file. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <subsys/vfs/file.h>

void file_text(struct file *file, char *buffer, size_t size)
{
    if (file->path != NULL) {
        (void)string_copy(buffer, size, file->path);
        return;
    }
    (void)format_text(buffer, size, "%s:[%llu]",
                      file->ops->name != NULL ? file->ops->name : "anon_inode",
                      (unsigned long long)file_number(file));
}
