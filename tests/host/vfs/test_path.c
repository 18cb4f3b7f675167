/* Paths: walks, links, mounts, and the rules for changing names. */
#include <tests/host/vfs/vfs_machine.h>

/* --- walks ------------------------------------------------------------------------------------ */

VFS_TEST(a_path_names_what_posix_says)
{
    CHECK(make_directory("/a") == HX_OK && make_directory("a/b") == HX_OK);
    make_file("/a/b/f", "x");
    CHECK(number_at("//a///b/./../b/f") == number_at("/a/b/f"));
    CHECK(number_at("/../../a/..") == number_at("/"));
    CHECK(find("", 0) == HX_ENOENT && find("/a/none", 0) == HX_ENOENT);
    CHECK(find("/a/b/f/", 0) == HX_ENOTDIR && find("/a/b/f/.", 0) == HX_ENOTDIR);
    CHECK(find("/a/b/f/..", 0) == HX_ENOTDIR && find("/a/b/", 0) == HX_OK);
    CHECK(find("/a/none/..", 0) == HX_ENOENT);
}

VFS_TEST(a_name_has_at_most_255_bytes)
{
    char path[300] = "/";

    memset(path + 1, 'n', 255);
    CHECK(make_directory(path) == HX_OK && find(path, 0) == HX_OK);
    path[256] = 'n';
    CHECK(make_directory(path) == HX_ENAMETOOLONG && find(path, 0) == HX_ENAMETOOLONG);
}

VFS_TEST(symbolic_links_are_followed_where_they_should_be)
{
    CHECK(make_directory("/d") == HX_OK);
    make_file("/d/f", "x");
    CHECK(make_symlink("d", "/l1") == HX_OK && make_symlink("l1", "/l2") == HX_OK);
    CHECK(number_at("/l2/f") == number_at("/d/f"));
    CHECK(number_at("/l2") != number_at("/d") && number_at("/l2/") == number_at("/d"));
    CHECK(make_symlink("/d/f", "/d/abs") == HX_OK && contains("/l1/abs", "x"));
    CHECK(find("/l2/abs/", 0) == HX_ENOTDIR);
    CHECK(make_symlink("f/", "/d/slash") == HX_OK && find("/d/slash", PATH_FOLLOW) == HX_ENOTDIR);
    CHECK(make_symlink("../l1/../d/f", "/d/round") == HX_OK && contains("/d/round", "x"));
}

VFS_TEST(forty_links_are_followed_and_loops_are_not)
{
    char name[16];
    char target[16];

    make_file("/end", "x");
    CHECK(make_symlink("end", "/0") == HX_OK);
    for (int i = 1; i < 41; i++) {
        snprintf(name, sizeof(name), "/%d", i);
        snprintf(target, sizeof(target), "%d", i - 1);
        CHECK(make_symlink(target, name) == HX_OK);
    }
    CHECK(find("/39", PATH_FOLLOW) == HX_OK && find("/40", PATH_FOLLOW) == HX_ELOOP);
    CHECK(make_symlink("loop", "/loop") == HX_OK && find("/loop/x", 0) == HX_ELOOP);
    CHECK(try_open("/loop", FILE_CREATE | FILE_WRITE_ONLY) == HX_ELOOP);
}

VFS_TEST(a_search_needs_permission)
{
    CHECK(make_node("/secret", VNODE_DIRECTORY, 0700) == HX_OK);
    make_file("/secret/f", "x");
    who.effective_user = 1000;
    CHECK(find("/secret/f", 0) == HX_EACCES && find("/secret", 0) == HX_OK);
    CHECK(find("/secret/..", 0) == HX_EACCES);
}

VFS_TEST(the_text_of_a_place_leads_back_to_it)
{
    char text[64];
    struct location place;

    CHECK(make_directory("/a") == HX_OK && make_directory("/a/b") == HX_OK);
    CHECK(mount_at("/a/b", 0) == HX_OK && make_directory("/a/b/c") == HX_OK);
    CHECK(path_find(&walk, "/a/b/c", 0, &place) == HX_OK);
    CHECK(path_text(context, &place, text, sizeof(text)) == HX_OK && strcmp(text, "/a/b/c") == 0);
    CHECK(path_text(context, &place, text, 6) == HX_ERANGE);
    CHECK(path_remove_directory(&walk, "/a/b/c") == HX_OK);
    CHECK(path_text(context, &place, text, sizeof(text)) == HX_ENOENT);
    location_put(&place);
}

VFS_TEST(nobody_leaves_the_root_upwards)
{
    struct location jail;

    CHECK(make_directory("/jail") == HX_OK && make_directory("/jail/in") == HX_OK);
    make_file("/f", "outside");
    CHECK(make_symlink("/f", "/jail/link") == HX_OK);
    CHECK(path_find(&walk, "/jail", 0, &jail) == HX_OK);
    path_context_set_root(context, jail);
    CHECK(number_at("/../in/../..") == number_at("/") && find("/link", PATH_FOLLOW) == HX_ENOENT);
}

/* --- mounts ----------------------------------------------------------------------------------- */

VFS_TEST(a_mount_is_crossed_both_ways)
{
    CHECK(make_directory("/m") == HX_OK);
    make_file("/m/under", "x");
    CHECK(mount_at("/m", 0) == HX_OK && find("/m/under", 0) == HX_ENOENT);
    make_file("/m/over", "y");
    CHECK(number_at("/m/..") == number_at("/") && contains("/m/../m/over", "y"));
    CHECK(path_remove_directory(&walk, "/m") == HX_EBUSY);
    CHECK(rename_to("/m", "/n", 0) == HX_EBUSY && rename_to("/m/over", "/o", 0) == HX_EXDEV);
    CHECK(mount_at("/m", 0) == HX_OK && find("/m/over", 0) == HX_ENOENT);
    CHECK(unmount("/m", false) == HX_OK && contains("/m/over", "y"));
    CHECK(unmount("/m", false) == HX_OK && contains("/m/under", "x"));
    CHECK(unmount("/m", false) == HX_EINVAL && unmount("/", false) == HX_EINVAL);
}

VFS_TEST(a_file_system_in_use_is_not_unmounted)
{
    struct vfs_balance before;
    struct file *file;

    CHECK(make_directory("/m") == HX_OK);
    before = vfs_balance();
    CHECK(mount_at("/m", 0) == HX_OK && make_directory("/m/d") == HX_OK);
    file = opened("/m/d/f", FILE_CREATE | FILE_READ_WRITE);
    CHECK(unmount("/m", false) == HX_EBUSY);
    CHECK(mount_at("/m/d", 0) == HX_OK && unmount("/m", true) == HX_EBUSY);
    CHECK(unmount("/m/d", false) == HX_OK && unmount("/m", true) == HX_OK);
    put_text(file, "still there");
    CHECK(find("/m/d", 0) == HX_ENOENT);
    file_put(file);
    vfs_check_balance(before);
}

VFS_TEST(a_detached_mount_ends_at_its_root)
{
    struct vfs_balance before;
    struct location inside;
    struct path_walk from = walk;
    struct location found;

    CHECK(make_directory("/m") == HX_OK);
    before = vfs_balance();
    CHECK(mount_at("/m", 0) == HX_OK && make_directory("/m/d") == HX_OK);
    CHECK(path_find(&walk, "/m/d", 0, &inside) == HX_OK && unmount("/m", true) == HX_OK);
    from.base = &inside;
    CHECK(path_find(&from, "../../../d", 0, &found) == HX_OK && found.vnode == inside.vnode);
    location_put(&found);
    location_put(&inside);
    vfs_check_balance(before);
}

VFS_TEST(a_bound_folder_outlives_the_mount_it_was_bound_from)
{
    struct vfs_balance before;
    struct location from;
    struct location target;

    CHECK(make_directory("/m") == HX_OK && make_directory("/b") == HX_OK);
    before = vfs_balance();
    CHECK(mount_at("/m", 0) == HX_OK && make_directory("/m/d") == HX_OK);
    make_file("/m/d/f", "x");
    CHECK(path_find(&walk, "/m/d", 0, &from) == HX_OK);
    CHECK(path_find(&walk, "/b", 0, &target) == HX_OK && mount_bind(&from, &target) == HX_OK);
    location_put(&from);
    location_put(&target);
    CHECK(unmount("/m", false) == HX_OK && contains("/b/f", "x"));
    CHECK(make_directory("/b/e") == HX_OK && rename_to("/b/e", "/b/g", 0) == HX_OK);
    CHECK(number_at("/b/..") == number_at("/") && unmount("/b", false) == HX_OK);
    vfs_check_balance(before);
}

static hx_err bind(const char *from_path, struct location *target)
{
    struct location from;
    hx_err error = path_find(&walk, from_path, 0, &from);

    CHECK(error == HX_OK);
    error = mount_bind(&from, target);
    location_put(&from);
    return error;
}

/* A walk through it comes to an end, with locks and without. */
VFS_TEST(a_folder_is_bound_onto_itself_and_shows_itself)
{
    struct vfs_balance before;
    struct location target;

    CHECK(make_directory("/d") == HX_OK);
    make_file("/d/f", "x");
    before = vfs_balance();
    for (unsigned i = 0; i < 2; i++) {
        CHECK(path_find(&walk, "/d", 0, &target) == HX_OK && bind("/d", &target) == HX_OK);
        location_put(&target);
        CHECK(contains("/d/f", "x") && contains("/d/.././d/f", "x"));
        CHECK(make_directory("/d/e") == HX_OK && path_remove_directory(&walk, "/d/e") == HX_OK);
    }
    CHECK(unmount("/d", false) == HX_OK && unmount("/d", false) == HX_OK);
    CHECK(contains("/d/f", "x") && unmount("/d", false) == HX_EINVAL);
    vfs_check_balance(before);
}

/* Who has come to a folder before something was bound there still stands on it. */
VFS_TEST(two_folders_bound_onto_each_other_lead_nowhere_twice)
{
    struct vfs_balance before;
    struct location first, second;
    uint64_t a, b;

    CHECK(make_directory("/a") == HX_OK && make_directory("/b") == HX_OK);
    before = vfs_balance();
    a = number_at("/a");
    b = number_at("/b");
    CHECK(path_find(&walk, "/a", 0, &first) == HX_OK &&
          path_find(&walk, "/b", 0, &second) == HX_OK);
    CHECK(mount_bind(&first, &second) == HX_OK && mount_bind(&second, &first) == HX_OK);
    location_put(&first);
    location_put(&second);
    CHECK(number_at("/a") == b && number_at("/b") == a);
    CHECK(unmount("/a", false) == HX_OK && number_at("/a") == a && number_at("/b") == a);
    CHECK(unmount("/b", false) == HX_OK && number_at("/b") == b);
    vfs_check_balance(before);
}

static hx_err bind_at(const char *from, const char *target_path)
{
    struct location target;
    hx_err error = path_find(&walk, target_path, 0, &target);

    CHECK(error == HX_OK);
    error = bind(from, &target);
    location_put(&target);
    return error;
}

/* By the name that it was mounted under it is found, and by no other. */
VFS_TEST(a_mount_covers_a_folder_only_where_it_was_mounted)
{
    struct vfs_balance before;

    CHECK(make_directory("/w") == HX_OK && make_directory("/w/d") == HX_OK);
    make_file("/w/d/f", "x");
    before = vfs_balance();
    CHECK(bind_at("/w", "/w/d") == HX_OK && contains("/w/d/d/f", "x"));
    CHECK(mount_at("/w/d/d", 0) == HX_OK && find("/w/d/d/f", 0) == HX_ENOENT);
    CHECK(number_at("/w/d") == number_at("/w") && number_at("/w/d/d/..") == number_at("/w"));
    CHECK(make_directory("/w/d/d/x") == HX_OK && mount_at("/w/d/d/x", 0) == HX_OK);
    CHECK(unmount("/w/d/d", true) == HX_EBUSY && unmount("/w/d/d/x", false) == HX_OK);
    CHECK(unmount("/w/d/d", false) == HX_OK && contains("/w/d/d/f", "x"));
    CHECK(unmount("/w/d", false) == HX_OK && contains("/w/d/f", "x"));
    vfs_check_balance(before);
}

/* The earlier of two that cover a folder goes first. */
VFS_TEST(mounts_beside_each_other_go_in_any_order)
{
    struct vfs_balance before;

    CHECK(make_directory("/w") == HX_OK && make_directory("/w/d") == HX_OK &&
          make_directory("/v") == HX_OK && make_directory("/u") == HX_OK);
    before = vfs_balance();
    CHECK(bind_at("/w", "/v") == HX_OK && bind_at("/w", "/u") == HX_OK);
    CHECK(mount_at("/w/d", 0) == HX_OK && make_directory("/w/d/w") == HX_OK);
    CHECK(mount_at("/v/d", 0) == HX_OK && make_directory("/v/d/v") == HX_OK);
    CHECK(mount_at("/u/d", 0) == HX_OK && make_directory("/u/d/u") == HX_OK);
    CHECK(unmount("/v/d", false) == HX_OK && find("/v/d/v", 0) == HX_ENOENT);
    CHECK(find("/w/d/w", 0) == HX_OK && find("/u/d/u", 0) == HX_OK);
    CHECK(unmount("/w/d", false) == HX_OK && find("/u/d/u", 0) == HX_OK);
    CHECK(path_remove_directory(&walk, "/w/d") == HX_EBUSY);
    CHECK(unmount("/u/d", false) == HX_OK && path_remove_directory(&walk, "/w/d") == HX_OK);
    CHECK(unmount("/v", false) == HX_OK && unmount("/u", false) == HX_OK);
    CHECK(make_directory("/w/d") == HX_OK);
    vfs_check_balance(before);
}

/* Who is in what covers the root is not above it by "..". */
VFS_TEST(a_root_that_is_covered_is_not_left)
{
    struct path_context *confined;
    struct path_walk inside = walk;
    struct location root, found;
    uint64_t number;

    CHECK(make_directory("/r") == HX_OK && make_directory("/out") == HX_OK);
    number = number_at("/r");
    CHECK(path_context_create(&confined) == HX_OK && path_find(&walk, "/r", 0, &root) == HX_OK);
    path_context_set_root(confined, root);
    CHECK(mount_at("/r", 0) == HX_OK && path_find(&walk, "/r", 0, &root) == HX_OK);
    inside.context = confined;
    inside.base = &root;
    CHECK(path_find(&inside, "../out", 0, &found) == HX_ENOENT);
    CHECK(path_find(&inside, "..", 0, &found) == HX_OK && found.vnode->number == number);
    location_put(&found);
    location_put(&root);
    path_context_put(confined);
    CHECK(unmount("/r", false) == HX_OK);
}

/* Nobody would find it there to unmount it. */
VFS_TEST(nothing_is_mounted_in_what_was_detached)
{
    struct vfs_balance before;
    struct location inside;

    CHECK(make_directory("/m") == HX_OK);
    before = vfs_balance();
    CHECK(mount_at("/m", 0) == HX_OK && make_directory("/m/d") == HX_OK);
    CHECK(path_find(&walk, "/m/d", 0, &inside) == HX_OK && unmount("/m", true) == HX_OK);
    CHECK(mount_add("none", &inside, "tmpfs", 0, "") == HX_EINVAL);
    CHECK(bind("/", &inside) == HX_EINVAL);
    location_put(&inside);
    vfs_check_balance(before);
}

VFS_TEST(what_is_mounted_read_only_is_not_changed)
{
    struct location place;

    CHECK(make_directory("/m") == HX_OK && mount_at("/m", 0) == HX_OK);
    make_file("/m/f", "x");
    CHECK(path_find(&walk, "/m", 0, &place) == HX_OK);
    CHECK(mount_change(&place, MOUNT_READ_ONLY | MOUNT_REMOUNT) == HX_OK);
    location_put(&place);
    CHECK(make_directory("/m/d") == HX_EROFS && path_unlink(&walk, "/m/f") == HX_EROFS);
    CHECK(try_open("/m/f", FILE_WRITE_ONLY) == HX_EROFS && contains("/m/f", "x"));
    CHECK(try_open("/m/g", FILE_WRITE_ONLY | FILE_CREATE) == HX_EROFS);
    CHECK(make_directory("/m/f") == HX_EEXIST);
}

/* A tree as deep as memory allows is freed without recursion. */
VFS_TEST(a_deep_tree_goes_with_its_file_system)
{
    struct vfs_balance before;
    struct location here;
    struct path_walk from = walk;
    const struct vnode_making making = {.type = VNODE_DIRECTORY, .mode = 0755};

    CHECK(make_directory("/m") == HX_OK);
    before = vfs_balance();
    CHECK(mount_at("/m", 0) == HX_OK && path_find(&walk, "/m", 0, &here) == HX_OK);
    for (unsigned i = 0; i < 5000; i++) {
        struct location next;

        from.base = &here;
        CHECK(path_make(&from, "d", &making, &next) == HX_OK);
        location_put(&here);
        here = next;
    }
    location_put(&here);
    CHECK(unmount("/m", false) == HX_OK);
    vfs_check_balance(before);
}

/* --- making and removing ---------------------------------------------------------------------- */

VFS_TEST(names_are_made_once)
{
    CHECK(make_directory("/d") == HX_OK && make_directory("/d") == HX_EEXIST);
    CHECK(make_directory("/") == HX_EEXIST && make_directory("/d/.") == HX_EEXIST);
    CHECK(make_directory("/d/e/") == HX_OK && make_node("/f/", VNODE_FILE, 0644) == HX_ENOENT);
    CHECK(make_directory("/none/x") == HX_ENOENT);
    CHECK(make_symlink("nowhere", "/l") == HX_OK && make_directory("/l") == HX_EEXIST);
    CHECK(links_of("/d") == 3 && links_of("/d/e") == 2);
    who.effective_user = 5;
    CHECK(make_directory("/d/x") == HX_EACCES && make_directory("/d/e") == HX_EEXIST);
}

VFS_TEST(removing_has_its_rules)
{
    CHECK(make_directory("/d") == HX_OK);
    make_file("/d/f", "x");
    CHECK(path_unlink(&walk, "/d") == HX_EISDIR && path_unlink(&walk, "/d/f/") == HX_ENOTDIR);
    CHECK(path_remove_directory(&walk, "/d/f") == HX_ENOTDIR);
    CHECK(path_remove_directory(&walk, "/d") == HX_ENOTEMPTY);
    CHECK(path_remove_directory(&walk, "/d/.") == HX_EINVAL);
    CHECK(path_remove_directory(&walk, "/d/..") == HX_ENOTEMPTY);
    CHECK(path_remove_directory(&walk, "/") == HX_EBUSY && path_unlink(&walk, "/d/.") == HX_EISDIR);
    CHECK(path_unlink(&walk, "/none") == HX_ENOENT);
    CHECK(path_unlink(&walk, "/d/f") == HX_OK && path_remove_directory(&walk, "/d/") == HX_OK);
    CHECK(find("/d", 0) == HX_ENOENT && links_of("/") == 2);
}

VFS_TEST(a_removed_directory_takes_no_names)
{
    struct location here;
    struct path_walk from = walk;
    const struct vnode_making making = {.type = VNODE_FILE, .mode = 0644};

    CHECK(make_directory("/d") == HX_OK && path_find(&walk, "/d", 0, &here) == HX_OK);
    CHECK(path_remove_directory(&walk, "/d") == HX_OK);
    from.base = &here;
    CHECK(path_make(&from, "x", &making, NULL) == HX_ENOENT);
    location_put(&here);
}

VFS_TEST(in_a_sticky_directory_one_removes_ones_own)
{
    CHECK(make_node("/tmp", VNODE_DIRECTORY, 01777) == HX_OK);
    who.effective_user = 1;
    make_file("/tmp/one", "x");
    who.effective_user = 2;
    make_file("/tmp/two", "x");
    CHECK(path_unlink(&walk, "/tmp/one") == HX_EPERM);
    CHECK(rename_to("/tmp/one", "/tmp/x", 0) == HX_EPERM);
    CHECK(rename_to("/tmp/two", "/tmp/one", 0) == HX_EPERM);
    CHECK(path_unlink(&walk, "/tmp/two") == HX_OK);
}

VFS_TEST(an_object_has_many_names)
{
    make_file("/f", "x");
    CHECK(make_directory("/d") == HX_OK && link_to("/f", "/d/g") == HX_OK);
    CHECK(links_of("/f") == 2 && number_at("/f") == number_at("/d/g"));
    CHECK(link_to("/f", "/d/g") == HX_EEXIST && link_to("/d", "/e") == HX_EPERM);
    CHECK(link_to("/f", "/h/") == HX_ENOENT && path_unlink(&walk, "/f") == HX_OK);
    CHECK(links_of("/d/g") == 1 && contains("/d/g", "x"));
}

/* --- renaming --------------------------------------------------------------------------------- */

VFS_TEST(renaming_has_its_rules)
{
    CHECK(make_directory("/d") == HX_OK && make_directory("/d/e") == HX_OK);
    make_file("/f", "f");
    make_file("/g", "g");
    CHECK(rename_to("/d", "/d/e/x", 0) == HX_EINVAL && rename_to("/d", "/d", 0) == HX_OK);
    CHECK(rename_to("/d/e", "/d", 0) == HX_ENOTEMPTY && rename_to("/f", "/d", 0) == HX_EISDIR);
    CHECK(rename_to("/d", "/f", 0) == HX_ENOTDIR && rename_to("/f", "/new/", 0) == HX_ENOTDIR);
    CHECK(rename_to("/d/.", "/x", 0) == HX_EBUSY && rename_to("/none", "/x", 0) == HX_ENOENT);
    CHECK(rename_to("/f", "/g", RENAME_NO_REPLACE) == HX_EEXIST);
    CHECK(rename_to("/f", "/none", RENAME_EXCHANGE) == HX_ENOENT);
    CHECK(rename_to("/f", "/g", 0) == HX_OK && contains("/g", "f") && number_at("/f") == 0);
    CHECK(link_to("/g", "/h") == HX_OK && rename_to("/g", "/h", 0) == HX_OK && number_at("/g"));
}

VFS_TEST(a_moved_directory_has_its_new_parent)
{
    CHECK(make_directory("/a") == HX_OK && make_directory("/b") == HX_OK);
    CHECK(make_directory("/a/d") == HX_OK && make_directory("/b/d") == HX_OK);
    CHECK(rename_to("/a/d", "/b/d/", 0) == HX_OK && links_of("/a") == 2 && links_of("/b") == 3);
    CHECK(number_at("/b/d/..") == number_at("/b"));
    make_file("/a/f", "f");
    CHECK(rename_to("/a/f", "/b/d", RENAME_EXCHANGE) == HX_OK && contains("/b/d", "f"));
    CHECK(links_of("/a") == 3 && links_of("/b") == 2 && number_at("/a/f/..") == number_at("/a"));
}

VFS_TEST(a_directory_that_moves_needs_write_permission)
{
    who.effective_user = 0;
    CHECK(make_node("/a", VNODE_DIRECTORY, 0777) == HX_OK);
    CHECK(make_node("/b", VNODE_DIRECTORY, 0777) == HX_OK && make_directory("/a/d") == HX_OK);
    who.effective_user = 9;
    CHECK(rename_to("/a/d", "/b/d", 0) == HX_EACCES && rename_to("/a/d", "/a/e", 0) == HX_OK);
}

/* --- at the same time ------------------------------------------------------------------------- */

static uint32_t rounds(void)
{
    return getenv("HELIX_SOAK") != NULL ? 50000 : 2000;
}

/* Directories move up and down the tree while others remove, step up and look. */
static void move_around(uint32_t number)
{
    for (uint32_t i = 0; i < rounds(); i++) {
        switch (number) {
        case 0:
            (void)!rename_to("/a/x", "/a/b/x", 0);
            (void)!rename_to("/a/b/x", "/a/x", 0);
            break;
        case 1:
            (void)!path_remove_directory(&walk, "/a/b");
            (void)!make_directory("/a/b");
            break;
        case 2:
            (void)!find("/a/b/x/../../b/x/..", 0);
            break;
        default:
            (void)!rename_to("/a/b", "/c", RENAME_EXCHANGE);
            (void)!make_directory("/a/x");
            (void)!path_remove_directory(&walk, "/a/x");
            break;
        }
    }
}

VFS_TEST(renaming_removing_and_walking_agree)
{
    CHECK(make_directory("/a") == HX_OK && make_directory("/a/b") == HX_OK);
    CHECK(make_directory("/a/x") == HX_OK && make_directory("/c") == HX_OK);
    on_threads(4, move_around);
    (void)!path_remove_directory(&walk, "/a/b/x");
    (void)!path_remove_directory(&walk, "/a/b");
    (void)!path_remove_directory(&walk, "/a/x");
    (void)!path_remove_directory(&walk, "/c/x");
    CHECK(path_remove_directory(&walk, "/c") == HX_OK);
    CHECK(path_remove_directory(&walk, "/a") == HX_OK && links_of("/") == 2);
}

static void make_and_remove(const char *directory)
{
    char path[64];

    CHECK(make_directory(directory) == HX_OK);
    for (char name = 'a'; name <= 'z'; name++) {
        (void)snprintf(path, sizeof(path), "%s/%c", directory, name);
        CHECK(make_node(path, VNODE_FILE, 0644) == HX_OK);
    }
    for (char name = 'a'; name <= 'z'; name++) {
        (void)snprintf(path, sizeof(path), "%s/%c", directory, name);
        CHECK(path_unlink(&walk, path) == HX_OK);
    }
    CHECK(path_remove_directory(&walk, directory) == HX_OK);
}

/* One directory grows from nothing and goes again and again, and another name always changes hands:
 * it is found all the time. */
static void change_names(uint32_t number)
{
    for (uint32_t i = 0; i < rounds() / 20; i++) {
        switch (number) {
        case 0:
            make_and_remove("/d/grows");
            break;
        case 1:
            CHECK(make_node("/d/new", VNODE_FILE, 0644) == HX_OK);
            CHECK(rename_to("/d/new", "/d/kept", 0) == HX_OK);
            break;
        default:
            for (unsigned look = 0; look < 20; look++) {
                CHECK(find("/d/./kept", 0) == HX_OK && find("/d/kept/", 0) == HX_ENOTDIR);
                (void)!find("/d/grows/m", 0);
            }
            break;
        }
    }
}

VFS_TEST(a_name_that_is_always_there_is_always_found)
{
    struct vfs_balance before;

    CHECK(make_directory("/d") == HX_OK && make_node("/d/kept", VNODE_FILE, 0644) == HX_OK);
    make_and_remove("/d/grows");
    before = vfs_balance();
    on_threads(4, change_names);
    vfs_check_balance(before);
}

static void mount_around(uint32_t number)
{
    for (uint32_t i = 0; i < rounds(); i++) {
        if (number == 0) {
            CHECK(mount_at("/m", 0) == HX_OK);
            CHECK(unmount("/m", true) == HX_OK);
        } else if (number == 1) {
            CHECK(mount_at("/b/m", 0) == HX_OK && unmount("/b/m", true) == HX_OK);
        } else {
            (void)!find("/m/../m/.", 0);
            (void)!find("/b/m/../m/.", 0);
        }
    }
}

VFS_TEST(mounts_come_and_go_while_others_cross_them)
{
    struct vfs_balance before;

    CHECK(make_directory("/m") == HX_OK && make_directory("/b") == HX_OK);
    CHECK(bind_at("/", "/b") == HX_OK);
    before = vfs_balance();
    on_threads(4, mount_around);
    vfs_check_balance(before);
}

VFS_TEST(nothing_is_mounted_on_what_was_removed)
{
    struct vfs_balance before;
    struct location gone;

    make_and_remove("/m"); /* the table of names is as large as it gets */
    make_file("/g", "y");
    before = vfs_balance();
    CHECK(make_directory("/m") == HX_OK && path_find(&walk, "/m", 0, &gone) == HX_OK);
    CHECK(path_remove_directory(&walk, "/m") == HX_OK);
    CHECK(mount_add("none", &gone, "tmpfs", 0, "") == HX_ENOENT && bind("/", &gone) == HX_ENOENT);
    location_put(&gone);
    make_file("/f", "x");
    CHECK(path_find(&walk, "/f", 0, &gone) == HX_OK && path_unlink(&walk, "/f") == HX_OK);
    CHECK(bind("/g", &gone) == HX_ENOENT);
    location_put(&gone);
    vfs_check_balance(before);
}

static hx_err bind_root_at(const char *path)
{
    struct location root = mount_root_location();
    struct location target;
    hx_err error = path_find(&walk, path, 0, &target);

    if (error == HX_OK) {
        error = mount_bind(&root, &target);
        location_put(&target);
    }
    location_put(&root);
    return error;
}

/* Whoever has mounted something finds it there. */
static void mount_on_what_goes(uint32_t number)
{
    for (uint32_t i = 0; i < 100 * rounds(); i++) {
        if (number == 0) {
            (void)!make_directory("/m");
            (void)!path_remove_directory(&walk, "/m");
        } else if (bind_root_at("/m") == HX_OK) {
            CHECK(unmount("/m", true) == HX_OK);
        }
    }
}

VFS_TEST(a_folder_that_goes_while_something_is_mounted_on_it_stays_or_has_gone)
{
    struct vfs_balance before;

    make_and_remove("/m");
    before = vfs_balance();
    on_threads(2, mount_on_what_goes);
    (void)!path_remove_directory(&walk, "/m");
    vfs_check_balance(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_names_what_posix_says),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
        cmocka_unit_test(symbolic_links_are_followed_where_they_should_be),
        cmocka_unit_test(forty_links_are_followed_and_loops_are_not),
        cmocka_unit_test(a_search_needs_permission),
        cmocka_unit_test(the_text_of_a_place_leads_back_to_it),
        cmocka_unit_test(nobody_leaves_the_root_upwards),
        cmocka_unit_test(a_mount_is_crossed_both_ways),
        cmocka_unit_test(a_file_system_in_use_is_not_unmounted),
        cmocka_unit_test(a_detached_mount_ends_at_its_root),
        cmocka_unit_test(a_bound_folder_outlives_the_mount_it_was_bound_from),
        cmocka_unit_test(a_folder_is_bound_onto_itself_and_shows_itself),
        cmocka_unit_test(two_folders_bound_onto_each_other_lead_nowhere_twice),
        cmocka_unit_test(a_mount_covers_a_folder_only_where_it_was_mounted),
        cmocka_unit_test(mounts_beside_each_other_go_in_any_order),
        cmocka_unit_test(a_root_that_is_covered_is_not_left),
        cmocka_unit_test(nothing_is_mounted_in_what_was_detached),
        cmocka_unit_test(what_is_mounted_read_only_is_not_changed),
        cmocka_unit_test(a_deep_tree_goes_with_its_file_system),
        cmocka_unit_test(names_are_made_once),
        cmocka_unit_test(removing_has_its_rules),
        cmocka_unit_test(a_removed_directory_takes_no_names),
        cmocka_unit_test(in_a_sticky_directory_one_removes_ones_own),
        cmocka_unit_test(an_object_has_many_names),
        cmocka_unit_test(renaming_has_its_rules),
        cmocka_unit_test(a_moved_directory_has_its_new_parent),
        cmocka_unit_test(a_directory_that_moves_needs_write_permission),
        cmocka_unit_test(renaming_removing_and_walking_agree),
        cmocka_unit_test(a_name_that_is_always_there_is_always_found),
        cmocka_unit_test(mounts_come_and_go_while_others_cross_them),
        cmocka_unit_test(nothing_is_mounted_on_what_was_removed),
        cmocka_unit_test(a_folder_that_goes_while_something_is_mounted_on_it_stays_or_has_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
